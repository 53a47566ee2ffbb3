#pragma once

#include <functional>
#include <memory>
#include <sys/types.h>
#include <thread>
#include <unordered_map>

#include "connection_ledger.h"
#include "held_arrivals.h"
#include "leadline/core/mutex.h"
#include "leadline/core/status.h"
#include "leadline/rpc/address.h"
#include "leadline/rpc/listening_socket.h"

namespace leadline::rpc {

/// Accepts connections of one address and hands them on, so many at a time: gRPC 1.51 has no
/// bound of its own, and would spend every descriptor of the process. Connections beyond the bound
/// are closed at once, those that send more than their calls explain (ConnectionLedger) are cut,
/// and others of the same host wait then (HeldArrivals). Open and Close are externally
/// synchronised, Judge and CutOff may be called beside them.
class ConnectionGate {
 public:
  /// Takes over a descriptor, which does not block; called from the gate's thread.
  using Take = std::function<void(int listener, int connection)>;

  struct Options {
    size_t max_connections = 1;  ///< at least 1
    int64_t cut_pause_ms = 0;    ///< the longest between two connections of a host that was cut
  };

  /// Binds, and lets connections wait until Open. `ledger` outlives the gate. The errors of
  /// ListeningSockets::Bind; kUnavailable without descriptors.
  static Result<std::unique_ptr<ConnectionGate>> Listen(const Address& address,
                                                        const Options& options,
                                                        ConnectionLedger* ledger);

  ConnectionGate(const ConnectionGate&) = delete;
  ConnectionGate& operator=(const ConnectionGate&) = delete;

  ~ConnectionGate() { Close(); }

  /// Starts to accept.
  void Open(Take take);
  /// Accepts no more; returns when `take` runs no more. Idempotent.
  void Close();

  struct Judgement {
    size_t cut = 0;        // connections, since the last time
    int64_t pause_ms = 0;  // to wait before the next time
  };

  /// Cuts the connections that flood: not on the gate's thread, because gRPC may read the first
  /// bytes of a connection, and be kept busy by them, on the thread that hands it over.
  Judgement Judge();

  /// Cuts the connection of `account` at once.
  void CutOff(const std::shared_ptr<ConnectionAccount>& account);

  /// 0 for a path.
  [[nodiscard]] uint16_t port() const { return listening_.port(); }

 private:
  struct Connection {
    ino_t inode = 0;  // with the descriptor: the pair is there no more once the socket was closed
    std::shared_ptr<ConnectionAccount> account;  // null for paths
    std::string host;                            // HeldArrivals::HostOf
  };

  ConnectionGate(ListeningSockets listening, const Options& options, ConnectionLedger* ledger)
      : listening_(std::move(listening)),
        max_connections_(options.max_connections),
        ledger_(ledger),
        held_(options.cut_pause_ms) {}

  void Run();
  /// Accepts what waits at `listener`, some connections at a time.
  void AcceptBatch(int listener);
  /// False where the batch ends with this failure of accept.
  bool Survive(int error, int listener);
  void Admit(int listener, int connection);
  void TakeHeld();
  /// Cuts `connection`, which has `descriptor`, unless that was done.
  void CutOnce(int descriptor, const Connection& connection, int64_t now_nanos)
      LEADLINE_REQUIRES(mutex_);
  /// Whether there is room for one more connection, which has descriptor `connection`.
  bool HasRoom(int connection);
  /// Forgets connections that were closed by whoever took them. Not more often than every
  /// kSweepMs: waits for that.
  void Sweep();
  /// Waits for `ms` (-1: for ever) or Close.
  void Pause(int64_t ms);

  ListeningSockets listening_;
  const size_t max_connections_;
  ConnectionLedger* const ledger_;
  Take take_;
  HeldArrivals held_;
  Descriptor stop_;   // an eventfd: readable once Close was called
  Descriptor spare_;  // given up where no other descriptor is left, to refuse a connection with
  std::thread thread_;
  int64_t swept_nanos_ = 0;  // of the gate's thread
  uint64_t received_ = 0;    // of whoever judges: bytes of all connections, the last time
  Mutex mutex_;
  std::unordered_map<int, Connection> open_ LEADLINE_GUARDED_BY(mutex_);  // by descriptor
  size_t cut_ LEADLINE_GUARDED_BY(mutex_) = 0;  // connections that Judge has not told of
};

}  // namespace leadline::rpc
