#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace leadline::engine {

/// Memory that was promised to a write and is not in use yet: counted in a sum while this lives.
class MemoryClaim {
 public:
  MemoryClaim() = default;

  /// `sum` must outlive this.
  MemoryClaim(std::atomic<uint64_t>* sum, uint64_t bytes) : sum_(sum), bytes_(bytes) {
    sum_->fetch_add(bytes_, std::memory_order_relaxed);
  }

  MemoryClaim(MemoryClaim&& other) noexcept
      : sum_(std::exchange(other.sum_, nullptr)), bytes_(other.bytes_) {}

  MemoryClaim(const MemoryClaim&) = delete;
  MemoryClaim& operator=(const MemoryClaim&) = delete;
  MemoryClaim& operator=(MemoryClaim&&) = delete;

  ~MemoryClaim() {
    if (sum_ != nullptr) {
      sum_->fetch_sub(bytes_, std::memory_order_relaxed);
    }
  }

 private:
  std::atomic<uint64_t>* sum_ = nullptr;
  uint64_t bytes_ = 0;
};

}  // namespace leadline::engine
