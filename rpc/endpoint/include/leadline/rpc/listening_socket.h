#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "leadline/core/status.h"
#include "leadline/rpc/address.h"

namespace leadline::rpc {

/// Owns a file descriptor. Externally synchronised.
class Descriptor {
 public:
  Descriptor() = default;

  explicit Descriptor(int fd) : fd_(fd) {}

  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

  Descriptor& operator=(Descriptor&& other) noexcept {
    Reset(std::exchange(other.fd_, -1));
    return *this;
  }

  ~Descriptor() { Reset(); }

  void Reset(int fd = -1);

  /// Gives it up, open as it is.
  [[nodiscard]] int Release() { return std::exchange(fd_, -1); }

  [[nodiscard]] int get() const { return fd_; }

  [[nodiscard]] bool ok() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

/// Sockets that listen on one address: one for a path, one for each address of a host's name.
/// Removes the path at its end. Externally synchronised.
class ListeningSockets {
 public:
  /// kUnavailable where the address cannot be bound, and where another process listens there.
  /// A path is made for its owner alone; one that nobody listens on any more is taken over.
  static Result<ListeningSockets> Bind(const Address& address);

  ListeningSockets() = default;

  ListeningSockets(ListeningSockets&& other) noexcept
      : sockets_(std::move(other.sockets_)),
        port_(other.port_),
        path_(std::exchange(other.path_, {})) {}

  ListeningSockets& operator=(ListeningSockets&&) = delete;

  ~ListeningSockets() { Close(); }

  /// Idempotent.
  void Close();

  [[nodiscard]] const std::vector<Descriptor>& sockets() const { return sockets_; }

  /// 0 for a path.
  [[nodiscard]] uint16_t port() const { return port_; }

 private:
  Status BindPath(const std::string& path);
  Status BindHost(const Address& address);

  std::vector<Descriptor> sockets_;
  uint16_t port_ = 0;
  std::string path_;  // that Close removes
};

}  // namespace leadline::rpc
