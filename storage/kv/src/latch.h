#pragma once

#include <atomic>
#include <exception>
#include <memory>
#include <string>
#include <string_view>

#include <rocksdb/listener.h>

#include "leadline/core/mutex.h"
#include "leadline/core/status.h"
#include "rocksdb_status.h"

namespace leadline::kv {

/// Keeps the first write error. RocksDB must not be asked to append to a file whose last append
/// failed (Debian's build asserts and aborts), so after it the store only reads. Thread-safe.
class Latch {
 public:
  Latch() { interrupted_.IgnoreError(); }

  /// The outcome of `call`, which asks RocksDB for a change and returns what it answers; an error
  /// is remembered and begins with `what`. After an exception nobody knows what was changed, nor
  /// whether RocksDB can go on: that is kFailedPrecondition, so that nobody repeats the call.
  template <typename Call>
  Status Guard(std::string_view what, const Call& call) {
    try {
      const rocksdb::Status answer = call();
      return answer.ok() ? OkStatus() : Set(FromRocks(answer, what));
    } catch (const std::exception&) {
      return Set(interrupted_);
    }
  }

  /// Remembers `error` unless one is remembered already; returns `error`.
  Status Set(Status error) {
    MutexLock lock(&mutex_);
    if (!is_set()) {
      first_ = error;
      first_.IgnoreError();  // the caller reads `error`; nobody may ever ask for this copy
      set_.store(true, std::memory_order_release);
    }
    return error;
  }

  [[nodiscard]] bool is_set() const { return set_.load(std::memory_order_acquire); }

  /// OK, or the first error.
  [[nodiscard]] Status first() const {
    if (!is_set()) {
      return {};
    }
    MutexLock lock(&mutex_);
    return first_;
  }

  /// What a write answers: OK, or kFailedPrecondition with the first error in its message; damage
  /// that a flush or compaction met stays kDataLoss, since opening the store again mends nothing.
  [[nodiscard]] Status Check() const {
    if (!is_set()) {
      return {};
    }
    Status error = first();
    if (error.code() == StatusCode::kDataLoss) {
      return error.WithContext("store is read-only since it met damage");
    }
    return FailedPreconditionError("store is read-only after a write error; reopen it: " +
                                   error.ToString());
  }

 private:
  /// Made while there is memory.
  const Status interrupted_ = FailedPreconditionError(
      "a change was interrupted and may be done or not; reopen the store to see");
  std::atomic<bool> set_{false};
  mutable Mutex mutex_;
  Status first_ LEADLINE_GUARDED_BY(mutex_);
};

/// Latches on errors of flushes and compactions and forbids RocksDB to resume by itself.
class BackgroundErrorListener final : public rocksdb::EventListener {
 public:
  explicit BackgroundErrorListener(std::shared_ptr<Latch> latch) : latch_(std::move(latch)) {}

  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) override;
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason reason, rocksdb::Status error,
                            bool* auto_recovery) override;

 private:
  const std::shared_ptr<Latch> latch_;
};

}  // namespace leadline::kv
