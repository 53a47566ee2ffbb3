#pragma once

/// What ThreadSanitizer cannot see. Debian's gRPC is not built with it: an object that goes into a
/// completion queue on one thread and comes out on another would look like a race of ours. Empty in
/// other builds.

#if defined(LEADLINE_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

namespace leadline::rpc {

/// To be called before `object` is given to gRPC: what this thread did comes before what follows
/// TakeOver of the same object. From any thread.
inline void HandOver([[maybe_unused]] const void* object) {
#if defined(LEADLINE_TSAN)
  __tsan_release(const_cast<void*>(object));
#endif
}

/// To be called once gRPC has given `object` back.
inline void TakeOver([[maybe_unused]] const void* object) {
#if defined(LEADLINE_TSAN)
  __tsan_acquire(const_cast<void*>(object));
#endif
}

}  // namespace leadline::rpc
