#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>

namespace leadline {

/// Asks for large pages in `memory` that nobody has touched yet, where it is large enough for some.
void AskForLargePages(void* memory, size_t bytes);

/// Memory on a boundary of 64 bytes at least, in large pages where it is large and the system has
/// any, and the block of operator new in which it lies.
struct HugeMemory {
  void* memory = nullptr;
  void* block = nullptr;
};

/// Throws std::bad_alloc.
HugeMemory AllocateHuge(size_t bytes);

/// Frees the block that an array lies in.
struct FreeBlock {
  void* block = nullptr;

  void operator()(void* /*array*/) const { ::operator delete(block); }
};

/// Values that many threads touch first and that are read out of order: large pages take fewer
/// faults, and their addresses fewer lookups.
template <class T>
using HugeArray = std::unique_ptr<T[], FreeBlock>;

/// `count` indeterminate values. Throws std::bad_alloc.
template <class T>
HugeArray<T> NewHugeArray(size_t count) {
  static_assert(std::is_trivial_v<T>);
  const HugeMemory allocated = AllocateHuge(count * sizeof(T));
  return HugeArray<T>(static_cast<T*>(allocated.memory), FreeBlock{allocated.block});
}

}  // namespace leadline
