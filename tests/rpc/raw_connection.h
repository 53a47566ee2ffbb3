#pragma once

#include <cerrno>
#include <cstdint>
#include <string>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <utility>

#include <arpa/inet.h>
#include <gtest/gtest.h>

namespace leadline::rpc {

/// A TCP connection to a port of this machine, without a protocol. Reads wait for 20 s at most.
class RawConnection {
 public:
  explicit RawConnection(int port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    timeval patience = {20, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    EXPECT_EQ(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  }

  RawConnection(RawConnection&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  ~RawConnection() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }

  [[nodiscard]] int fd() const { return fd_; }

  /// True where the server says something; false where it closes.
  [[nodiscard]] bool Hears() const {
    char byte = 0;
    return ::recv(fd_, &byte, 1, 0) == 1;
  }

  /// Reads until the server closes or resets; false where it says nothing for 20 s instead.
  [[nodiscard]] bool Ends() const {
    char bytes[4096];
    ssize_t got = 0;
    do {
      got = ::recv(fd_, bytes, sizeof bytes, 0);
    } while (got > 0);
    return got == 0 || errno == ECONNRESET;
  }

 private:
  int fd_ = -1;
};

}  // namespace leadline::rpc
