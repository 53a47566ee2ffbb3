#include "lease_keeper.h"

#include <utility>

#include "leadline/v1/snapshots.pb.h"

namespace leadline::rpc {

LeaseKeeper::~LeaseKeeper() {
  std::thread thread;
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
    thread = std::move(thread_);
  }
  stop_.NotifyAll();
  if (thread.joinable()) {
    thread.join();
  }
}

void LeaseKeeper::Keep(const std::string& name) {
  MutexLock lock(&mutex_);
  names_.insert(name);
  if (!thread_.joinable()) {
    thread_ = std::thread([this] { Run(); });
  }
}

void LeaseKeeper::Release(const std::string& name) {
  {
    MutexLock lock(&mutex_);
    names_.erase(name);
  }
  v1::ReleaseSnapshotRequest request;
  request.set_snapshot(name);
  v1::ReleaseSnapshotResponse response;
  channel_->Call("/leadline.v1.Snapshots/Release", request, &response, {}).IgnoreError();
}

void LeaseKeeper::Run() {
  while (true) {
    std::set<std::string> names;
    {
      MutexLock lock(&mutex_);
      if (!stopping_) {
        stop_.WaitFor(&mutex_, kLeaseMs / 3);
      }
      if (stopping_) {
        return;
      }
      names = names_;
    }
    for (const std::string& name : names) {
      v1::RenewSnapshotRequest request;
      request.set_snapshot(name);
      request.set_lease_ms(kLeaseMs);
      v1::Lease response;
      channel_->Call("/leadline.v1.Snapshots/Renew", request, &response, {}).IgnoreError();
    }
  }
}

Result<std::shared_ptr<const Snapshot>> OpenSnapshot(const std::shared_ptr<LeaseKeeper>& keeper) {
  v1::OpenSnapshotRequest request;
  request.set_lease_ms(LeaseKeeper::kLeaseMs);
  v1::Lease lease;
  LEADLINE_RETURN_IF_ERROR(
      keeper->channel()->Call("/leadline.v1.Snapshots/Open", request, &lease, {}));
  return std::shared_ptr<const Snapshot>(
      std::make_shared<RemoteSnapshot>(keeper, lease.snapshot(), lease.sequence()));
}

Result<std::string> NameOf(const std::shared_ptr<const Snapshot>& snapshot) {
  if (snapshot == nullptr) {
    return std::string();
  }
  const auto* remote = dynamic_cast<const RemoteSnapshot*>(snapshot.get());
  if (remote == nullptr) {
    return InvalidFieldError("snapshot of another database", "snapshot", "of this process",
                             "one of the server");
  }
  return remote->name();
}

}  // namespace leadline::rpc
