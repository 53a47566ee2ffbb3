#include "service_metrics.h"

#include <array>
#include <atomic>
#include <string>
#include <vector>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include "lane_names.h"
#include "metric_families.h"

namespace leadline::rpc {
namespace {

constexpr size_t kTransports = 2;
constexpr size_t kCodes = static_cast<size_t>(StatusCode::kUnauthenticated) + 1;
constexpr double kSecondsPerNano = 1e-9;
constexpr const char* kReasons[] = {"",     "unauthenticated", "permission",
                                    "rate", "queue",           "stopping"};

prometheus::Histogram::BucketBoundaries SecondsBuckets() {
  return {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
          0.05,   0.1,     0.25,   0.5,   1,      2.5,   5,    10};
}

/// A series that appears in the text when something is added to it first, so that methods nobody
/// calls and codes nobody sees take no room.
template <typename T>
class LateSeries {
 public:
  template <typename Make>
  T& Get(const Make& make) {
    T* series = series_.load(std::memory_order_acquire);
    if (series == nullptr) {
      series = &make();  // the library gives the same one to whoever comes at the same time
      series_.store(series, std::memory_order_release);
    }
    return *series;
  }

 private:
  std::atomic<T*> series_{nullptr};
};

/// "leadline.v1.Search/Search"; "unknown" for null.
std::string MethodLabel(const Method* method) {
  return method != nullptr ? method->path.substr(1) : "unknown";
}

}  // namespace

struct ServiceMetrics::Series {
  /// Of one method.
  struct OfMethod {
    std::array<std::array<LateSeries<prometheus::Counter>, kCodes>, kTransports> calls;
    LateSeries<prometheus::Histogram> seconds;
  };

  Series() {
    for (size_t i = 1; i < refused.size(); ++i) {
      refused[i] = &refusals.Add({{"reason", kReasons[i]}});
    }
    for (size_t lane = 0; lane < kLaneNames.size(); ++lane) {
      const std::string name(kLaneNames[lane]);
      queue[lane] = &stages.Add({{"stage", "queue"}, {"lane", name}}, SecondsBuckets());
      parse[lane] = &stages.Add({{"stage", "parse"}, {"lane", name}}, SecondsBuckets());
      work[lane] = &stages.Add({{"stage", "work"}, {"lane", name}}, SecondsBuckets());
      write[lane] = &stages.Add({{"stage", "write"}, {"lane", name}}, SecondsBuckets());
    }
    for (size_t i = 0; i < kTransports; ++i) {
      const std::string name(TransportName(static_cast<Transport>(i)));
      received[i] = &received_bytes.Add({{"transport", name}});
      sent[i] = &sent_bytes.Add({{"transport", name}});
    }
  }

  /// The last one is of unknown methods.
  OfMethod& Of(const Method* method) {
    const size_t index =
        method != nullptr ? static_cast<size_t>(method - Methods().data()) : methods.size() - 1;
    return methods[index];
  }

  prometheus::Registry registry;
  prometheus::Family<prometheus::Counter>& calls = prometheus::BuildCounter()
                                                       .Name("leadline_calls_total")
                                                       .Help("Calls that ended.")
                                                       .Register(registry);
  prometheus::Family<prometheus::Histogram>& seconds =
      prometheus::BuildHistogram()
          .Name("leadline_call_seconds")
          .Help("From the arrival of a call to its answer; of streams to their end.")
          .Register(registry);
  prometheus::Family<prometheus::Histogram>& stages =
      prometheus::BuildHistogram()
          .Name("leadline_call_stage_seconds")
          .Help(
              "Of each call that began to be worked on: waiting in a queue, parsing, work, and "
              "writing the answer.")
          .Register(registry);
  prometheus::Family<prometheus::Counter>& refusals =
      prometheus::BuildCounter()
          .Name("leadline_refused_total")
          .Help("Calls that were turned away, or requests of a stream that ended it.")
          .Register(registry);
  prometheus::Family<prometheus::Counter>& received_bytes =
      prometheus::BuildCounter()
          .Name("leadline_received_bytes_total")
          .Help("Bytes of request messages, without framing.")
          .Register(registry);
  prometheus::Family<prometheus::Counter>& sent_bytes =
      prometheus::BuildCounter()
          .Name("leadline_sent_bytes_total")
          .Help("Bytes of response messages, without framing.")
          .Register(registry);
  prometheus::Gauge& in_flight = prometheus::BuildGauge()
                                     .Name("leadline_calls_in_flight")
                                     .Help("Calls that arrived and have not ended.")
                                     .Register(registry)
                                     .Add({});
  prometheus::Histogram& gathered =
      prometheus::BuildHistogram()
          .Name("leadline_gathered_queries")
          .Help("Of each batch that single searches were gathered into: how many.")
          .Register(registry)
          .Add({}, prometheus::Histogram::BucketBoundaries{2, 4, 8, 16, 32});
  std::vector<OfMethod> methods{Methods().size() + 1};
  std::array<prometheus::Counter*, std::size(kReasons)> refused{};
  std::array<prometheus::Histogram*, kLaneNames.size()> queue{};
  std::array<prometheus::Histogram*, kLaneNames.size()> parse{};
  std::array<prometheus::Histogram*, kLaneNames.size()> work{};
  std::array<prometheus::Histogram*, kLaneNames.size()> write{};
  std::array<prometheus::Counter*, kTransports> received{};
  std::array<prometheus::Counter*, kTransports> sent{};
};

ServiceMetrics::ServiceMetrics() : series_(std::make_unique<Series>()) {}

ServiceMetrics::~ServiceMetrics() = default;

const prometheus::Registry& ServiceMetrics::registry() const {
  return series_->registry;
}

void ServiceMetrics::Arrived() {
  series_->in_flight.Increment();
}

void ServiceMetrics::Gathered(size_t queries) {
  series_->gathered.Observe(static_cast<double>(queries));
}

void ServiceMetrics::Ended(const CallEnd& end) {
  Series& series = *series_;
  const CallRecord& record = end.record;
  Series::OfMethod& method = series.Of(record.method);
  const auto transport = static_cast<size_t>(record.transport);
  const auto code = static_cast<size_t>(end.status.code());
  method.calls[transport][code < kCodes ? code : static_cast<size_t>(StatusCode::kUnknown)]
      .Get([&]() -> prometheus::Counter& {
        return series.calls.Add({{"method", MethodLabel(record.method)},
                                 {"transport", std::string(TransportName(record.transport))},
                                 {"code", std::string(StatusCodeName(end.status.code()))}});
      })
      .Increment();
  method.seconds
      .Get([&]() -> prometheus::Histogram& {
        return series.seconds.Add({{"method", MethodLabel(record.method)}}, SecondsBuckets());
      })
      .Observe(static_cast<double>(end.total_nanos) * kSecondsPerNano);
  if (record.began_nanos != 0) {
    const auto lane = static_cast<size_t>(record.method->rule.work());
    series.queue[lane]->Observe(static_cast<double>(record.queue_nanos) * kSecondsPerNano);
    series.parse[lane]->Observe(static_cast<double>(record.parse_nanos) * kSecondsPerNano);
    series.work[lane]->Observe(static_cast<double>(record.work_nanos) * kSecondsPerNano);
    series.write[lane]->Observe(static_cast<double>(record.write_nanos) * kSecondsPerNano);
  }
  if (record.refusal != Refusal::kNone) {
    series.refused[static_cast<size_t>(record.refusal)]->Increment();
  }
  series.received[transport]->Increment(static_cast<double>(record.request_bytes));
  series.sent[transport]->Increment(static_cast<double>(record.response_bytes));
  series.in_flight.Decrement();
}

}  // namespace leadline::rpc
