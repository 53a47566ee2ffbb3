#include "call_table.h"

#include "grpc_call.h"

namespace leadline::rpc {

CallTable::Place CallTable::Add(GrpcCall* call) {
  MutexLock lock(&mutex_);
  ++count_;
  return calls_.insert(calls_.end(), call);
}

void CallTable::Forget(Place place) {
  MutexLock lock(&mutex_);
  calls_.erase(place);
}

void CallTable::Freed() {
  MutexLock lock(&mutex_);
  if (--count_ == 0) {
    none_.NotifyAll();
  }
}

void CallTable::WaitForNone() {
  MutexLock lock(&mutex_);
  while (count_ > 0) {
    none_.Wait(&mutex_);
  }
}

void CallTable::EndStalled(int64_t now_nanos) {
  MutexLock lock(&mutex_);
  for (GrpcCall* call : calls_) {
    call->EndIfStalled(now_nanos);
  }
}

}  // namespace leadline::rpc
