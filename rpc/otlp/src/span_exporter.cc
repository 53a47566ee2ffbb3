#include "leadline/rpc/span_exporter.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <limits>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <curl/curl.h>

#include "leadline/core/mutex.h"
#include "leadline/core/rng.h"
#include "span_json.h"

namespace leadline::rpc {
namespace {

constexpr size_t kMaxBatch = 512;
constexpr long kSendTimeoutMs = 10'000;  // NOLINT(google-runtime-int): libcurl's type
/// The last batch, when the server ends.
constexpr long kLastTimeoutMs = 2'000;  // NOLINT(google-runtime-int)
constexpr int64_t kLogEveryNanos = 60'000'000'000;
constexpr int64_t kNanosPerMs = 1'000'000;
constexpr int kFirstBadStatus = 300;

std::string Hex(const uint8_t* bytes, size_t size) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < size; ++i) {
    text += {kDigits[bytes[i] >> 4], kDigits[bytes[i] & 15]};
  }
  return text;
}

uint64_t Seed(Clock* clock) {
  uint64_t seed = 0;
  return ::getentropy(&seed, sizeof seed) == 0 ? seed : static_cast<uint64_t>(clock->UnixMillis());
}

size_t Drop(char* /*bytes*/, size_t size, size_t count, void* /*target*/) {
  return size * count;
}

/// Posts bodies to one address. Externally synchronised.
class Collector {
 public:
  explicit Collector(const std::string& url) : curl_(::curl_easy_init()) {
    headers_ = ::curl_slist_append(nullptr, "Content-Type: application/json");
    if (curl_ != nullptr) {
      ::curl_easy_setopt(curl_, CURLOPT_URL, url.c_str());
      ::curl_easy_setopt(curl_, CURLOPT_PROTOCOLS_STR, "http,https");
      ::curl_easy_setopt(curl_, CURLOPT_NOSIGNAL, 1L);
      ::curl_easy_setopt(curl_, CURLOPT_HTTPHEADER, headers_);
      ::curl_easy_setopt(curl_, CURLOPT_WRITEFUNCTION, Drop);
    }
  }

  Collector(const Collector&) = delete;
  Collector& operator=(const Collector&) = delete;

  ~Collector() {
    ::curl_slist_free_all(headers_);
    ::curl_easy_cleanup(curl_);
  }

  /// Why the body was not taken; empty where it was.
  std::string Post(const std::string& body, long timeout_ms) {  // NOLINT(google-runtime-int)
    if (curl_ == nullptr) {
      return "out of memory";
    }
    ::curl_easy_setopt(curl_, CURLOPT_TIMEOUT_MS, timeout_ms);
    ::curl_easy_setopt(curl_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    ::curl_easy_setopt(curl_, CURLOPT_POSTFIELDS, body.data());
    const CURLcode code = ::curl_easy_perform(curl_);
    if (code != CURLE_OK) {
      return ::curl_easy_strerror(code);
    }
    long status = 0;  // NOLINT(google-runtime-int)
    ::curl_easy_getinfo(curl_, CURLINFO_RESPONSE_CODE, &status);
    return status < kFirstBadStatus ? "" : "HTTP status " + std::to_string(status);
  }

 private:
  CURL* const curl_;
  curl_slist* headers_ = nullptr;
};

class CurlExporter final : public SpanExporter {
 public:
  CurlExporter(SpanExporterOptions options, Clock* clock, Logger* logger)
      : options_(std::move(options)), clock_(*clock), logger_(*logger), rng_(Seed(clock)) {
    thread_ = std::thread([this] { Run(); });
  }

  CurlExporter(const CurlExporter&) = delete;
  CurlExporter& operator=(const CurlExporter&) = delete;

  ~CurlExporter() override {
    {
      MutexLock lock(&mutex_);
      stopping_ = true;
      wake_.NotifyAll();
    }
    thread_.join();
  }

  void Ended(const CallEnd& end) override {
    if (end.record.method == nullptr || !Wanted(end.record.trace)) {
      return;
    }
    Span span = SpanOf(end);
    MutexLock lock(&mutex_);
    if (waiting_.size() >= options_.max_waiting) {
      lost_.fetch_add(1);
      return;
    }
    uint64_t id = 0;
    do {
      id = rng_.Next();
    } while (id == 0);
    span.span_id = Hex(reinterpret_cast<const uint8_t*>(&id), sizeof id);
    waiting_.push_back(std::move(span));
    if (waiting_.size() >= kMaxBatch) {
      wake_.NotifyAll();
    }
  }

  [[nodiscard]] uint64_t lost() const override { return lost_.load(); }

 private:
  [[nodiscard]] bool Wanted(const TraceContext& trace) const {
    const bool ours = std::all_of(trace.parent_id.begin(), trace.parent_id.end(),
                                  [](uint8_t byte) { return byte == 0; });
    if (!ours) {
      return trace.sampled;
    }
    uint64_t random = 0;
    std::memcpy(&random, trace.trace_id.data() + sizeof random, sizeof random);
    return static_cast<double>(random) < options_.ratio * 0x1p64;
  }

  Span SpanOf(const CallEnd& end) {
    const CallRecord& record = end.record;
    Span span;
    span.trace_id = record.trace.TraceIdHex();
    const auto& parent = record.trace.parent_id;
    if (std::any_of(parent.begin(), parent.end(), [](uint8_t byte) { return byte != 0; })) {
      span.parent_id = Hex(parent.data(), parent.size());
    }
    span.method = record.method->path.substr(1);
    span.transport = TransportName(record.transport);
    span.collection = record.collection;
    span.request_id = record.request_id.view();
    span.code = StatusCodeName(end.status.code());
    span.code_number = static_cast<int>(end.status.code());
    span.total_nanos = end.total_nanos;
    span.queue_nanos = record.queue_nanos;
    span.work_nanos = record.work_nanos;
    span.began_unix_nanos = clock_.UnixMillis() * kNanosPerMs - end.total_nanos;
    return span;
  }

  void Run() {
    Collector collector(options_.url);
    bool stopping = false;
    while (!stopping) {
      std::vector<Span> batch;
      {
        MutexLock lock(&mutex_);
        if (!stopping_ && waiting_.size() < kMaxBatch) {
          wake_.WaitFor(&mutex_, options_.interval_ms);
        }
        stopping = stopping_;
        batch.swap(waiting_);
      }
      Send(batch, stopping, &collector);
    }
  }

  void Send(const std::vector<Span>& spans, bool last, Collector* collector) {
    for (size_t begin = 0; begin < spans.size(); begin += kMaxBatch) {
      const size_t end = std::min(spans.size(), begin + kMaxBatch);
      const std::vector<Span> batch(spans.begin() + static_cast<std::ptrdiff_t>(begin),
                                    spans.begin() + static_cast<std::ptrdiff_t>(end));
      const std::string failure = collector->Post(SpansJson(options_.service_name, batch),
                                                  last ? kLastTimeoutMs : kSendTimeoutMs);
      if (failure.empty()) {
        continue;
      }
      lost_.fetch_add(batch.size());
      Tell(failure);
      if (last) {
        lost_.fetch_add(spans.size() - end);
        return;
      }
    }
  }

  void Tell(const std::string& failure) {
    const int64_t now = clock_.MonotonicNanos();
    if (told_nanos_ != 0 && now - told_nanos_ < kLogEveryNanos) {
      return;
    }
    told_nanos_ = now;
    logger_.Log(LogLevel::kWarning, "spans are lost",
                {{"error", failure}, {"lost", static_cast<int64_t>(lost_.load())}});
  }

  const SpanExporterOptions options_;
  Clock& clock_;
  Logger& logger_;
  std::atomic<uint64_t> lost_{0};
  int64_t told_nanos_ = 0;  // of the thread
  Mutex mutex_;
  CondVar wake_;
  bool stopping_ LEADLINE_GUARDED_BY(mutex_) = false;
  std::vector<Span> waiting_ LEADLINE_GUARDED_BY(mutex_);
  Rng rng_ LEADLINE_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace

Status CheckSpanExporter(const SpanExporterOptions& options) {
  if (!options.url.starts_with("http://") && !options.url.starts_with("https://")) {
    return InvalidFieldError("not the address of a collector", "--otlp", options.url.substr(0, 128),
                             "http://HOST:PORT/v1/traces or https://..");
  }
  if (!(options.ratio >= 0 && options.ratio <= 1)) {
    return InvalidFieldError("share out of range", "--otlp-ratio", std::to_string(options.ratio),
                             "0 to 1");
  }
  // Others see it in the list of processes, and configuration holds no secrets.
  const std::string_view host = std::string_view(options.url).substr(options.url.find("//") + 2);
  if (host.substr(0, host.find_first_of("/?#")).find('@') != std::string_view::npos) {
    return InvalidFieldError("an address with a user or password", "--otlp", "not shown",
                             "http://HOST:PORT/v1/traces or https://..");
  }
  return OkStatus();
}

Result<std::unique_ptr<SpanExporter>> SpanExporter::Start(const SpanExporterOptions& options,
                                                          Clock* clock, Logger* logger) {
  LEADLINE_RETURN_IF_ERROR(CheckSpanExporter(options));
  // Once for the process, before it has threads that use the library.
  ::curl_global_init(CURL_GLOBAL_DEFAULT);
  return std::unique_ptr<SpanExporter>(std::make_unique<CurlExporter>(options, clock, logger));
}

}  // namespace leadline::rpc
