#include "leadline/core/huge_array.h"

#include <algorithm>
#include <new>
#include <sys/mman.h>

#include "leadline/core/round_up.h"

namespace leadline {

void* AllocateHuge(size_t bytes) {
  constexpr size_t kLine = 64;
  constexpr size_t kLargePage = size_t{2} << 20;
  /// A smaller array would waste much of its last page.
  constexpr size_t kFewPages = 4;
  const bool large = bytes >= kFewPages * kLargePage;
  void* memory =
      std::aligned_alloc(large ? kLargePage : kLine, RoundUp(std::max<size_t>(bytes, 1), kLine));
  if (memory == nullptr) {
    throw std::bad_alloc();
  }
#ifdef MADV_HUGEPAGE
  if (large) {
    // Of the last page as much as the array has. Where the system has none, small ones do.
    ::madvise(memory, bytes / kLargePage * kLargePage, MADV_HUGEPAGE);
  }
#endif
  return memory;
}

}  // namespace leadline
