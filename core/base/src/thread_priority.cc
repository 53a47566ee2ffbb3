#include "leadline/core/thread_priority.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace leadline {

void LowerThreadPriority(int nice) {
  if (nice > 0) {
    // Linux takes it for one thread, against POSIX.
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), nice);
  }
}

void ShortenTurns(int64_t nanos) {
  // As in linux/sched/types.h, which does not go together with sched.h.
  struct Attributes {
    uint32_t size;
    uint32_t policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime;
    uint64_t deadline;
    uint64_t period;
  };

  Attributes attributes = {};
  if (::syscall(SYS_sched_getattr, 0, &attributes, sizeof(attributes), 0U) == 0) {
    attributes.runtime = static_cast<uint64_t>(nanos);
    ::syscall(SYS_sched_setattr, 0, &attributes, 0U);
  }
}

}  // namespace leadline
