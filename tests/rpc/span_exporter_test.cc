// Spans as a collector gets them: over HTTP, in OTLP's JSON form, those that are sampled, and
// without holding up a call when nobody takes them.

#include "leadline/rpc/span_exporter.h"

#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <nlohmann/json.hpp>

#include "leadline/core/mutex.h"
#include "leadline/rpc/method_table.h"
#include "status_matchers.h"

namespace leadline::rpc {
namespace {

using testing::StatusIs;
using Json = nlohmann::json;

constexpr int kPatienceMs = 20'000;

/// Takes posted bodies, one connection at a time, and answers with `status`.
class TinyCollector {
 public:
  explicit TinyCollector(int status)
      : status_(status), listening_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listening_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listening_, 8), 0);
    ::getsockname(listening_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Run(); });
  }

  TinyCollector(const TinyCollector&) = delete;
  TinyCollector& operator=(const TinyCollector&) = delete;

  ~TinyCollector() {
    ::shutdown(listening_, SHUT_RDWR);
    thread_.join();
    ::close(listening_);
  }

  [[nodiscard]] std::string url() const {
    return "http://127.0.0.1:" + std::to_string(port_) + "/v1/traces";
  }

  /// Waits for `count` spans.
  std::vector<Json> Spans(size_t count) {
    MutexLock lock(&mutex_);
    for (int waited = 0; spans_.size() < count && waited < kPatienceMs; waited += 50) {
      came_.WaitFor(&mutex_, 50);
    }
    return spans_;
  }

 private:
  void Run() {
    for (int connection = 0; (connection = ::accept(listening_, nullptr, nullptr)) >= 0;) {
      while (Serve(connection)) {
      }
      ::close(connection);
    }
  }

  bool Serve(int connection) {
    std::string received;
    char bytes[4096];
    size_t end = 0;
    size_t length = 0;
    while (end == 0 || received.size() < end + length) {
      const ssize_t got = ::recv(connection, bytes, sizeof bytes, 0);
      if (got <= 0) {
        return false;
      }
      received.append(bytes, static_cast<size_t>(got));
      if (const size_t blank = received.find("\r\n\r\n"); end == 0 && blank != std::string::npos) {
        end = blank + 4;
        const size_t at = received.find("Content-Length: ");
        length = std::stoul(received.substr(at + 16));
        if (received.find("Expect: 100-continue") != std::string::npos) {
          Answer(connection, "HTTP/1.1 100 Continue\r\n\r\n");
        }
      }
    }
    {
      MutexLock lock(&mutex_);
      EXPECT_TRUE(received.starts_with("POST /v1/traces HTTP/1.1\r\n"));
      const Json body = Json::parse(received.substr(end));
      for (const Json& span : body["resourceSpans"][0]["scopeSpans"][0]["spans"]) {
        spans_.push_back(span);
      }
      came_.NotifyAll();
    }
    Answer(connection, "HTTP/1.1 " + std::to_string(status_) + " X\r\nContent-Length: 2\r\n\r\n{}");
    return true;
  }

  static void Answer(int connection, const std::string& text) {
    ::send(connection, text.data(), text.size(), MSG_NOSIGNAL);
  }

  const int status_;
  const int listening_;
  uint16_t port_ = 0;
  std::thread thread_;
  Mutex mutex_;
  CondVar came_;
  std::vector<Json> spans_ LEADLINE_GUARDED_BY(mutex_);
};

class SpanExport : public ::testing::Test {
 protected:
  std::unique_ptr<SpanExporter> Start(const std::string& url, double ratio = 1,
                                      size_t max_waiting = 10'000) {
    SpanExporterOptions options;
    options.url = url;
    options.ratio = ratio;
    options.max_waiting = max_waiting;
    options.interval_ms = 20;
    Result<std::unique_ptr<SpanExporter>> exporter =
        SpanExporter::Start(options, Clock::System(), logger_.get());
    EXPECT_OK(exporter);
    return *std::move(exporter);
  }

  static CallRecord Call(const char* traceparent) {
    CallRecord record;
    record.method = FindMethod("/leadline.v1.Search/Search");
    record.request_id = RequestId("mine");
    record.collection = "docs";
    record.queue_nanos = 3'000;
    record.work_nanos = 80'000;
    if (const auto trace = ParseTraceparent(traceparent)) {
      record.trace = *trace;
    }
    return record;
  }

  Mutex mutex_;
  std::string log_ LEADLINE_GUARDED_BY(mutex_);
  std::unique_ptr<Logger> logger_ =
      NewLogger(LogLevel::kInfo, LogFormat::kJson, Clock::System(), [this](std::string_view line) {
        MutexLock lock(&mutex_);
        log_ += line;
      });
};

TEST_F(SpanExport, TellsTheCollectorOfCallsThatAreSampled) {
  TinyCollector collector(200);
  const std::unique_ptr<SpanExporter> exporter = Start(collector.url());
  const CallRecord sampled = Call("00-0123456789abcdef0123456789abcdef-00000000000000a1-01");
  const CallRecord not_sampled = Call("00-0123456789abcdef0123456789abcdef-00000000000000a2-00");
  exporter->Ended({not_sampled, OkStatus(), 1'000});
  const Status missing = NotFoundError("none");
  exporter->Ended({sampled, missing, 90'000});
  const std::vector<Json> spans = collector.Spans(1);
  ASSERT_EQ(spans.size(), 1U);
  const Json& span = spans[0];
  EXPECT_EQ(span["traceId"], "0123456789abcdef0123456789abcdef");
  EXPECT_EQ(span["parentSpanId"], "00000000000000a1");
  EXPECT_EQ(span["spanId"].get<std::string>().size(), 16U);
  EXPECT_EQ(span["name"], "leadline.v1.Search/Search");
  EXPECT_EQ(span["status"]["code"], 2);
  EXPECT_EQ(std::stoll(span["endTimeUnixNano"].get<std::string>()) -
                std::stoll(span["startTimeUnixNano"].get<std::string>()),
            90'000);
  EXPECT_NE(span.dump().find(R"({"key":"db.collection.name","value":{"stringValue":"docs"}})"),
            std::string::npos);
  EXPECT_NE(span.dump().find(R"({"key":"leadline.work_us","value":{"intValue":"80"}})"),
            std::string::npos);
  EXPECT_EQ(exporter->lost(), 0U);
}

TEST_F(SpanExport, SamplesAShareOfTheTracesThatBeginHere) {
  TinyCollector collector(200);
  {
    const std::unique_ptr<SpanExporter> exporter = Start(collector.url(), 0.25);
    for (uint32_t i = 0; i < 4'000; ++i) {
      CallRecord record = Call("");
      record.trace.trace_id.fill(1);
      const uint32_t scattered = i * 2654435761U;
      for (size_t byte = 0; byte < 4; ++byte) {
        record.trace.trace_id[12 + byte] = static_cast<uint8_t>(scattered >> (8 * byte));
      }
      exporter->Ended({record, OkStatus(), 1'000});
    }
  }
  // The destructor sends what waits.
  EXPECT_NEAR(static_cast<double>(collector.Spans(0).size()), 1'000, 20);
}

TEST_F(SpanExport, LosesSpansAndNothingElseWhereNobodyTakesThem) {
  TinyCollector refusing(503);
  for (const std::string& url : {refusing.url(), std::string("http://127.0.0.1:1/v1/traces")}) {
    const std::unique_ptr<SpanExporter> exporter = Start(url, 1, 100);
    const CallRecord record = Call("");
    for (int i = 0; i < 1'000; ++i) {
      exporter->Ended({record, OkStatus(), 1'000});
    }
    for (int waited = 0; exporter->lost() < 1'000 && waited < kPatienceMs; waited += 20) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    EXPECT_EQ(exporter->lost(), 1'000U) << url;
  }
  MutexLock lock(&mutex_);
  EXPECT_NE(log_.find("spans are lost"), std::string::npos);
}

TEST_F(SpanExport, RefusesWhatIsNoCollector) {
  SpanExporterOptions options;
  for (const char* url : {"", "127.0.0.1:4318", "file:///etc/passwd", "ftp://x/"}) {
    options.url = url;
    EXPECT_THAT(SpanExporter::Start(options, Clock::System(), logger_.get()),
                StatusIs(StatusCode::kInvalidArgument, "field=--otlp"))
        << url;
  }
}

}  // namespace
}  // namespace leadline::rpc
