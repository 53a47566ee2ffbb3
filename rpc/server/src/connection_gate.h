#pragma once

#include <functional>
#include <memory>
#include <sys/types.h>
#include <thread>
#include <unordered_map>

#include "leadline/core/status.h"
#include "leadline/rpc/address.h"
#include "leadline/rpc/listening_socket.h"

namespace leadline::rpc {

/// Accepts connections of one address and hands them on, so many at a time: gRPC 1.51 has no
/// bound of its own, and would spend every descriptor of the process. Connections beyond the bound
/// are closed at once. Open and Close are externally synchronised.
class ConnectionGate {
 public:
  /// Takes over a descriptor, which does not block; called from the gate's thread.
  using Take = std::function<void(int listener, int connection)>;

  /// Binds, and lets connections wait until Open. `max_connections` is at least 1. The errors of
  /// ListeningSockets::Bind; kUnavailable without descriptors.
  static Result<std::unique_ptr<ConnectionGate>> Listen(const Address& address,
                                                        size_t max_connections);

  ConnectionGate(const ConnectionGate&) = delete;
  ConnectionGate& operator=(const ConnectionGate&) = delete;

  ~ConnectionGate() { Close(); }

  /// Starts to accept.
  void Open(Take take);
  /// Accepts no more; returns when `take` runs no more. Idempotent.
  void Close();

  /// 0 for a path.
  [[nodiscard]] uint16_t port() const { return listening_.port(); }

 private:
  ConnectionGate(ListeningSockets listening, size_t max_connections)
      : listening_(std::move(listening)), max_connections_(max_connections) {}

  void Run();
  /// Accepts what waits at `listener`, some connections at a time.
  void AcceptBatch(int listener);
  /// False where the batch ends with this failure of accept.
  bool Survive(int error, int listener);
  void Admit(int listener, int connection);
  /// Forgets connections that were closed by whoever took them. Not more often than every
  /// kSweepMs: waits for that.
  void Sweep();
  /// Waits for `ms` (-1: for ever) or Close.
  void Pause(int64_t ms);

  ListeningSockets listening_;
  const size_t max_connections_;
  Take take_;
  Descriptor stop_;   // an eventfd: readable once Close was called
  Descriptor spare_;  // given up where no other descriptor is left, to refuse a connection with
  std::thread thread_;
  // Of the gate's thread. A descriptor and the inode of its socket: the pair is there no more once
  // the socket was closed.
  std::unordered_map<int, ino_t> open_;
  int64_t swept_nanos_ = 0;
};

}  // namespace leadline::rpc
