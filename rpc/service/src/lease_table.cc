#include "lease_table.h"

#include <utility>

#include "random_name.h"

namespace leadline::rpc {
namespace {

constexpr size_t kNameBytes = 16;

int64_t Nanos(int64_t ms) {
  return ms * 1'000'000;
}

Status Gone() {
  return NotFoundError("no such snapshot; its lease may have run out");
}

}  // namespace

Result<std::string> LeaseTable::Add(std::shared_ptr<const Snapshot> snapshot, int64_t lease_ms) {
  DropExpired();
  LEADLINE_ASSIGN_OR_RETURN(std::string name, RandomHex(kNameBytes));
  MutexLock lock(&mutex_);
  if (leases_.size() >= kMaxLeases) {
    return ResourceExhaustedError("too many snapshots are open: limit=" +
                                  std::to_string(kMaxLeases));
  }
  leases_[name] = {std::move(snapshot), clock_->MonotonicNanos() + Nanos(lease_ms)};
  return name;
}

LeaseTable::Lease* LeaseTable::FindLive(const std::string& name) {
  const auto found = leases_.find(name);
  const bool lives =
      found != leases_.end() && found->second.expires_nanos > clock_->MonotonicNanos();
  return lives ? &found->second : nullptr;
}

Result<std::shared_ptr<const Snapshot>> LeaseTable::Renew(const std::string& name,
                                                          int64_t lease_ms) {
  MutexLock lock(&mutex_);
  Lease* lease = FindLive(name);
  if (lease == nullptr) {
    return Gone();
  }
  lease->expires_nanos = clock_->MonotonicNanos() + Nanos(lease_ms);
  return lease->snapshot;
}

void LeaseTable::Release(const std::string& name) {
  std::shared_ptr<const Snapshot> released;  // freed without the lock
  MutexLock lock(&mutex_);
  const auto found = leases_.find(name);
  if (found != leases_.end()) {
    released = std::move(found->second.snapshot);
    leases_.erase(found);
  }
}

Result<std::shared_ptr<const Snapshot>> LeaseTable::Find(const std::string& name) {
  if (name.empty()) {
    return std::shared_ptr<const Snapshot>();
  }
  MutexLock lock(&mutex_);
  const Lease* lease = FindLive(name);
  return lease != nullptr ? Result<std::shared_ptr<const Snapshot>>(lease->snapshot) : Gone();
}

void LeaseTable::DropExpired() {
  std::map<std::string, Lease> dropped;  // freed without the lock
  MutexLock lock(&mutex_);
  const int64_t now = clock_->MonotonicNanos();
  for (auto it = leases_.begin(); it != leases_.end();) {
    const auto next = std::next(it);
    if (it->second.expires_nanos <= now) {
      dropped.insert(leases_.extract(it));
    }
    it = next;
  }
}

}  // namespace leadline::rpc
