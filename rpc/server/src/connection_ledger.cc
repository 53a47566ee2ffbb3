#include "connection_ledger.h"

#include "leadline/rpc/address.h"
#include "leadline/rpc/limits.h"

namespace leadline::rpc {
namespace {

/// Heads, pings and settings that no call explains. Not more, because gRPC parses the part of a
/// header that it has again with every piece that comes: the work grows with the square of the
/// bytes.
constexpr uint64_t kUnexplainedBytes = 256 << 10;
/// A call may have one message under way, with its framing.
constexpr uint64_t kBytesPerCall = kMaxMessageBytes + (uint64_t{1} << 20);
/// For so long what was under way may come when a call has ended, its message unread perhaps.
constexpr int64_t kTrailNanos = 2'000'000'000;
/// For so long a busy server may leave bytes unread, or the call that explains them uncounted: of
/// each stream no more than its first window, 64 KiB, comes before its call is counted.
constexpr int64_t kUnexplainedNanos = 300'000'000;
/// So many are not waited for: gRPC keeps 15 times their memory where they are fields of a header.
constexpr uint64_t kUnexplainedAtOnce = uint64_t{4} << 20;
/// In a second; who takes back half of the calls or more may take back no more than these.
constexpr int64_t kMaxTakenBack = 250;
constexpr int64_t kMaxTakenBackOfSuspects = 16;
constexpr int64_t kWindowNanos = 1'000'000'000;

}  // namespace

bool ConnectionAccount::AddCall() {
  steps_.fetch_add(1);
  calls_.fetch_add(1);
  return unanswered_.fetch_add(1) < kMaxStreamsPerConnection;
}

void ConnectionAccount::CallAdmitted() {
  admitted_.fetch_add(1);
}

bool ConnectionAccount::RemoveCall(bool admitted, bool taken_back) {
  const uint64_t all_taken_back = taken_back_.fetch_add(taken_back ? 1 : 0) + (taken_back ? 1 : 0);
  const uint64_t ended = ended_.fetch_add(1) + 1;
  admitted_.fetch_sub(admitted ? 1 : 0);
  calls_.fetch_sub(1);
  return taken_back && TakesBack(ended, all_taken_back);
}

bool ConnectionAccount::TakesBack(uint64_t ended, uint64_t taken_back) const {
  // Signed: a window may begin meanwhile, with more than was counted here.
  const auto lately = static_cast<int64_t>(taken_back - window_taken_back_.load());
  const auto ended_lately = static_cast<int64_t>(ended - window_ended_.load());
  return lately > (suspect_ ? kMaxTakenBackOfSuspects : kMaxTakenBack) &&
         2 * lately >= ended_lately;
}

bool ConnectionAccount::IsFlooding(uint64_t received, int64_t now_nanos) {
  // Before the number of calls: one that ends now counts as both.
  const uint64_t ended = ended_.load();
  const uint64_t taken_back = taken_back_.load();
  const uint64_t steps = steps_.load();
  if (now_nanos - window_nanos_ >= kWindowNanos) {
    window_nanos_ = now_nanos;
    window_ended_ = ended;
    window_taken_back_ = taken_back;
  }
  if (ended != seen_ended_) {
    seen_ended_ = ended;
    ended_nanos_ = now_nanos;
  }
  if (steps != seen_steps_) {
    seen_steps_ = steps;
    explained_bytes_ = received;
  }
  if (TakesBack(ended, taken_back) || calls_.load() > 2 * kMaxStreamsPerConnection) {
    return true;
  }
  const bool trails = ended_nanos_ != 0 && now_nanos - ended_nanos_ < kTrailNanos;
  const uint64_t explained = explained_bytes_ + kUnexplainedBytes +
                             (admitted_.load() + (trails ? 1U : 0U)) * kBytesPerCall;
  if (received <= explained) {
    unexplained_nanos_ = 0;
  } else if (unexplained_nanos_ == 0) {
    unexplained_nanos_ = now_nanos;
  }
  return received > explained + kUnexplainedAtOnce ||
         (unexplained_nanos_ != 0 && now_nanos - unexplained_nanos_ >= kUnexplainedNanos);
}

std::shared_ptr<ConnectionAccount> ConnectionLedger::Open(const sockaddr_storage& peer) {
  if (peer.ss_family != AF_INET && peer.ss_family != AF_INET6) {
    return nullptr;
  }
  auto account = std::make_shared<ConnectionAccount>();
  MutexLock lock(&mutex_);
  accounts_[PeerName(peer)] = account;
  return account;
}

std::shared_ptr<ConnectionAccount> ConnectionLedger::Find(const std::string& peer) {
  MutexLock lock(&mutex_);
  const auto found = accounts_.find(peer);
  return found != accounts_.end() ? found->second : nullptr;
}

void ConnectionLedger::Sweep() {
  MutexLock lock(&mutex_);
  std::erase_if(accounts_, [](const auto& entry) { return entry.second.use_count() == 1; });
}

}  // namespace leadline::rpc
