#pragma once

/// Annotated locks. `std::mutex` is not used elsewhere: clang's thread-safety analysis cannot see
/// through it, these wrappers it can (preset `clang-safety`).

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <shared_mutex>

#if defined(__clang__)
#define LEADLINE_TSA_(x) __attribute__((x))
#else
#define LEADLINE_TSA_(x)
#endif

#define LEADLINE_CAPABILITY(x) LEADLINE_TSA_(capability(x))
#define LEADLINE_SCOPED_CAPABILITY LEADLINE_TSA_(scoped_lockable)
/// The member may be touched only while `x` is held.
#define LEADLINE_GUARDED_BY(x) LEADLINE_TSA_(guarded_by(x))
#define LEADLINE_PT_GUARDED_BY(x) LEADLINE_TSA_(pt_guarded_by(x))
/// The function must be called with the lock(s) held.
#define LEADLINE_REQUIRES(...) LEADLINE_TSA_(requires_capability(__VA_ARGS__))
#define LEADLINE_REQUIRES_SHARED(...) LEADLINE_TSA_(requires_shared_capability(__VA_ARGS__))
/// The function must be called without the lock(s).
#define LEADLINE_EXCLUDES(...) LEADLINE_TSA_(locks_excluded(__VA_ARGS__))
#define LEADLINE_ACQUIRE(...) LEADLINE_TSA_(acquire_capability(__VA_ARGS__))
#define LEADLINE_ACQUIRE_SHARED(...) LEADLINE_TSA_(acquire_shared_capability(__VA_ARGS__))
#define LEADLINE_RELEASE(...) LEADLINE_TSA_(release_capability(__VA_ARGS__))
#define LEADLINE_RELEASE_SHARED(...) LEADLINE_TSA_(release_shared_capability(__VA_ARGS__))
#define LEADLINE_RELEASE_GENERIC(...) LEADLINE_TSA_(release_generic_capability(__VA_ARGS__))
#define LEADLINE_NO_THREAD_SAFETY_ANALYSIS LEADLINE_TSA_(no_thread_safety_analysis)

namespace leadline {

/// Exclusive lock. Thread-safe. Not recursive.
class LEADLINE_CAPABILITY("mutex") Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;
  ~Mutex() = default;

  void Lock() LEADLINE_ACQUIRE() { mutex_.lock(); }

  void Unlock() LEADLINE_RELEASE() { mutex_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

/// Many readers or one writer. Thread-safe. Not recursive.
class LEADLINE_CAPABILITY("shared_mutex") SharedMutex {
 public:
  SharedMutex() = default;
  SharedMutex(const SharedMutex&) = delete;
  SharedMutex& operator=(const SharedMutex&) = delete;
  ~SharedMutex() = default;

  void Lock() LEADLINE_ACQUIRE() { mutex_.lock(); }

  void Unlock() LEADLINE_RELEASE() { mutex_.unlock(); }

  void LockShared() LEADLINE_ACQUIRE_SHARED() { mutex_.lock_shared(); }

  void UnlockShared() LEADLINE_RELEASE_SHARED() { mutex_.unlock_shared(); }

 private:
  std::shared_mutex mutex_;
};

/// Holds a Mutex for a scope.
class LEADLINE_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex* mutex) LEADLINE_ACQUIRE(mutex) : mutex_(mutex) { mutex_->Lock(); }

  ~MutexLock() LEADLINE_RELEASE() { mutex_->Unlock(); }

  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex* const mutex_;
};

/// Holds a SharedMutex exclusively for a scope.
class LEADLINE_SCOPED_CAPABILITY WriterLock {
 public:
  explicit WriterLock(SharedMutex* mutex) LEADLINE_ACQUIRE(mutex) : mutex_(mutex) {
    mutex_->Lock();
  }

  ~WriterLock() LEADLINE_RELEASE() { mutex_->Unlock(); }

  WriterLock(const WriterLock&) = delete;
  WriterLock& operator=(const WriterLock&) = delete;

 private:
  SharedMutex* const mutex_;
};

/// Holds a SharedMutex shared for a scope.
class LEADLINE_SCOPED_CAPABILITY ReaderLock {
 public:
  explicit ReaderLock(SharedMutex* mutex) LEADLINE_ACQUIRE_SHARED(mutex) : mutex_(mutex) {
    mutex_->LockShared();
  }

  ~ReaderLock() LEADLINE_RELEASE_GENERIC() { mutex_->UnlockShared(); }

  ReaderLock(const ReaderLock&) = delete;
  ReaderLock& operator=(const ReaderLock&) = delete;

 private:
  SharedMutex* const mutex_;
};

/// Condition bound to a Mutex at each wait. Wake-ups may be spurious: wait in a loop.
class CondVar {
 public:
  void Wait(Mutex* mutex) LEADLINE_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex->mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }

  /// Returns false when `timeout_ms` passed without a notification.
  bool WaitFor(Mutex* mutex, int64_t timeout_ms) LEADLINE_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex->mutex_, std::adopt_lock);
    const bool woken = condition_.wait_for(lock, std::chrono::milliseconds(timeout_ms)) ==
                       std::cv_status::no_timeout;
    lock.release();
    return woken;
  }

  void NotifyOne() { condition_.notify_one(); }

  void NotifyAll() { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace leadline
