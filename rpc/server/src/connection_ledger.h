#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <sys/socket.h>
#include <unordered_map>

#include "leadline/core/mutex.h"

namespace leadline::rpc {

/// What the calls of one connection tell of it. Thread-safe.
class ConnectionAccount {
 public:
  /// Its host was cut lately: it may take back only a few calls. Before the first call.
  void Suspect() { suspect_ = true; }

  [[nodiscard]] bool suspect() const { return suspect_; }

  /// A call arrived. False where the connection has as many without an answer as it may have; it
  /// counts all the same.
  bool AddCall();

  /// The last of its answer goes out now: the caller may send another before RemoveCall.
  void CallAnswered() { unanswered_.fetch_sub(1); }

  /// It may go on: its message explains what comes.
  void CallAdmitted();

  /// A message was read or taken.
  void Progress() { steps_.fetch_add(1); }

  /// `taken_back`: its caller cancelled it before a message of it was read. True where that is one
  /// too many for a connection, as IsFlooding would say.
  bool RemoveCall(bool admitted, bool taken_back);

  /// True for the first who asks: to cut the connection is for one alone.
  bool MayCut() { return !cut_.exchange(true); }

  /// True where of the `received` bytes so far more came, since a call or a message came of them,
  /// than sound traffic can need, and nothing comes of them for a while; where half of the calls or
  /// more are taken back (CVE-2023-44487); and where twice the calls are open that may be. From one
  /// thread.
  bool IsFlooding(uint64_t received, int64_t now_nanos);

 private:
  [[nodiscard]] bool TakesBack(uint64_t ended, uint64_t taken_back) const;

  std::atomic<uint32_t> calls_{0};
  std::atomic<uint32_t> unanswered_{0};
  std::atomic<uint32_t> admitted_{0};
  std::atomic<uint64_t> steps_{0};
  std::atomic<uint64_t> ended_{0};
  std::atomic<uint64_t> taken_back_{0};
  std::atomic<bool> cut_{false};
  bool suspect_ = false;
  // When the window began, which whoever asks IsFlooding begins.
  std::atomic<uint64_t> window_ended_{0};
  std::atomic<uint64_t> window_taken_back_{0};
  // Of whoever asks IsFlooding.
  uint64_t seen_steps_ = 0;
  uint64_t seen_ended_ = 0;
  uint64_t explained_bytes_ = 0;
  int64_t unexplained_nanos_ = 0;  // since when there are too many; 0: there are not
  int64_t ended_nanos_ = 0;
  int64_t window_nanos_ = 0;  // since when calls that end are counted
};

/// The connections of a server by the names of their peers (PeerName), so that its calls find their
/// connection: gRPC 1.51 bounds neither the calls of a client that does not acknowledge its
/// settings nor the bytes of a header without an end (CVE-2023-33953). Thread-safe.
class ConnectionLedger {
 public:
  /// The account of a new connection; null for what is not of TCP: paths have no name each.
  std::shared_ptr<ConnectionAccount> Open(const sockaddr_storage& peer);
  /// By PeerName. Null where there is none: also for a call that arrives after its connection was
  /// closed.
  std::shared_ptr<ConnectionAccount> Find(const std::string& peer);
  /// Forgets connections that nobody but the ledger knows.
  void Sweep();

 private:
  Mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<ConnectionAccount>> accounts_
      LEADLINE_GUARDED_BY(mutex_);
};

}  // namespace leadline::rpc
