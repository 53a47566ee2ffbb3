#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace leadline::rpc {

/// Names the caller whose work it is; asked only where that has to wait.
using WhoAsks = std::function<std::string()>;

class CallerUse;

/// Runs work of one kind: so much at a time, so much waiting, and no more. What waits is taken by
/// callers in turn, and none of them can fill the queue (FairQueue). Work of callers who are ahead
/// of the others (CallerUse) has a queue of its own and runs on threads of low priority, as many
/// again as there are places, so that it gets what of the processors others leave. Thread-safe.
/// Work must not throw. The destructor finishes what was submitted.
class Lane {
 public:
  virtual ~Lane() = default;

  /// False, and the work is dropped, where as much waits as may. May throw std::bad_alloc, and then
  /// nothing is kept.
  virtual bool Submit(const WhoAsks& who, std::function<void()> work) = 0;

  /// The same for work that other such work may take along.
  virtual bool SubmitAlong(const WhoAsks& who, std::function<void()> work) = 0;

  /// For work that runs here: what is next for this thread, to be run as a part of it, and counted
  /// as a turn of whoever brought it. Empty where nothing waits, or what is next may not go along.
  virtual std::function<void()> TakeAlong() = 0;

  /// For work that runs here, as the last that it does: what is left of it waits like work that was
  /// submitted, but is never refused and goes on before what else its caller brought. What ran
  /// counts as `turns` of the caller, at least 1: each other one that waits has as many before the
  /// rest goes on. It may go on before this returns. May throw std::bad_alloc, and then nothing is
  /// kept.
  virtual void PutBack(const WhoAsks& who, uint64_t turns, std::function<void()> rest) = 0;

  /// For work that runs here and leaves nothing: counts it as `turns` of its caller, at least 1,
  /// where others wait. May throw std::bad_alloc.
  virtual void Charge(const WhoAsks& who, uint64_t turns) = 0;

  /// How much waits at this moment.
  [[nodiscard]] virtual size_t waiting() = 0;
};

/// Runs work on `threads` threads of its own: for work that waits for a disk or takes long. `use`,
/// which all lanes of a service share, must outlive it; null where nobody is ever ahead. So below.
std::unique_ptr<Lane> NewThreadLane(size_t threads, size_t max_waiting, CallerUse* use);

/// Runs work on the thread that submits it while one of `slots` is free, so that a short search
/// changes no thread. What has to wait runs on the thread that frees a slot. Where all are taken,
/// threads look for more work between two of theirs (BetweenWorks).
std::unique_ptr<Lane> NewCallerLane(size_t slots, size_t max_waiting, CallerUse* use);

/// While it lives, the thread that made it runs `look` between two works of NewCallerLane for which
/// all slots are taken, so that work is found, and has its turn, although nobody waits for it.
/// `look` must not wait; work that it submits to the lane waits. One a thread.
class BetweenWorks {
 public:
  explicit BetweenWorks(std::function<void()> look);

  BetweenWorks(const BetweenWorks&) = delete;
  BetweenWorks& operator=(const BetweenWorks&) = delete;

  ~BetweenWorks();

 private:
  const std::function<void()> look_;
};

}  // namespace leadline::rpc
