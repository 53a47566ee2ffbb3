#pragma once

/// Where an index keeps what it makes of a filter that searches repeat.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "leadline/core/mutex.h"
#include "leadline/core/status.h"

namespace leadline::index {

/// Something that is made once, by who asks first, and then only read. Thread-safe.
template <class T>
class MadeOnce {
 public:
  MadeOnce() = default;
  MadeOnce(const MadeOnce&) = delete;
  MadeOnce& operator=(const MadeOnce&) = delete;
  ~MadeOnce() = default;

  /// The thing, valid as long as this; `make` returns Result<std::unique_ptr<const T>> where there
  /// is none yet, while others wait. Keeps nothing where it fails or throws.
  template <class Make>
  Result<const T*> Get(const Make& make) {
    if (const T* made = ready_.load(std::memory_order_acquire)) {
      return made;
    }
    MutexLock lock(&mutex_);
    if (kept_ == nullptr) {
      LEADLINE_ASSIGN_OR_RETURN(kept_, make());
      ready_.store(kept_.get(), std::memory_order_release);
    }
    return kept_.get();
  }

  /// Null where nothing was made.
  [[nodiscard]] const T* get() const { return ready_.load(std::memory_order_acquire); }

 private:
  std::atomic<const T*> ready_{nullptr};
  Mutex mutex_;
  std::unique_ptr<const T> kept_ LEADLINE_GUARDED_BY(mutex_);
};

/// What one index made of one filter. Thread-safe.
class PreparedFilter {
 public:
  PreparedFilter() = default;
  PreparedFilter(const PreparedFilter&) = delete;
  PreparedFilter& operator=(const PreparedFilter&) = delete;
  virtual ~PreparedFilter() = default;
  /// Bytes on the heap.
  [[nodiscard]] virtual size_t resident_bytes() const = 0;
};

/// Room beside the rows of a filter for one index.
using FilterSlot = MadeOnce<PreparedFilter>;

/// A filter whose rows stay as they are. All must outlive the searches that name it.
struct RepeatedFilter {
  const uint64_t* rows = nullptr;  ///< one bit a row, as SearchParams::allowed
  uint64_t count = 0;              ///< of them
  FilterSlot* slot = nullptr;      ///< for the index that is searched, and for no other
};

}  // namespace leadline::index
