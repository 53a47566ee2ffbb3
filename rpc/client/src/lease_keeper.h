#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <thread>

#include "channel.h"
#include "leadline/core/database.h"
#include "leadline/core/mutex.h"

namespace leadline::rpc {

/// Renews the leases of the snapshots that a client holds. Thread-safe.
class LeaseKeeper {
 public:
  static constexpr int64_t kLeaseMs = 60'000;

  explicit LeaseKeeper(std::shared_ptr<Channel> channel) : channel_(std::move(channel)) {}

  LeaseKeeper(const LeaseKeeper&) = delete;
  LeaseKeeper& operator=(const LeaseKeeper&) = delete;
  ~LeaseKeeper();

  [[nodiscard]] Channel* channel() const { return channel_.get(); }

  /// From now on renews `name`; starts the thread at the first.
  void Keep(const std::string& name);
  /// Gives the lease back; errors do not matter, for it runs out.
  void Release(const std::string& name);

 private:
  void Run();

  const std::shared_ptr<Channel> channel_;
  Mutex mutex_;
  CondVar stop_;
  bool stopping_ LEADLINE_GUARDED_BY(mutex_) = false;
  std::set<std::string> names_ LEADLINE_GUARDED_BY(mutex_);
  std::thread thread_ LEADLINE_GUARDED_BY(mutex_);
};

/// A snapshot of the server, by the name of its lease.
class RemoteSnapshot final : public Snapshot {
 public:
  RemoteSnapshot(std::shared_ptr<LeaseKeeper> keeper, std::string name, SequenceNumber sequence)
      : keeper_(std::move(keeper)), name_(std::move(name)), sequence_(sequence) {
    keeper_->Keep(name_);
  }

  RemoteSnapshot(const RemoteSnapshot&) = delete;
  RemoteSnapshot& operator=(const RemoteSnapshot&) = delete;

  ~RemoteSnapshot() override { keeper_->Release(name_); }

  [[nodiscard]] SequenceNumber sequence() const override { return sequence_; }

  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  const std::shared_ptr<LeaseKeeper> keeper_;
  const std::string name_;
  const SequenceNumber sequence_;
};

/// Pins the server's state of now.
Result<std::shared_ptr<const Snapshot>> OpenSnapshot(const std::shared_ptr<LeaseKeeper>& keeper);

/// The name that `snapshot` has at the server; empty for null. kInvalidArgument for one that is not
/// of a server.
Result<std::string> NameOf(const std::shared_ptr<const Snapshot>& snapshot);

}  // namespace leadline::rpc
