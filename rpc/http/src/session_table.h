#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>

#include "leadline/core/mutex.h"

namespace leadline::rpc {

/// One connection, as the server sees it. Thread-safe.
class Session {
 public:
  virtual ~Session() = default;

  /// Ends the connection if no call is in flight, soon and on its own thread; until then it does
  /// not count as idle.
  virtual void EndIfIdle() = 0;
  /// Ends the connection, and the call that is in flight with it.
  virtual void Cut() = 0;
  /// Ends a call whose caller has gone away.
  virtual void CheckCaller() = 0;
  /// Clock::MonotonicNanos value since which no call is in flight; 0 while one is.
  [[nodiscard]] virtual int64_t idle_since() const = 0;
};

/// The connections of one server, and how much of the memory for bodies they use. A session adds
/// itself and removes itself in its destructor. Thread-safe.
class SessionTable {
 public:
  SessionTable(size_t max_sessions, size_t max_body_bytes)
      : max_sessions_(max_sessions), max_body_bytes_(max_body_bytes) {}

  /// Makes room where there is none by ending the longest idle session. False, and the session is
  /// not added, where none is idle.
  bool Add(Session* key, std::weak_ptr<Session> session);
  void Remove(Session* key);

  void CheckCallers();
  void EndIdle();
  void CutAll();
  /// True once there is none; false where that takes longer than `patience_ms`.
  bool WaitForNone(int64_t patience_ms);

  /// False, and nothing is taken, where so much is not left.
  bool TakeBodyBytes(size_t bytes);

  void GiveBodyBytes(size_t bytes) { body_bytes_.fetch_sub(bytes); }

  [[nodiscard]] size_t size();

 private:
  template <typename Do>
  void ForEach(const Do& act);

  const size_t max_sessions_;
  const size_t max_body_bytes_;
  std::atomic<size_t> body_bytes_{0};
  Mutex mutex_;
  CondVar none_;
  std::map<Session*, std::weak_ptr<Session>> sessions_ LEADLINE_GUARDED_BY(mutex_);
};

}  // namespace leadline::rpc
