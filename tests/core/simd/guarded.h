#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace leadline {

/// `size` zeros that end in front of a page nobody may touch, so that a kernel that reads or writes
/// one element too many faults. On a 64-byte boundary where the elements' bytes are a multiple
/// of 64.
template <class T>
class Guarded {
 public:
  explicit Guarded(size_t size) : size_(size) {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t open = (size * sizeof(T) + page - 1) / page * page;
    mapped_ = open + page;
    map_ = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char* begin = static_cast<char*>(map_);
    if (map_ == MAP_FAILED || mprotect(begin + open, page, PROT_NONE) != 0) {
      ADD_FAILURE() << "no memory with a guard: " << std::strerror(errno);
      std::abort();
    }
    data_ = reinterpret_cast<T*>(begin + open - size * sizeof(T));
  }

  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  ~Guarded() { munmap(map_, mapped_); }

  T* data() { return data_; }

  T& operator[](size_t i) { return data_[i]; }

  size_t size() const { return size_; }

  T* begin() { return data_; }

  T* end() { return data_ + size_; }

 private:
  size_t size_;
  void* map_ = nullptr;
  size_t mapped_ = 0;
  T* data_ = nullptr;
};

}  // namespace leadline
