// The service over HTTP, by a client that sends bytes: an application's day, who may call what,
// what is refused before a body is read, and connections that do not keep to the rules.

#include <atomic>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "http_routes.h"
#include "leadline/core/mutex.h"
#include "leadline/core/rng.h"
#include "leadline/rpc/limits.h"
#include "raw_http.h"
#include "served_database.h"
#include "test_environment.h"

namespace leadline::rpc {
namespace {

using Json = nlohmann::json;

constexpr char kSearch[] = "/v1/collections/c/search";

class Http : public ::testing::Test {
 protected:
  static HttpServerOptions Options() {
    HttpServerOptions options;
    options.threads = 2;
    return options;
  }

  explicit Http(const HttpServerOptions& options = Options()) : served_({}, {}, options) {}

  void Create() {
    const HttpAnswer made =
        client_.Ask("POST", "/v1/collections", R"({"name":"c","dim":2,"metric":"l2"})");
    ASSERT_EQ(made.status, 200) << made.body;
  }

  HttpAnswer Post(const std::string& path, const std::string& body) {
    return client_.Ask("POST", "/v1/collections/c/" + path, body);
  }

  /// Alive, and fast enough to answer.
  void ExpectServes() {
    RawHttp other(served_.http()->port());
    EXPECT_EQ(other.Ask("GET", "/healthz").status, 200);
  }

  ServedDatabase served_;
  RawHttp client_{served_.http()->port()};
};

TEST_F(Http, AnApplicationsDay) {
  Create();
  HttpAnswer answer = Post("records:upsert", R"({"records":[
      {"id":"a","vector":[0,0],"payload":{"n":1,"text":"ü"}},
      {"id":"b","vector":[1,0],"payload":{"n":2}},
      {"id":"c","vector":[5,5]}]})");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.Json()["count"], 3);
  EXPECT_GT(answer.Json()["sequence"], 0);
  EXPECT_EQ(RawHttp::Header(answer.head, "content-type"), "application/json");

  answer = Post("search", R"({"vector":[0.9,0],"limit":2,"explain":true})");
  ASSERT_EQ(answer.status, 200) << answer.body;
  const Json found = answer.Json();
  EXPECT_EQ(found["hits"][0]["id"], "b");
  EXPECT_NEAR(found["hits"][0]["score"].get<double>(), 0.01, 1e-6);
  EXPECT_EQ(found["hits"][1]["payload"], Json::parse(R"({"n":1,"text":"ü"})"));
  EXPECT_EQ(found["metric"], "l2");
  EXPECT_EQ(found["higher_is_better"], false);
  EXPECT_FALSE(found["plan"]["steps"].empty());

  answer = Post("search:batch", R"({"vectors":[[0,0],[5,5]],"limit":1,"filter":"n < 9"})");
  EXPECT_EQ(answer.Json()["responses"][1]["hits"][0]["id"], "b");
  answer = Post("records:get", R"({"ids":["c","none"]})");
  EXPECT_EQ(answer.Json()["records"][0]["vector"], Json::parse("[5,5]"));
  EXPECT_EQ(answer.Json()["missing"], Json::parse(R"(["none"])"));
  answer = Post("records:patch", R"({"patches":[{"id":"c","patch":{"n":7}}]})");
  EXPECT_EQ(answer.Json()["patched"], 1);
  EXPECT_EQ(Post("records:count", R"({"filter":"n = 7"})").Json()["count"], 1);
  answer = Post("records:scroll", R"({"limit":2})");
  EXPECT_EQ(answer.Json()["records"].size(), 2U);
  const Json rest = {{"cursor", answer.Json()["next_cursor"]}};
  EXPECT_EQ(Post("records:scroll", rest.dump()).Json()["records"][0]["id"], "c");
  EXPECT_EQ(Post("records:delete", R"({"ids":["a"]})").Json()["deleted"], 1);
  EXPECT_EQ(Post("records:count", "").Json()["count"], 2);
  EXPECT_EQ(client_.Ask("GET", "/v1/collections").Json()["names"], Json::parse(R"(["c"])"));
  EXPECT_EQ(client_.Ask("GET", "/v1/collections/c").Json()["vectors"][0]["dim"], 2);
  EXPECT_EQ(client_.Ask("GET", "/v1/collections/c/stats").Json()["rows"], 2);
  EXPECT_EQ(client_.Ask("POST", "/v1/collections/c:optimize").status, 200);
  EXPECT_EQ(client_.Ask("DELETE", "/v1/collections/c").status, 200);
  EXPECT_EQ(client_.Ask("GET", "/v1/collections/c").status, 404);
}

TEST_F(Http, ErrorsSayCodeFieldAndLimit) {
  Create();

  const struct {
    const char* verb;
    const char* target;
    const char* body;
    int status;
    const char* error;
  } cases[] = {
      {"POST", kSearch, R"({"vector":[1,2],"limit":0})", 400, "INVALID_ARGUMENT limit"},
      {"POST", kSearch, R"({"vector":[1,2],"ef_search":65537})", 400, "INVALID_ARGUMENT ef_search"},
      {"POST", kSearch, R"({"vector":[1]})", 400, "INVALID_ARGUMENT vector"},
      {"POST", kSearch, R"({"vector":[1,2],"k":3})", 400, "INVALID_ARGUMENT k"},
      {"POST", kSearch, R"({"vector":[1,2],"options":{}})", 400, "INVALID_ARGUMENT options"},
      {"POST", kSearch, R"({"collection":"c"})", 400, "INVALID_ARGUMENT collection"},
      {"POST", kSearch, "{", 400, "INVALID_ARGUMENT body"},
      {"POST", "/v1/collections/c/search?limit=1", "{}", 400, "INVALID_ARGUMENT query"},
      {"POST", "/v1/collections/a%2Fb/search", "{}", 400, "INVALID_ARGUMENT collection"},
      {"POST", "/v1/collections/%2e%2e/search", "{}", 400, "INVALID_ARGUMENT collection"},
      {"POST", "/v1/collections/a%2/search", "{}", 400, "INVALID_ARGUMENT path"},
      {"POST", "/v1/collections/none/search", R"({"vector":[1,2]})", 404, "NOT_FOUND "},
      {"POST", "/v1/collections", R"({"name":"c","dim":2})", 409, "ALREADY_EXISTS "},
      {"GET", "/v1/nothing", "", 404, "NOT_FOUND "},
      {"GET", "/", "", 404, "NOT_FOUND "},
      {"GET", "/v1/collections/", "", 404, "NOT_FOUND "},
      {"GET", kSearch, "", 405, "UNIMPLEMENTED "},
      {"PUT", "/v1/collections", "{}", 405, "UNIMPLEMENTED "},
      {"DELETE", "/healthz", "", 405, "UNIMPLEMENTED "},
  };

  for (const auto& one : cases) {
    SCOPED_TRACE(std::string(one.verb) + " " + one.target + " " + one.body);
    RawHttp client(served_.http()->port());
    const HttpAnswer answer = client.Ask(one.verb, one.target, one.body);
    EXPECT_EQ(answer.status, one.status) << answer.body;
    EXPECT_EQ(answer.Error(), one.error) << answer.body;
    EXPECT_EQ(answer.Json()["error"]["retryable"], false);
  }
  RawHttp client(served_.http()->port());
  EXPECT_EQ(RawHttp::Header(client.Ask("PUT", "/v1/collections").head, "allow"), "POST, GET");
  EXPECT_EQ(client.Ask("GET", "/v1/info", "", "", "Leadline-Timeout-Ms: 0\r\n").Error(),
            "INVALID_ARGUMENT leadline-timeout-ms");
  EXPECT_EQ(client.Ask("GET", "/v1/info", "", "", "Leadline-Timeout-Ms: 1000\r\n").status, 200);
}

TEST_F(Http, EveryRouteAsksForItsRole) {
  Create();
  const auto token = [this](v1::Role role, std::optional<int64_t> expires_at_ms = {}) {
    return *served_.tokens()->Create({role, {}, "", expires_at_ms});
  };
  const std::string admin = token(v1::ROLE_ADMIN);
  std::string wrong = admin;
  wrong.back() = wrong.back() == '0' ? '1' : '0';

  const struct {
    std::string token;
    v1::Role role;
    int refusal;
  } callers[] = {
      {"", v1::ROLE_PUBLIC, 401},
      {"x", v1::ROLE_UNSPECIFIED, 401},
      {wrong, v1::ROLE_UNSPECIFIED, 401},
      {token(v1::ROLE_ADMIN, 1), v1::ROLE_UNSPECIFIED, 401},
      {token(v1::ROLE_READ), v1::ROLE_READ, 403},
      {token(v1::ROLE_WRITE), v1::ROLE_WRITE, 403},
      {admin, v1::ROLE_ADMIN, 403},
  };

  const SequenceNumber before = served_.database()->Stats()->sequence;
  int methods = 0;
  for (const Route& route : Routes()) {
    methods += route.method != nullptr ? 1 : 0;
    for (const auto& caller : callers) {
      SCOPED_TRACE(route.verb + " " + route.path + " with '" + caller.token + "'");
      std::string path = route.path;
      for (size_t open = path.find('{'); open != std::string::npos; open = path.find('{')) {
        path.replace(open, path.find('}') - open + 1, "none");
      }
      RawHttp client(served_.http()->port());
      const int status = client.Ask(route.verb, path, "", caller.token).status;
      const v1::Role role = route.method != nullptr ? route.method->rule.role() : v1::ROLE_PUBLIC;
      if (role == v1::ROLE_PUBLIC || caller.role >= role) {
        EXPECT_TRUE(status != 0 && status != 401 && status != 403) << status;
      } else {
        EXPECT_EQ(status, caller.refusal);
      }
    }
  }
  EXPECT_GE(methods, 18);
  EXPECT_EQ(served_.database()->Stats()->sequence, before);
  EXPECT_EQ(served_.database()->ListCollections()->size(), 1U);
  // What is not there is not told to strangers.
  RawHttp stranger(served_.http()->port());
  EXPECT_EQ(stranger.Ask("GET", "/v1/nothing").status, 401);
  EXPECT_EQ(stranger.Ask("GET", "/v1/nothing", "", admin).status, 404);
}

TEST_F(Http, PagesAndMetricsWithEveryKindOfToken) {
  const auto token = [this](v1::Role role, std::vector<std::string> collections = {},
                            std::optional<int64_t> expires_at_ms = {}) {
    return *served_.tokens()->Create({role, std::move(collections), "", expires_at_ms});
  };
  std::string wrong = token(v1::ROLE_ADMIN);
  wrong.back() = wrong.back() == '0' ? '1' : '0';

  const struct {
    std::string token;
    int metrics;  ///< the status of /metrics, which names all collections
  } callers[] = {{"", 401},
                 {"x", 401},
                 {wrong, 401},
                 {token(v1::ROLE_ADMIN, {}, 1), 401},
                 {token(v1::ROLE_ADMIN, {"c"}), 403},
                 {token(v1::ROLE_READ), 200},
                 {token(v1::ROLE_WRITE), 200},
                 {token(v1::ROLE_ADMIN), 200}};

  for (const auto& caller : callers) {
    SCOPED_TRACE(caller.token);
    EXPECT_EQ(client_.Ask("GET", "/metrics", "", caller.token).status, caller.metrics);
    for (const char* path : {"/healthz", "/livez", "/readyz", "/openapi.json"}) {
      EXPECT_EQ(client_.Ask("GET", path, "", caller.token).status, 200) << path;
      EXPECT_EQ(client_.Ask("POST", path, "", caller.token).status,
                caller.metrics == 401 ? 401 : 405)
          << path;
    }
  }
}

TEST_F(Http, RefusesBeforeABodyIsRead) {
  ASSERT_OK(served_.tokens()->Create({v1::ROLE_ADMIN, {}, "", {}}).status());
  // The body is announced and never sent.
  client_.Send("POST /v1/collections HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n");
  EXPECT_EQ(client_.Read().status, 401);
  EXPECT_TRUE(client_.Ended());
}

TEST_F(Http, PagesOfOtherSitesReachNothing) {
  Create();
  const auto ask = [this](const std::string& host, const std::string& origin) {
    RawHttp client(served_.http()->port());
    client.Send("GET /v1/collections HTTP/1.1\r\nHost: " + host + "\r\n" +
                (origin.empty() ? "" : "Origin: " + origin + "\r\n") + "\r\n");
    return client.Read().status;
  };
  EXPECT_EQ(ask("localhost:7700", ""), 200);
  EXPECT_EQ(ask("127.0.0.1", ""), 200);
  EXPECT_EQ(ask("[::1]:7700", ""), 200);
  EXPECT_EQ(ask("localhost:7700", "http://localhost:7700"), 200);
  EXPECT_EQ(ask("localhost:7700", "http://evil.example"), 403);
  EXPECT_EQ(ask("localhost:7700", "null"), 403);
  EXPECT_EQ(ask("evil.example:7700", ""), 403);
  EXPECT_EQ(ask("evil.example:7700", "http://evil.example:7700"), 403);
}

TEST_F(Http, TheDocumentDescribesEveryRoute) {
  const Json document = client_.Ask("GET", "/openapi.json").Json();
  ASSERT_EQ(document["openapi"], "3.0.3");
  for (const Route& route : Routes()) {
    std::string verb = route.verb;
    for (char& c : verb) {
      c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    EXPECT_TRUE(document["paths"][route.path][verb].is_object()) << route.path;
  }
  std::set<std::string> references;
  const std::function<void(const Json&)> walk = [&](const Json& node) {
    if (node.is_object() && node.contains("$ref")) {
      references.insert(node["$ref"]);
    }
    for (const Json& child : node) {
      if (child.is_structured()) {
        walk(child);
      }
    }
  };
  walk(document);
  EXPECT_GT(references.size(), 15U);
  for (const std::string& reference : references) {
    EXPECT_TRUE(document.contains(Json::json_pointer(reference.substr(1)))) << reference;
  }
}

TEST_F(Http, MetricsAreTextAndCountEveryCall) {
  Create();
  EXPECT_EQ(Post("search", R"({"vector":[1]})").status, 400);
  EXPECT_EQ(client_.Ask("GET", "/v1/nothing").status, 404);
  const HttpAnswer answer = client_.Ask("GET", "/metrics");
  EXPECT_EQ(RawHttp::Header(answer.head, "content-type"),
            "text/plain; version=0.0.4; charset=utf-8");
  for (
      const char* line :
      {R"(leadline_calls_total{code="OK",method="leadline.v1.Collections/Create",transport="http"} 1)",
       R"(leadline_calls_total{code="INVALID_ARGUMENT",method="leadline.v1.Search/Search",transport="http"} 1)",
       R"(leadline_calls_total{code="NOT_FOUND",method="unknown",transport="http"} 1)"}) {
    EXPECT_NE(answer.body.find(line), std::string::npos) << line << "\n" << answer.body;
  }
}

TEST_F(Http, EveryAnswerNamesItsRequest) {
  const HttpAnswer given = client_.Ask("GET", "/v1/info", "", "", "X-Request-Id: mine-7\r\n");
  EXPECT_EQ(RawHttp::Header(given.head, "x-request-id"), "mine-7");
  const HttpAnswer made = client_.Ask("GET", "/v1/nothing", "", "", "X-Request-Id: a b\r\n");
  EXPECT_EQ(RawHttp::Header(made.head, "x-request-id").size(), 16U);
}

TEST_F(Http, AnswersInOrderOverOneConnection) {
  const std::string request = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
  client_.Send(request + "GET /v1/nothing HTTP/1.1\r\nHost: localhost\r\n\r\n" + request);
  EXPECT_EQ(client_.Read().status, 200);
  EXPECT_EQ(client_.Read().status, 404);
  EXPECT_EQ(client_.Read().status, 200);
  client_.Send("GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(client_.Read().status, 200);
  EXPECT_TRUE(client_.Ended());
  RawHttp old(served_.http()->port());
  old.Send("GET /livez HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old.Read().status, 200);
  EXPECT_TRUE(old.Ended());
}

TEST_F(Http, WaitsForPermissionToSendABody) {
  Create();
  const std::string body = R"({"vector":[1,2]})";
  client_.Send("POST " + std::string(kSearch) +
               " HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: " +
               std::to_string(body.size()) + "\r\n\r\n");
  char line[16] = {};
  ASSERT_EQ(::recv(client_.socket(), line, sizeof line - 1, MSG_PEEK), 15);
  EXPECT_EQ(std::string(line), "HTTP/1.1 100 Co");
  client_.Send(body);
  EXPECT_EQ(client_.Read().status, 200);
}

TEST_F(Http, ChunkedBodiesAreRead) {
  Create();
  client_.Send("POST " + std::string(kSearch) +
               " HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
               "5\r\n{\"vec\r\nb\r\ntor\":[1,2]}\r\n0\r\n\r\n");
  EXPECT_EQ(client_.Read().status, 200);
}

TEST_F(Http, WhatIsTooLargeIsRefused) {
  Create();
  const auto refused = [this](const std::string& bytes) {
    RawHttp client(served_.http()->port());
    client.Send(bytes);
    return client.Read().status;
  };
  const std::string start = "POST " + std::string(kSearch) + " HTTP/1.1\r\nHost: localhost\r\n";
  EXPECT_EQ(refused(start + "Content-Length: " + std::to_string(kMaxMessageBytes + 1) + "\r\n\r\n"),
            413);
  EXPECT_EQ(refused(start + "Content-Length: 99999999999999999999\r\n\r\n"), 400);
  EXPECT_EQ(refused(start + "X: " + std::string(kMaxHeaderBytes, 'x') + "\r\n\r\n"), 431);
  EXPECT_EQ(refused("GET /" + std::string(kMaxHeaderBytes, 'x') + " HTTP/1.1\r\n\r\n"), 431);
  std::string many = start;
  for (int i = 0; i < 2000; ++i) {
    many += "X-" + std::to_string(i) + ": y\r\n";
  }
  EXPECT_EQ(refused(many + "\r\n"), 431);
  // A chunked body says its size only as it comes.
  RawHttp client(served_.http()->port());
  client.Send(start + "Transfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = "100000\r\n" + std::string(1 << 20, ' ') + "\r\n";
  for (int i = 0; i < 20 && client.Send(chunk); ++i) {
  }
  EXPECT_EQ(client.Read().status, 413);
  ExpectServes();
}

TEST_F(Http, DamagedRequestsAreRefusedAndTheServerLives) {
  const std::string broken[] = {
      std::string("\0\0\0\0", 4),
      "\r\n\r\n\r\n",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
      "GET\r\n\r\n",
      "GET / HTTP/9.9\r\n\r\n",
      "GET / HTTP/1.1\r\nHost localhost\r\n\r\n",
      "GET / HTTP/1.1\r\n: x\r\n\r\n",
      "GET / HTTP/1.1\r\nA: b\n c: d\r\n\r\n",
      std::string("GET /\0 HTTP/1.1\r\n\r\n", 19),
      "GET /livez HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
      "GET /livez HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
      "GET /livez HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "POST /v1/flush HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      "POST /v1/flush HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
  };
  for (const std::string& bytes : broken) {
    SCOPED_TRACE(bytes);
    RawHttp client(served_.http()->port());
    client.Send(bytes);
    ::shutdown(client.socket(), SHUT_WR);
    const int status = client.Read().status;
    EXPECT_TRUE(status == 400 || status == 0) << status;
    EXPECT_TRUE(client.Ended());
  }
  // Ended at each byte of a good request.
  const std::string good =
      "POST /v1/flush HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}";
  for (size_t cut = 0; cut < good.size(); ++cut) {
    RawHttp client(served_.http()->port());
    client.Send(good.substr(0, cut));
    ::shutdown(client.socket(), SHUT_WR);
    EXPECT_NE(client.Read().status, 200) << cut;
  }
  ExpectServes();
}

class HttpLimits : public Http {
 protected:
  static HttpServerOptions Tight() {
    HttpServerOptions options = Options();
    options.max_connections = 8;
    options.memory_bytes = kMaxMessageBytes;
    options.idle_ms = 700;
    options.transfer_ms = 700;
    return options;
  }

  HttpLimits() : Http(Tight()) {}
};

TEST_F(HttpLimits, NewConnectionsTakeThePlaceOfIdleOnes) {
  std::vector<std::unique_ptr<RawHttp>> idle;
  for (int i = 0; i < 40; ++i) {
    idle.push_back(std::make_unique<RawHttp>(served_.http()->port()));
    ASSERT_EQ(idle.back()->Ask("GET", "/livez").status, 200) << i;
  }
  EXPECT_TRUE(idle.front()->Ended());
  ExpectServes();
}

TEST_F(HttpLimits, ThoseWhoWaitTooLongAreCut) {
  RawHttp silent(served_.http()->port());
  RawHttp half(served_.http()->port());
  half.Send("GET /livez HTTP/1.1\r\nHos");
  RawHttp body(served_.http()->port());
  body.Send("POST /v1/flush HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{");
  EXPECT_TRUE(silent.Ended());
  EXPECT_TRUE(half.Ended());
  EXPECT_TRUE(body.Ended());
}

TEST_F(HttpLimits, OneByteATimeEndsWithTheHead) {
  // Each byte comes in time, the head as a whole does not.
  RawHttp slow(served_.http()->port());
  const std::string head = "GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Filler: ";
  bool open = true;
  int sent = 0;
  for (; open && sent < 100; ++sent) {
    open = slow.Send(head.substr(static_cast<size_t>(sent) % head.size(), 1));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_LT(sent, 60);  // idle_ms, and what the kernel takes after the end
  ExpectServes();
}

TEST_F(HttpLimits, AnswersThatNobodyTakesEnd) {
  // Some megabytes of answers, asked for at once and never read.
  std::vector<std::unique_ptr<RawHttp>> deaf;
  std::string many;
  for (int i = 0; i < 500; ++i) {
    many += "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n";
  }
  for (int i = 0; i < 4; ++i) {
    deaf.push_back(std::make_unique<RawHttp>(served_.http()->port()));
    EXPECT_TRUE(deaf.back()->Send(many));
  }
  ExpectServes();
  // transfer_ms, and what the rate allows for one document.
  std::this_thread::sleep_for(std::chrono::seconds(4));
  for (const auto& client : deaf) {
    int answers = 0;
    while (client->Read().status == 200) {
      ++answers;
    }
    EXPECT_LT(answers, 500);
  }
  ExpectServes();
}

TEST_F(Http, RandomBytesEndNothingElse) {
  Rng rng(testing::TestSeed(6));
  const std::string parts[] = {"GET ",
                               "POST ",
                               "/v1/collections",
                               "/livez",
                               " HTTP/1.1\r\n",
                               "Host: localhost\r\n",
                               "Content-Length: 2\r\n",
                               "Transfer-Encoding: chunked\r\n",
                               "\r\n",
                               "{}",
                               "5\r\nhello\r\n",
                               "Expect: 100-continue\r\n"};
  for (int i = 0; i < 3'000; ++i) {
    RawHttp client(served_.http()->port());
    std::string bytes;
    for (size_t part = rng.Uniform(12); part > 0; --part) {
      bytes += parts[rng.Uniform(std::size(parts))];
      if (rng.Uniform(6) == 0 && !bytes.empty()) {
        bytes[rng.Uniform(bytes.size())] = static_cast<char>(rng.Next());
      }
    }
    client.Send(bytes);
    ::shutdown(client.socket(), SHUT_WR);
    EXPECT_NE(client.Read().status, 500) << bytes;
  }
  ExpectServes();
}

TEST_F(HttpLimits, BodiesShareABoundedMemory) {
  const std::string start = "POST /v1/flush HTTP/1.1\r\nHost: localhost\r\nContent-Length: ";
  std::optional<RawHttp> holder;
  int status = 0;
  // A body that another call holds meanwhile leaves no room for the holder's: then once more.
  for (int attempt = 0; attempt < 100 && status != 429; ++attempt) {
    holder.emplace(served_.http()->port());
    holder->Send(start + std::to_string(kMaxMessageBytes) + "\r\n\r\n");
    for (int i = 0; i < 50 && status != 429; ++i) {
      RawHttp other(served_.http()->port());
      other.Send(start + "2\r\n\r\n{}");
      const HttpAnswer answer = other.Read();
      status = answer.status;
      EXPECT_TRUE(status != 429 || !RawHttp::Header(answer.head, "retry-after").empty());
    }
  }
  EXPECT_EQ(status, 429);
  // The holder is cut for its slowness, and what it held is free again.
  EXPECT_TRUE(holder->Ended());
  for (int i = 0; i < 200 && status != 200; ++i) {
    RawHttp other(served_.http()->port());
    status = other.Ask("POST", "/v1/flush", "{}").status;
  }
  EXPECT_EQ(status, 200);
}

/// One search slot that the test holds.
class HttpBusy : public ::testing::Test {
 protected:
  static ServiceOptions OneSlot() {
    ServiceOptions options;
    options.search_slots = 1;
    options.search_queue = 1;
    return options;
  }

  HttpBusy() : served_(OneSlot()) {
    CollectionOptions options;
    options.vectors = {{.dim = 2}};
    EXPECT_OK(served_.database()->CreateCollection("c", options));
    holder_ = std::thread([this] {
      CallRecord record;
      EXPECT_OK(
          served_.service()->Submit(*FindMethod("/leadline.v1.Search/Search"), &record, [this] {
            MutexLock lock(&mutex_);
            held_ = true;
            changed_.NotifyAll();
            while (!let_go_) {
              changed_.Wait(&mutex_);
            }
          }));
    });
    MutexLock lock(&mutex_);
    while (!held_) {
      changed_.Wait(&mutex_);
    }
  }

  HttpBusy(const HttpBusy&) = delete;
  HttpBusy& operator=(const HttpBusy&) = delete;

  ~HttpBusy() override {
    LetGo();
    holder_.join();
  }

  void LetGo() {
    MutexLock lock(&mutex_);
    let_go_ = true;
    changed_.NotifyAll();
  }

  ServedDatabase served_;
  std::thread holder_;
  Mutex mutex_;
  CondVar changed_;
  bool held_ LEADLINE_GUARDED_BY(mutex_) = false;
  bool let_go_ LEADLINE_GUARDED_BY(mutex_) = false;
};

TEST_F(HttpBusy, SearchesThatCannotWaitAreRefusedAndOthersAnswered) {
  RawHttp waiting(served_.http()->port());
  waiting.Send("POST " + std::string(kSearch) +
               " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 16\r\n\r\n{\"vector\":[1,2]}");
  HttpAnswer refused;
  for (int i = 0; i < 200 && refused.status != 429; ++i) {
    RawHttp other(served_.http()->port());
    const timeval moment = {0, 50'000};
    ::setsockopt(other.socket(), SOL_SOCKET, SO_RCVTIMEO, &moment, sizeof moment);
    refused = other.Ask("POST", kSearch, R"({"vector":[1,2]})");
  }
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.Json()["error"]["retryable"], true);
  EXPECT_GT(refused.Json()["error"]["retry_after_ms"], 0);
  RawHttp other(served_.http()->port());
  EXPECT_EQ(other.Ask("GET", "/v1/collections").status, 200);
}

TEST_F(HttpBusy, ACallEndsWhenItsCallerGoesAway) {
  {
    RawHttp leaving(served_.http()->port());
    leaving.Send("POST " + std::string(kSearch) +
                 " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 16\r\n\r\n{\"vector\":[1,2]}");
    // Read by now: the same poll loop serves both.
    RawHttp other(served_.http()->port());
    for (int i = 0; i < 20; ++i) {
      ASSERT_EQ(other.Ask("GET", "/livez").status, 200);
    }
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(300));  // it is looked for every 50 ms
  LetGo();
  constexpr char kCancelled[] =
      R"(leadline_calls_total{code="CANCELLED",method="leadline.v1.Search/Search",transport="http"} 1)";
  RawHttp client(served_.http()->port());
  bool seen = false;
  for (int i = 0; i < 200 && !seen; ++i) {
    seen = client.Ask("GET", "/metrics").body.find(kCancelled) != std::string::npos;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_TRUE(seen);
}

TEST_F(HttpBusy, DrainingLetsCallsInFlightEnd) {
  RawHttp resting(served_.http()->port());
  ASSERT_EQ(resting.Ask("GET", "/livez").status, 200);
  RawHttp waiting(served_.http()->port());
  waiting.Send("POST " + std::string(kSearch) +
               " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 16\r\n\r\n{\"vector\":[1,2]}");
  // Answered here means that the request before it was read: the same poll loop serves both.
  RawHttp other(served_.http()->port());
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(other.Ask("GET", "/livez").status, 200);
  }
  served_.service()->Drain();
  EXPECT_EQ(other.Ask("GET", "/readyz").status, 503);
  std::thread drain([this] { served_.http()->Shutdown(20'000); });
  EXPECT_TRUE(resting.Ended());
  LetGo();
  EXPECT_EQ(waiting.Read().status, 200);
  EXPECT_TRUE(waiting.Ended());
  drain.join();
  RawHttp late(served_.http()->port());
  EXPECT_TRUE(!late.connected() || late.Ended());
}

}  // namespace
}  // namespace leadline::rpc
