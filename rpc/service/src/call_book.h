#pragma once

#include <cstdint>
#include <vector>

#include "call_log.h"
#include "call_namer.h"
#include "leadline/core/clock.h"
#include "leadline/core/mutex.h"
#include "leadline/rpc/audit_log.h"
#include "leadline/rpc/call_context.h"
#include "leadline/rpc/call_record.h"
#include "leadline/rpc/service.h"
#include "leadline/rpc/token_store.h"
#include "rate_limiter.h"
#include "service_metrics.h"

namespace leadline::rpc {

/// What is kept of all calls together: names, rates, counters, logs. Thread-safe.
class CallBook {
 public:
  CallBook(const ServiceOptions& options, Clock* clock);

  /// Fills what of `record` the arrival tells.
  void Arrived(const Arrival& arrival, CallRecord* record);
  void Ended(const CallRecord& record, const Status& status);

  /// Takes one call of `caller`. kResourceExhausted with advice in `record`.
  Status TakeOne(const Caller& caller, CallRecord* record);

  /// Forgets what is no longer needed; `tokens` says which tokens there are.
  void Tick(TokenStore* tokens);

  [[nodiscard]] const ServiceMetrics& metrics() const { return metrics_; }

  [[nodiscard]] ServiceMetrics* mutable_metrics() { return &metrics_; }

  [[nodiscard]] const AuditLog* audit() const { return audit_; }

 private:
  Clock* const clock_;
  const CallRate rate_;
  AuditLog* const audit_;
  const std::vector<CallObserver*> observers_;
  CallNamer namer_;
  RateLimiter limiter_;
  ServiceMetrics metrics_;
  CallLog log_;
  Mutex mutex_;
  int64_t swept_nanos_ LEADLINE_GUARDED_BY(mutex_) = 0;
};

}  // namespace leadline::rpc
