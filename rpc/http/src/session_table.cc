#include "session_table.h"

#include <utility>
#include <vector>

#include "leadline/core/clock.h"

namespace leadline::rpc {

bool SessionTable::Add(Session* key, std::weak_ptr<Session> session) {
  // Declared before the lock: whoever lets a session go last takes the lock to remove it.
  std::shared_ptr<Session> oldest;
  {
    MutexLock lock(&mutex_);
    if (sessions_.size() >= max_sessions_) {
      int64_t since = INT64_MAX;
      const std::weak_ptr<Session>* found = nullptr;
      for (const auto& [other, weak] : sessions_) {
        const int64_t idle = other->idle_since();
        if (idle != 0 && idle < since) {
          since = idle;
          found = &weak;
        }
      }
      if (found == nullptr) {
        return false;
      }
      oldest = found->lock();
    }
    sessions_.emplace(key, std::move(session));
  }
  if (oldest != nullptr) {
    oldest->EndIfIdle();
  }
  return true;
}

void SessionTable::Remove(Session* key) {
  MutexLock lock(&mutex_);
  sessions_.erase(key);
  if (sessions_.empty()) {
    none_.NotifyAll();
  }
}

template <typename Do>
void SessionTable::ForEach(const Do& act) {
  std::vector<std::shared_ptr<Session>> alive;
  {
    MutexLock lock(&mutex_);
    for (const auto& [key, weak] : sessions_) {
      if (auto session = weak.lock()) {
        alive.push_back(std::move(session));
      }
    }
  }
  for (const auto& session : alive) {
    act(session.get());
  }
}

void SessionTable::CheckCallers() {
  ForEach([](Session* session) { session->CheckCaller(); });
}

void SessionTable::EndIdle() {
  ForEach([](Session* session) { session->EndIfIdle(); });
}

void SessionTable::CutAll() {
  ForEach([](Session* session) { session->Cut(); });
}

bool SessionTable::WaitForNone(int64_t patience_ms) {
  const int64_t end = Clock::System()->MonotonicNanos() + patience_ms * 1'000'000;
  MutexLock lock(&mutex_);
  while (!sessions_.empty()) {
    const int64_t left = end - Clock::System()->MonotonicNanos();
    if (left <= 0) {
      return false;
    }
    none_.WaitFor(&mutex_, left / 1'000'000 + 1);
  }
  return true;
}

bool SessionTable::TakeBodyBytes(size_t bytes) {
  if (body_bytes_.fetch_add(bytes) + bytes > max_body_bytes_) {
    body_bytes_.fetch_sub(bytes);
    return false;
  }
  return true;
}

size_t SessionTable::size() {
  MutexLock lock(&mutex_);
  return sessions_.size();
}

}  // namespace leadline::rpc
