#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <type_traits>

namespace leadline {

struct FreeMemory {
  void operator()(void* memory) const { std::free(memory); }
};

/// Values that many threads may touch first and that are read out of order, in large pages where
/// the system has any: so that they take fewer faults, and their addresses fewer lookups.
template <class T>
using HugeArray = std::unique_ptr<T[], FreeMemory>;

/// On a boundary of 64 bytes at least. Throws std::bad_alloc.
void* AllocateHuge(size_t bytes);

/// `count` indeterminate values. Throws std::bad_alloc.
template <class T>
HugeArray<T> NewHugeArray(size_t count) {
  static_assert(std::is_trivial_v<T>);
  return HugeArray<T>(static_cast<T*>(AllocateHuge(count * sizeof(T))));
}

}  // namespace leadline
