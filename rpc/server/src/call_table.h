#pragma once

#include <cstddef>
#include <cstdint>
#include <list>

#include "leadline/core/mutex.h"

namespace leadline::rpc {

class GrpcCall;

/// The calls of a server, waiting ones included: it ends when none is left, and ends those that
/// wait for their callers for too long. Thread-safe.
class CallTable {
 public:
  using Place = std::list<GrpcCall*>::iterator;

  Place Add(GrpcCall* call);
  /// The call goes: EndStalled does not see it any more. Freed follows once it is gone.
  void Forget(Place place);
  void Freed();

  void WaitForNone();
  /// Ends every call whose caller should have sent, or taken, something before `now_nanos`.
  void EndStalled(int64_t now_nanos);

 private:
  Mutex mutex_;
  CondVar none_;
  std::list<GrpcCall*> calls_ LEADLINE_GUARDED_BY(mutex_);
  size_t count_ LEADLINE_GUARDED_BY(mutex_) = 0;  // those that are going, too
};

}  // namespace leadline::rpc
