#include "fair_queue.h"

#include <algorithm>
#include <utility>

namespace leadline::rpc {
namespace {

constexpr size_t kShareOfRoom = 3;

}  // namespace

bool FairQueue::Push(const std::string& who, std::function<void()> work) {
  const auto known = waiting_.find(who);
  const size_t own = known != waiting_.end() ? known->second.size() : 0;
  if (own >= kShareOfRoom * (max_size_ - std::min(size_, max_size_))) {
    return false;
  }
  const auto caller = known != waiting_.end() ? known : waiting_.try_emplace(who).first;
  try {
    caller->second.push_back(std::move(work));
    if (own == 0) {
      turn_.push_back(&*caller);
    }
  } catch (...) {
    if (own == 0) {
      waiting_.erase(caller);
    }
    throw;
  }
  ++size_;
  return true;
}

void FairQueue::PutBack(const std::string& who, std::function<void()> rest) {
  const auto [caller, added] = waiting_.try_emplace(who);
  try {
    caller->second.push_front(std::move(rest));
    if (added) {
      turn_.push_back(&*caller);
    }
  } catch (...) {
    if (added) {
      waiting_.erase(caller);
    }
    throw;
  }
  const auto turn = std::find(turn_.begin(), turn_.end(), &*caller);
  std::rotate(turn, turn + 1, turn_.end());
  ++size_;
}

std::function<void()> FairQueue::Pop() {
  if (turn_.empty()) {
    return nullptr;
  }
  Waiting::value_type* const caller = turn_.front();
  turn_.pop_front();
  std::function<void()> next = std::move(caller->second.front());
  caller->second.pop_front();
  --size_;
  if (caller->second.empty()) {
    waiting_.erase(waiting_.find(caller->first));
  } else {
    turn_.push_back(caller);
  }
  return next;
}

}  // namespace leadline::rpc
