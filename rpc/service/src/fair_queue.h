#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>

namespace leadline::rpc {

/// Work that waits, in turn by who brought it: a caller with a hundred calls is served as often as
/// one with a single call, and less often where its work takes several turns (start-time fair
/// queueing of Goyal, Vin and Cheng, 1996, in turns instead of time). And it cannot fill the queue:
/// a caller may add while it has less waiting than three times the room that is left (dynamic
/// thresholds of Choudhury and Hahne, 1998), alone up to three quarters of all. Externally
/// synchronised.
class FairQueue {
 public:
  explicit FairQueue(size_t max_size) : max_size_(max_size) {}

  FairQueue(const FairQueue&) = delete;
  FairQueue& operator=(const FairQueue&) = delete;

  /// False, and nothing is kept, where there is no room for `who`. May throw std::bad_alloc, and
  /// then nothing is kept either.
  /// PopAlong gives the work only if `along` says so.
  bool Push(const std::string& who, std::function<void()> work, bool along = false);
  /// Keeps what is left of work that `who` brought and that was taken, whether there is room or
  /// not: it is the next of that caller. May throw std::bad_alloc, and then nothing is kept.
  void PutBack(const std::string& who, std::function<void()> rest);
  /// Work of `who` took `turns` more than the one that Pop counts: others have theirs first. No
  /// effect where nothing waits. May throw std::bad_alloc.
  void Charge(const std::string& who, uint64_t turns);
  /// What is next; empty where nothing waits.
  std::function<void()> Pop();
  /// The same where what is next was pushed to go along; else empty, and nothing changes.
  std::function<void()> PopAlong();

  /// Above `max_size` only by what was put back.
  [[nodiscard]] size_t size() const { return size_; }

 private:
  /// The turn that a caller has next; of equal ones the older is first.
  using Turn = std::pair<uint64_t, uint64_t>;

  struct Work {
    std::function<void()> run;
    bool along = false;
  };

  struct Caller {
    std::deque<Work> work;
    Turn turn;
  };

  using Callers = std::unordered_map<std::string, Caller>;

  /// May throw std::bad_alloc, and then changes nothing.
  Callers::value_type* FindOrAdd(const std::string& who);
  /// Gives `caller` the turn `turns` after its present one.
  void Delay(Caller* caller, uint64_t turns);
  /// Forgets `caller` where it has no work and is owed nothing.
  void ForgetIfNew(Callers::value_type* caller);

  const size_t max_size_;
  size_t size_ = 0;
  uint64_t now_ = 0;       // the turn of what was taken last; no caller's is before it
  uint64_t arrivals_ = 0;  // turns that were given
  // Callers with work, and those without whose next turn is yet to come.
  Callers callers_;
  std::map<Turn, Callers::value_type*> turns_;  // each of them; references of the map stay valid
};

}  // namespace leadline::rpc
