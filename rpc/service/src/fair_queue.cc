#include "fair_queue.h"

#include <algorithm>

namespace leadline::rpc {
namespace {

constexpr size_t kShareOfRoom = 3;

}  // namespace

FairQueue::Callers::value_type* FairQueue::FindOrAdd(const std::string& who) {
  const auto [caller, added] = callers_.try_emplace(who);
  if (added) {
    caller->second.turn = {now_, ++arrivals_};
    try {
      turns_.emplace(caller->second.turn, &*caller);
    } catch (...) {
      callers_.erase(caller);
      throw;
    }
  }
  return &*caller;
}

void FairQueue::Delay(Caller* caller, uint64_t turns) {
  auto node = turns_.extract(caller->turn);
  caller->turn = {caller->turn.first + turns, ++arrivals_};
  node.key() = caller->turn;
  turns_.insert(std::move(node));
}

void FairQueue::ForgetIfNew(Callers::value_type* caller) {
  if (caller->second.work.empty() && caller->second.turn.first == now_) {
    turns_.erase(caller->second.turn);
    callers_.erase(callers_.find(caller->first));
  }
}

bool FairQueue::Push(const std::string& who, std::function<void()> work, bool along) {
  const auto known = callers_.find(who);
  const size_t own = known != callers_.end() ? known->second.work.size() : 0;
  if (own >= kShareOfRoom * (max_size_ - std::min(size_, max_size_))) {
    return false;
  }
  Callers::value_type* const caller = FindOrAdd(who);
  try {
    caller->second.work.push_back({std::move(work), along});
  } catch (...) {
    ForgetIfNew(caller);
    throw;
  }
  ++size_;
  return true;
}

void FairQueue::PutBack(const std::string& who, std::function<void()> rest) {
  Callers::value_type* const caller = FindOrAdd(who);
  try {
    caller->second.work.push_front({std::move(rest), false});
  } catch (...) {
    ForgetIfNew(caller);
    throw;
  }
  ++size_;
}

void FairQueue::Charge(const std::string& who, uint64_t turns) {
  if (size_ > 0) {
    Delay(&FindOrAdd(who)->second, turns);
  }
}

std::function<void()> FairQueue::Pop() {
  while (!turns_.empty()) {
    Callers::value_type* const caller = turns_.begin()->second;
    if (caller->second.work.empty()) {  // it let its turn pass
      turns_.erase(turns_.begin());
      callers_.erase(callers_.find(caller->first));
      continue;
    }
    now_ = caller->second.turn.first;
    std::function<void()> next = std::move(caller->second.work.front().run);
    caller->second.work.pop_front();
    --size_;
    Delay(&caller->second, 1);
    return next;
  }
  return nullptr;
}

std::function<void()> FairQueue::PopAlong() {
  const auto next = std::find_if(turns_.begin(), turns_.end(), [](const auto& turn) {
    return !turn.second->second.work.empty();
  });
  return next != turns_.end() && next->second->second.work.front().along ? Pop() : nullptr;
}

}  // namespace leadline::rpc
