#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <unordered_map>

namespace leadline::rpc {

/// Work that waits, in turn by who brought it: a caller with a hundred calls is served as often as
/// one with a single call. And it cannot fill the queue: a caller may add while it has less waiting
/// than three times the room that is left (dynamic thresholds of Choudhury and Hahne, 1998), alone
/// up to three quarters of all. Externally synchronised.
class FairQueue {
 public:
  explicit FairQueue(size_t max_size) : max_size_(max_size) {}

  FairQueue(const FairQueue&) = delete;
  FairQueue& operator=(const FairQueue&) = delete;

  /// False, and nothing is kept, where there is no room for `who`. May throw std::bad_alloc, and
  /// then nothing is kept either.
  bool Push(const std::string& who, std::function<void()> work);
  /// Keeps what is left of work that `who` brought and that was taken, whether there is room or
  /// not: it is the next of that caller, whose turn comes after that of all others. May throw
  /// std::bad_alloc, and then nothing is kept.
  void PutBack(const std::string& who, std::function<void()> rest);
  /// What is next; empty where nothing waits.
  std::function<void()> Pop();

  /// Above `max_size` only by what was put back.
  [[nodiscard]] size_t size() const { return size_; }

 private:
  using Waiting = std::unordered_map<std::string, std::deque<std::function<void()>>>;

  const size_t max_size_;
  size_t size_ = 0;
  Waiting waiting_;                        // no caller without work
  std::deque<Waiting::value_type*> turn_;  // each of them once; references of the map stay valid
};

}  // namespace leadline::rpc
