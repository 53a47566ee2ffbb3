#include "leadline/core/huge_array.h"

#include <cstdint>
#include <new>
#include <sys/mman.h>

#include "leadline/core/round_up.h"

namespace leadline {
namespace {

constexpr size_t kLargePage = size_t{2} << 20;
/// Fewer are not worth it.
constexpr size_t kFewPages = 4;

}  // namespace

void AskForLargePages(void* memory, size_t bytes) {
#ifdef MADV_HUGEPAGE
  const auto address = reinterpret_cast<uintptr_t>(memory);
  const size_t skipped = RoundUp(address, kLargePage) - address;
  if (bytes >= skipped + kFewPages * kLargePage) {
    // Where the system has none, small ones do.
    ::madvise(static_cast<char*>(memory) + skipped, (bytes - skipped) / kLargePage * kLargePage,
              MADV_HUGEPAGE);
  }
#endif
}

HugeMemory AllocateHuge(size_t bytes) {
  constexpr size_t kLine = 64;
  const size_t boundary = bytes >= kFewPages * kLargePage ? kLargePage : kLine;
  HugeMemory allocated;
  allocated.block = ::operator new(bytes + boundary);
  const auto address = reinterpret_cast<uintptr_t>(allocated.block);
  allocated.memory = static_cast<char*>(allocated.block) + (RoundUp(address, boundary) - address);
  AskForLargePages(allocated.memory, bytes);
  return allocated;
}

}  // namespace leadline
