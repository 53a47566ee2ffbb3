// Every command of the program both ways: on a directory, and with --remote against a running
// server of a directory with the same content. Output and exit code must be the same.

#include <filesystem>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../rpc/evaluation_json.h"
#include "../rpc/served_program.h"
#include "../rpc/test_authority.h"
#include "program_runner.h"
#include "temp_dir.h"

namespace leadline::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

using Words = std::vector<std::string>;

/// Stands for the database in words that run both ways.
constexpr char kDb[] = "{DB}";

/// Without what no two runs share: times, and the log and memory of the process that writes.
std::string Comparable(std::string text) {
  static const std::regex json(
      R"re("(took_us|seconds|rows_per_s|\w*(?:store|heap|kept|resident)\w*bytes)":[-+.0-9e]+)re");
  static const std::regex people(R"re(in [.0-9]+ (us|ms|s)\b)re");
  static const std::regex rate(R"re(\([.0-9]+ rows/s\))re");
  text = std::regex_replace(text, json, "\"$1\":0");
  static const std::regex bytes(R"re((\w*(?:store|heap|kept|resident)\w*bytes) .*)re");
  text = std::regex_replace(text, bytes, "$1 0 B");
  text = std::regex_replace(text, people, "in 0 s");
  return std::regex_replace(text, rate, "(0 rows/s)");
}

std::string AddressOf(const ServedProgram& served) {
  return "127.0.0.1:" + std::to_string(served.port());
}

/// The words for a directory.
Words At(Words words, const std::string& path) {
  std::replace(words.begin(), words.end(), std::string(kDb), path);
  return words;
}

/// The words for a server: DB is left out.
Words Remote(Words words, const Words& connection) {
  std::erase(words, kDb);
  words.insert(words.begin(), connection.begin(), connection.end());
  return words;
}

/// A database with collection "c" of 4 dimensions, record i at (i, 0, 0, 0), and "t" with texts.
void MakeDatabase(const TempDir& dir, const std::string& path) {
  std::string rows;
  for (int i = 0; i < 100; ++i) {
    rows += Json({{"id", "r" + std::to_string(i)},
                  {"vector", {i, 0.1, 0, 0}},
                  {"n", i},
                  {"name", std::string("name \u00e9 ") + std::to_string(i % 7)}})
                .dump() +
            "\n";
  }
  WriteFile(dir.file("rows.jsonl"), rows);
  WriteFile(dir.file("texts.jsonl"),
            R"({"id":"a","text":"The cat sat on the mat. It was warm."})"
            "\n"
            R"({"id":"b","text":"Databases keep records. They also find them."})"
            "\n");
  for (const Words& words :
       std::vector<Words>{{"create", kDb, "c", "--dim", "4", "--metric", "l2", "--index", "hnsw"},
                          {"create", kDb, "t", "--embedder", "static", "--text", "text"},
                          {"ingest", kDb, "c", dir.file("rows.jsonl"), "--batch", "30"},
                          {"ingest", kDb, "t", dir.file("texts.jsonl")}}) {
    const ProgramOutput made = Leadline(At(words, path));
    ASSERT_EQ(made.exit_code, 0) << made.err;
  }
}

class RemoteCommands : public ::testing::Test {
 protected:
  void SetUp() override {
    MakeDatabase(dir_, local_);
    std::filesystem::copy(local_, remote_, std::filesystem::copy_options::recursive);
    served_ = std::make_unique<ServedProgram>(remote_, Words{"--backups", dir_.path()});
  }

  /// Runs the words both ways and expects the same result; returns that of the server.
  ProgramOutput Both(const Words& words, bool same_messages = true) {
    const ProgramOutput local = Leadline(At(words, local_));
    ProgramOutput remote = Leadline(Remote(words, {"--remote", AddressOf(*served_)}));
    const std::string shown = ::testing::PrintToString(words);
    EXPECT_EQ(remote.exit_code, local.exit_code) << shown << local.err << remote.err;
    EXPECT_EQ(Comparable(remote.out), Comparable(local.out)) << shown << remote.err;
    if (same_messages) {
      EXPECT_EQ(remote.err, local.err) << shown;
    }
    return remote;
  }

  /// As people and as programs see it.
  void BothForms(const Words& words, int exit_code, bool same_messages = true) {
    for (const bool json : {false, true}) {
      Words form = words;
      if (json) {
        form.emplace_back("--json");
      }
      const ProgramOutput output = Both(form, same_messages);
      EXPECT_EQ(output.exit_code, exit_code) << ::testing::PrintToString(form) << output.err;
      EXPECT_TRUE(exit_code != 0 || words[0] == "stats" || !output.out.empty());
    }
  }

  TempDir dir_;
  const std::string local_ = dir_.file("local");
  const std::string remote_ = dir_.file("remote");
  std::unique_ptr<ServedProgram> served_;
};

TEST_F(RemoteCommands, ReadTheSame) {
  WriteFile(dir_.file("q.jsonl"),
            "{\"id\":\"a\",\"vector\":[1,0,0,0]}\n{\"id\":\"b\",\"vector\":[2,0,0,0],\"filter\":"
            "\"n > 50\"}\n{\"id\":\"bad\",\"vector\":[2,0]}\n");
  for (const Words& words : std::vector<Words>{
           {"get", kDb, "c", "r1", "r99", "r0"},
           {"get", kDb, "c", "r1", "--without-vectors"},
           {"count", kDb, "c"},
           {"count", kDb, "c", "--filter", "n > 41 AND name != 'x'"},
           {"scroll", kDb, "c", "--with-vectors"},
           {"scroll", kDb, "c", "--filter", "n < 10", "--limit", "3"},
           {"search", kDb, "c", "--vector", "[10.2,0,0,0]", "-k", "3"},
           {"search", kDb, "c", "--vector", "[10.2,0,0,0]", "--filter", "n > 11", "--explain",
            "--with-vectors", "--fields", "n", "--min-score", "400"},
           {"search", kDb, "c", "--vector", "[10.2,0,0,0]", "--group-by", "name", "--exact"},
           {"search", kDb, "c", "--id", "r50", "-k", "2"},
           {"search", kDb, "c", "--queries", dir_.file("q.jsonl"), "--on-error", "skip"},
           {"search", kDb, "t", "--text", "a warm cat", "-k", "2"},
           {"list", kDb},
           {"stats", kDb, "c"},
           {"check", kDb}}) {
    BothForms(words, 0);
  }
}

TEST_F(RemoteCommands, EvaluateTheSame) {
  std::string queries;
  std::string qrels;
  for (int q = 0; q < 60; ++q) {
    const std::string id = "q" + std::to_string(q);
    queries +=
        Json({{"id", id}, {"vector", {q + 0.4, 0, 0, 0}}, {"filter", "n < 90"}}).dump() + "\n";
    qrels += id + " 0 r" + std::to_string(q) + " 2\n" + id + " 0 r" + std::to_string(q + 1) +
             " 1\n" + id + " 0 r" + std::to_string(q + 30) + " 0\n";
  }
  WriteFile(dir_.file("q.jsonl"), queries);
  WriteFile(dir_.file("t.jsonl"),
            "{\"id\":\"q0\",\"text\":\"a warm cat\"}\n{\"id\":\"q1\",\"text\":\"...\"}\n");
  WriteFile(dir_.file("qrels"), qrels);
  const auto both = [&](const Words& words) {
    const ProgramOutput local = Leadline(At(words, local_));
    const ProgramOutput remote = Leadline(Remote(words, {"--remote", AddressOf(*served_)}));
    SCOPED_TRACE(::testing::PrintToString(words));
    EXPECT_EQ(local.exit_code, 0) << local.err;
    EXPECT_EQ(remote.exit_code, 0) << remote.err;
    EXPECT_EQ(remote.err, local.err);
    EXPECT_EQ(rpc::WithoutTimes(remote.OneJson()), rpc::WithoutTimes(local.OneJson()));
    return remote.OneJson();
  };
  const Words run = {
      "eval",  "run", kDb, "c", "--queries", dir_.file("q.jsonl"), "--qrels", dir_.file("qrels"),
      "--json"};
  const auto with = [](Words words, const Words& more) {
    words.insert(words.end(), more.begin(), more.end());
    return words;
  };
  const Json alone = both(run);
  EXPECT_GT(alone["measures"]["ndcg_cut_10"]["value"].get<double>(), 0.5);
  EXPECT_EQ(both(with(run, {"--batch", "16", "--threads", "3"}))["hash"], alone["hash"]);
  EXPECT_NE(
      both(with(run, {"-k", "3", "--filter", "n > 5", "--doc-key", "name", "--exact"}))["hash"],
      alone["hash"]);
  both({"eval", "run", kDb, "t", "--queries", dir_.file("t.jsonl"), "--qrels", dir_.file("qrels"),
        "--json"});
  const Json sweep = both({"eval", "ann", kDb, "c", "--queries", dir_.file("q.jsonl"), "-k", "5",
                           "--sweep", "ef_search=5,50", "--json"});
  EXPECT_EQ(sweep["points"].size(), 2U);

  // The files, but for times.
  for (const Words& out : {Words{kDb, dir_.file("here")}, Words{dir_.file("there")}}) {
    Words words = with(run, {"--out", out.back()});
    words = out.size() == 2 ? At(words, local_) : Remote(words, {"--remote", AddressOf(*served_)});
    ASSERT_EQ(Leadline(words).exit_code, 0);
  }
  const auto file = [this](const std::string& where, const std::string& name) {
    return ReadFile(dir_.file(where) + "/" + name);
  };
  EXPECT_EQ(file("there", "run.trec"), file("here", "run.trec"));
  EXPECT_EQ(rpc::WithoutTimes(Json::parse(file("there", "run.json"))),
            rpc::WithoutTimes(Json::parse(file("here", "run.json"))));
  EXPECT_GT(file("there", "report.html").size(), 10'000U);
  std::istringstream there(file("there", "per_query.jsonl"));
  std::istringstream here(file("here", "per_query.jsonl"));
  std::string line;
  for (std::string expected; std::getline(here, expected);) {
    ASSERT_TRUE(std::getline(there, line));
    EXPECT_EQ(rpc::WithoutTimes(Json::parse(line)), rpc::WithoutTimes(Json::parse(expected)));
  }
  BothForms({"eval", "run", kDb, "none", "--queries", dir_.file("q.jsonl"), "--qrels",
             dir_.file("qrels")},
            2);
  BothForms({"eval", "ann", kDb, "c", "--queries", dir_.file("q.jsonl"), "--sweep", "nprobe=3"}, 2);
}

TEST_F(RemoteCommands, RefuseTheSame) {
  for (const Words& words :
       std::vector<Words>{{"get", kDb, "c", "r1", "nobody"},
                          {"count", kDb, "none"},
                          {"count", kDb, "c", "--filter", "n >"},
                          {"scroll", kDb, "none"},
                          {"search", kDb, "c", "--vector", "[1,2]"},
                          {"search", kDb, "c", "--id", "nobody"},
                          {"search", kDb, "c", "--text", "no embedder"},
                          {"stats", kDb, "none"},
                          {"alter", kDb, "none", "--M", "8"},
                          {"alter", kDb, "c", "--M", "8", "--vector-field", "none"},
                          {"alter", kDb, "c", "--codes", "pq4"},
                          {"alter", kDb, "c", "--index", "flat", "--codes", "pq4"},
                          {"create", kDb, "x", "--dim", "4", "--metric", "l2", "--index", "hnsw",
                           "--codes", "pq4"},
                          {"drop", kDb, "none"},
                          {"delete", kDb, "none", "r1"},
                          {"optimize", kDb, "none"},
                          {"ingest", kDb, "none", dir_.file("rows.jsonl")},
                          {"create", kDb, "c", "--dim", "4", "--metric", "l2"}}) {
    BothForms(words, 2);
  }
  BothForms({"scroll", kDb, "c", "--cursor", "nonsense"}, 2, false);
  BothForms({"search", kDb, "c", "--vector", "[1,2,3,4]", "--fields", "a..b"}, 2, false);
}

TEST_F(RemoteCommands, WriteTheSame) {
  WriteFile(dir_.file("more.jsonl"),
            "{\"id\":\"x\",\"vector\":[0,1,2,3]}\n"
            "{\"id\":\"y\",\"vector\":[0,1,2]}\n"
            "{\"id\":\"z\",\"vector\":[3,2,1,0],\"expires_at_ms\":"
            "99999999999999}\n");
  WriteFile(dir_.file("long.jsonl"),
            R"({"id":"d","text":"One is here. Two is there. Three is gone."})"
            "\n");
  Both({"create", kDb, "d", "--dim", "3", "--metric", "cosine", "--extra-vector", "e:2:ip"});
  Both({"create", kDb, "e", "--embedder", "static", "--language", "en", "--json"});
  Both({"create", kDb, "f", "--dim", "3", "--metric", "ip", "--text", "body"});
  Both({"ingest", kDb, "c", dir_.file("rows.jsonl"), "--batch", "40", "--json"});
  EXPECT_EQ(Both({"ingest", kDb, "c", dir_.file("more.jsonl"), "--json"}).exit_code, 2);
  Both({"ingest", kDb, "c", dir_.file("more.jsonl"), "--on-error", "skip"});
  Both({"ingest", kDb, "t", dir_.file("long.jsonl"), "--chunk", "sentences:1", "--json"});
  Both({"ingest", kDb, "t", dir_.file("long.jsonl"), "--chunk", "sentences:3", "--json"});
  Both({"scroll", kDb, "t", "--with-vectors", "--json"});
  Both({"delete", kDb, "c", "x", "nobody", "--json"});
  Both({"delete", kDb, "c", "z"});
  Both({"delete", kDb, "c", "--filter", "n >= 90", "--json"});
  Both({"delete", kDb, "c", "--filter", "n >= 80"});
  Both({"scroll", kDb, "c", "--with-vectors", "--json"});
  Both({"optimize", kDb, "c", "--json"});
  Both({"optimize", kDb});
  Both({"stats", kDb, "--json"});
  Both({"stats", kDb, "c"}, true);
  Both({"search", kDb, "c", "--vector", "[10.2,0,0,0]", "--explain", "--json"});
  Both({"alter", kDb, "d", "--index", "hnsw", "--M", "8", "--vector-field", "e", "--json"});
  Both({"alter", kDb, "d", "--language", ""});
  Both({"list", kDb, "--json"});
  Both({"drop", kDb, "d"});
  Both({"drop", kDb, "e", "--json"});
  Both({"list", kDb, "--json"});
  Both({"check", kDb, "--json"});
}

TEST_F(RemoteCommands, BackupMakesAFolderOfTheServer) {
  const ProgramOutput made =
      Leadline({"--remote", AddressOf(*served_), "backup", "copy", "--json"});
  EXPECT_EQ(made.exit_code, 0) << made.err;
  EXPECT_EQ(made.out, "{\"backup\":\"copy\",\"left_out\":[]}\n");
  const ProgramOutput local = Leadline({"backup", local_, dir_.file("other"), "--json"});
  EXPECT_EQ(made.OneJson()["left_out"], local.OneJson()["left_out"]);
  EXPECT_EQ(Leadline({"scroll", dir_.file("copy"), "c", "--json"}).out,
            Leadline({"scroll", dir_.file("other"), "c", "--json"}).out);
  EXPECT_EQ(Leadline({"backup", "copy", "--remote", AddressOf(*served_)}).exit_code, 2);
  EXPECT_EQ(Leadline({"backup", "../out", "--remote", AddressOf(*served_)}).exit_code, 2);
}

TEST_F(RemoteCommands, EveryCommandIsRemoteOrSaysWhyNot) {
  const std::set<std::string> remote = {
      "create", "ingest", "search", "get",      "delete", "count",  "scroll",   "list",
      "stats",  "alter",  "drop",   "optimize", "check",  "backup", "eval run", "eval ann"};
  const Json help = Leadline({"help", "--json"}).OneJson();
  ASSERT_GE(help["commands"].size(), remote.size());
  for (const Json& command : help["commands"]) {
    const auto name = command["command"].get<std::string>();
    const auto why = command["local_only"].get<std::string>();
    EXPECT_EQ(why.empty(), remote.contains(name)) << name;
    if (why.empty()) {
      continue;
    }
    Words words = {"--remote", AddressOf(*served_)};
    std::istringstream parts(name);
    for (std::string part; parts >> part;) {
      words.push_back(part);
    }
    const ProgramOutput refused = Leadline(words);
    EXPECT_EQ(refused.exit_code, 2) << name;
    EXPECT_THAT(refused.out, IsEmpty());
    EXPECT_THAT(refused.err, AllOf(HasSubstr("no server can do this, it " + why),
                                   HasSubstr("field=--remote value=127.0.0.1:")));
  }
}

TEST_F(RemoteCommands, WrongUsageNamesWhatIsWrong) {
  const std::string address = AddressOf(*served_);

  struct Case {
    Words words;
    Words expected;
  };

  const std::vector<Case> cases = {
      {{"eval", "run", "c", "--queries", "q", "--qrels", "r", "--remote", address, "--save", "x"},
       {"--save", "value=x", "not beside --remote", "directory of the database"}},
      {{"count", "c", "--remote", "nowhere"}, {"--remote", "value=nowhere", "HOST:PORT"}},
      {{"count", "c", "--remote", "::1:7701"}, {"--remote", "[V6]:PORT"}},
      {{"count", "c", "--remote", "unix:"}, {"--remote", "unix:PATH"}},
      {{"count", "c", "--remote", ""}, {"--remote", "must not be empty"}},
      {{"count", "c", "--remote"}, {"--remote", "takes one value"}},
      {{"count", "--remote", address}, {"COLLECTION"}},
      {{"count", local_, "c", "--remote", address}, {"unknown argument: c", "DB is left out with"}},
      {{"count", local_, "c", "--token-file", "x"}, {"--token-file", "means nothing without"}},
      {{"count", local_, "c", "--tls"}, {"--tls", "means nothing without --remote"}},
      {{"--timeout-ms", "5", "list", local_}, {"--timeout-ms", "means nothing without --remote"}},
      {{"list", "--remote", address, "--timeout-ms", "0"}, {"--timeout-ms", "[1, 3600000]"}},
      {{"ingest", "c", "x", "--remote", address, "--durability", "os"},
       {"--durability", "value=os", "not beside --remote"}},
      {{"optimize", "--remote", address, "--threads", "2"},
       {"--threads", "value=2", "not beside --remote"}},
      {{"count", "c", "--remote", address, "--token-file", dir_.file("none")}, {"token_file"}},
      {{"count", "c", "--remote", address, "--tls-ca", dir_.file("none")}, {"tls_ca"}},
      {{"count", "c", "--remote", address, "--tls-cert", dir_.file("rows.jsonl")}, {"tls_key"}},
      {{"--remote", address, "tune"}, {"tune: not in this version"}},
  };
  for (const Case& wrong : cases) {
    const ProgramOutput result = Leadline(wrong.words);
    EXPECT_EQ(result.exit_code, 2) << ::testing::PrintToString(wrong.words) << result.err;
    EXPECT_THAT(result.out, IsEmpty());
    for (const std::string& text : wrong.expected) {
      EXPECT_THAT(result.err, HasSubstr(text)) << ::testing::PrintToString(wrong.words);
    }
  }
  EXPECT_EQ(Leadline({"--remote", address}).exit_code, 0);
  EXPECT_THAT(Leadline({"--remote", address, "help", "count"}).out, HasSubstr("With --remote:"));
}

TEST_F(RemoteCommands, NobodyThereIsExitFour) {
  for (const std::string address : {"127.0.0.1:1", "unix:/nowhere/socket"}) {
    const ProgramOutput result =
        Leadline({"count", "c", "--remote", address, "--timeout-ms", "300"});
    EXPECT_EQ(result.exit_code, 4) << address;
    EXPECT_THAT(result.out, IsEmpty());
    EXPECT_THAT(result.err, AllOf(HasSubstr("no server answers"), HasSubstr(address)));
  }
  // A server that wants no TLS.
  const ProgramOutput tls =
      Leadline({"count", "c", "--remote", AddressOf(*served_), "--tls", "--timeout-ms", "2000"});
  EXPECT_EQ(tls.exit_code, 4);
  EXPECT_THAT(tls.err, HasSubstr("--remote: "));
}

TEST_F(RemoteCommands, TokensDecide) {
  const std::string reader =
      Leadline({"token", "create", remote_, "--json"}).OneJson()["token"].get<std::string>();
  WriteFile(dir_.file("token"), reader + "\n");
  WriteFile(dir_.file("wrong"), reader.substr(0, reader.size() - 1) + "\n");
  const Words count = {"count", "c", "--remote", AddressOf(*served_)};
  const auto with = [&count](const Words& more) {
    Words words = count;
    words.insert(words.end(), more.begin(), more.end());
    return Leadline(words);
  };
  for (int i = 0; i < 100 && with({}).exit_code == 0; ++i) {
    ::usleep(100'000);  // the server looks each second
  }
  EXPECT_EQ(with({}).exit_code, 4);
  EXPECT_THAT(with({}).err, HasSubstr("--remote: "));
  EXPECT_EQ(with({"--token-file", dir_.file("wrong")}).exit_code, 4);
  EXPECT_EQ(with({"--token-file", dir_.file("token")}).out, "100\n");
  ::setenv("LEADLINE_TOKEN", reader.c_str(), 1);
  EXPECT_EQ(with({}).out, "100\n");
  const ProgramOutput refused = Leadline({"delete", "c", "r1", "--remote", AddressOf(*served_)});
  ::unsetenv("LEADLINE_TOKEN");
  EXPECT_EQ(refused.exit_code, 4);
  EXPECT_THAT(refused.err, Not(HasSubstr(reader)));
}

TEST_F(RemoteCommands, TlsAndSockets) {
  rpc::TestAuthority authority;
  const rpc::Issued issued = authority.Issue();
  rpc::WriteSecret(dir_.file("cert.pem"), issued.certificate);
  rpc::WriteSecret(dir_.file("key.pem"), issued.key);
  rpc::WriteSecret(dir_.file("ca.pem"), authority.pem());
  const ServedProgram served(
      local_, {"--tls-cert", dir_.file("cert.pem"), "--tls-key", dir_.file("key.pem"),
               "--tls-client-ca", dir_.file("ca.pem")});
  const Words list = {"--remote",          AddressOf(served), "--tls-ca",
                      dir_.file("ca.pem"), "--timeout-ms",    "3000"};
  Words full = list;
  full.insert(full.end(), {"--tls-cert", dir_.file("cert.pem"), "--tls-key", dir_.file("key.pem"),
                           "--tls-server-name", "localhost", "count", "c"});
  EXPECT_EQ(Leadline(full).out, "100\n") << Leadline(full).err;
  Words without_certificate = list;
  without_certificate.insert(without_certificate.end(), {"count", "c"});
  EXPECT_EQ(Leadline(without_certificate).exit_code, 4);
}

TEST_F(RemoteCommands, SocketInTheFileSystem) {
  RunningProgram server(
      {"serve", local_, "--http", "", "--grpc", "unix:" + dir_.file("socket"), "--json"});
  std::string line;
  ASSERT_TRUE(server.ReadLine(&line));
  EXPECT_EQ(Leadline({"count", "c", "--remote", "unix:" + dir_.file("socket")}).out, "100\n");
}

TEST_F(RemoteCommands, MoreThanAMessageHoldsGoesInParts) {
  constexpr size_t kRows = 260;
  constexpr size_t kDim = 16384;  // together over 16 MiB
  WriteFile(dir_.file("big.fvecs"),
            FvecsBytes(std::vector<std::vector<float>>(kRows, std::vector<float>(kDim, 1.0F))));
  const Words connection = {"--remote", AddressOf(*served_)};
  ASSERT_EQ(Leadline(Remote({"create", "big", "--dim", std::to_string(kDim), "--metric", "l2"},
                            connection))
                .exit_code,
            0);
  const ProgramOutput ingest =
      Leadline(Remote({"ingest", "big", dir_.file("big.fvecs"), "--json"}, connection));
  ASSERT_EQ(ingest.exit_code, 0) << ingest.err;
  EXPECT_EQ(ingest.JsonLines().back()["acked"], kRows);
  EXPECT_GT(ingest.JsonLines().size(), 2U);
  const ProgramOutput scroll =
      Leadline(Remote({"scroll", "big", "--with-vectors", "--json"}, connection));
  ASSERT_EQ(scroll.exit_code, 0) << scroll.err;
  EXPECT_EQ(std::count(scroll.out.begin(), scroll.out.end(), '\n'), kRows);
}

}  // namespace
}  // namespace leadline::testing
