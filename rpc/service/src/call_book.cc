#include "call_book.h"

#include <set>
#include <string>

namespace leadline::rpc {
namespace {

constexpr int64_t kSweepNanos = 10'000'000'000;

}  // namespace

CallBook::CallBook(const ServiceOptions& options, Clock* clock)
    : clock_(clock),
      rate_(options.rate),
      audit_(options.audit),
      observers_(options.observers),
      limiter_(clock),
      log_(options.logger, options.slow_ms) {}

void CallBook::Arrived(const Arrival& arrival, CallRecord* record) {
  record->arrived_nanos = clock_->MonotonicNanos();
  record->method = arrival.method;
  record->transport = arrival.transport;
  namer_.Name(arrival, record);
  metrics_.Arrived();
}

void CallBook::Ended(const CallRecord& record, const Status& status) {
  const CallEnd end{record, status, clock_->MonotonicNanos() - record.arrived_nanos};
  metrics_.Ended(end);
  log_.Ended(end);
  if (audit_ != nullptr) {
    audit_->Ended(end);
  }
  for (CallObserver* observer : observers_) {
    observer->Ended(end);
  }
}

Status CallBook::TakeOne(const Caller& caller, CallRecord* record) {
  const CallRate& rate = caller.rate ? *caller.rate : rate_;
  const int64_t wait_ms = limiter_.Take(caller.token_id, rate);
  if (wait_ms == 0) {
    return {};
  }
  record->refusal = Refusal::kRate;
  record->retry_after_ms = wait_ms;
  return ResourceExhaustedError(
      "too many calls for this token: limit=" + std::to_string(rate.per_second) + " a second");
}

void CallBook::Tick(TokenStore* tokens) {
  if (audit_ != nullptr) {
    audit_->Tick();
  }
  {
    MutexLock lock(&mutex_);
    const int64_t now = clock_->MonotonicNanos();
    if (now - swept_nanos_ < kSweepNanos) {
      return;
    }
    swept_nanos_ = now;
  }
  const Result<std::vector<TokenRecord>> records = tokens->List();
  if (!records.ok()) {
    return;  // nobody gets in meanwhile
  }
  std::set<std::string> alive = {""};  // callers without a token
  for (const TokenRecord& record : *records) {
    alive.insert(record.id);
  }
  limiter_.Sweep([&alive](const std::string& id) { return alive.contains(id); });
}

}  // namespace leadline::rpc
