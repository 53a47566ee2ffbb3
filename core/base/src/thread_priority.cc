#include "leadline/core/thread_priority.h"

#include <sys/resource.h>
#include <unistd.h>

namespace leadline {

void LowerThreadPriority(int nice) {
  if (nice > 0) {
    // Linux takes it for one thread, against POSIX.
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), nice);
  }
}

}  // namespace leadline
