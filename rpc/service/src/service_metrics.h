#pragma once

#include <cstddef>
#include <memory>

#include "leadline/rpc/call_record.h"

namespace prometheus {
struct MetricFamily;
class Registry;
}  // namespace prometheus

namespace leadline::rpc {

/// Counters and histograms of calls. Their labels are bounded: methods of the service, transports,
/// codes, lanes and reasons, nothing that a client chooses. Thread-safe; a call costs a few
/// additions to atomics, and the short lock of each histogram it adds to.
class ServiceMetrics final : public CallObserver {
 public:
  ServiceMetrics();
  ~ServiceMetrics() override;

  ServiceMetrics(const ServiceMetrics&) = delete;
  ServiceMetrics& operator=(const ServiceMetrics&) = delete;

  /// One more call is in flight, until Ended.
  void Arrived();
  /// So many searches were answered together.
  void Gathered(size_t queries);
  void Ended(const CallEnd& end) override;

  /// What was counted.
  [[nodiscard]] const prometheus::Registry& registry() const;

 private:
  struct Series;
  const std::unique_ptr<Series> series_;
};

}  // namespace leadline::rpc
