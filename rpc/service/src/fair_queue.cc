#include "fair_queue.h"

#include <utility>

namespace leadline::rpc {
namespace {

constexpr size_t kShareOfRoom = 3;

}  // namespace

bool FairQueue::Push(const std::string& who, std::function<void()> work) {
  const auto known = waiting_.find(who);
  const size_t own = known != waiting_.end() ? known->second.size() : 0;
  if (own >= kShareOfRoom * (max_size_ - size_)) {
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
