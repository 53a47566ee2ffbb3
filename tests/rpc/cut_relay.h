#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>

namespace leadline::rpc {

/// A network between clients and a server of this machine that loses what a test wants lost.
/// Thread-safe.
class CutRelay {
 public:
  explicit CutRelay(int server_port) : server_port_(server_port) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = Loopback(0);
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener_, 64), 0);
    socklen_t size = sizeof address;
    EXPECT_EQ(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { Accept(); });
  }

  CutRelay(const CutRelay&) = delete;
  CutRelay& operator=(const CutRelay&) = delete;

  ~CutRelay() {
    stopping_.store(true);
    Cut();
    acceptor_.join();
    for (std::thread& carrier : carriers_) {
      carrier.join();
    }
    ::close(listener_);
  }

  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  /// From now on the present connections carry no more answers, while requests arrive.
  void LoseAnswers() { losing_before_.store(generation_.load() + 1); }

  /// From now on no connection carries answers, those to come neither.
  void LoseAllAnswers() { losing_before_.store(UINT64_MAX); }

  /// Ends every present connection.
  void Cut() { generation_.fetch_add(1); }

  /// Connections made so far.
  [[nodiscard]] uint64_t connections() const { return connections_.load(); }

 private:
  static constexpr int kTickMs = 5;

  static sockaddr_in Loopback(int port) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<uint16_t>(port));
    return address;
  }

  static bool Readable(int fd) {
    pollfd wanted = {fd, POLLIN, 0};
    return ::poll(&wanted, 1, kTickMs) > 0;
  }

  void Accept() {
    while (!stopping_.load()) {
      if (!Readable(listener_)) {
        continue;
      }
      const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_in address = Loopback(server_port_);
      if (client < 0 ||
          ::connect(server, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        ::close(client);
        ::close(server);
        continue;
      }
      connections_.fetch_add(1);
      const uint64_t generation = generation_.load();
      carriers_.emplace_back([=, this] { Carry(client, server, generation); });
    }
  }

  /// Carries bytes both ways until an end closes or the connection is cut.
  void Carry(int client, int server, uint64_t generation) {
    bool open = true;
    while (open && generation_.load() == generation) {
      pollfd ends[2] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
      if (::poll(ends, 2, kTickMs) <= 0) {
        continue;
      }
      if (ends[0].revents != 0) {
        open = Pass(client, server, true);
      }
      if (open && ends[1].revents != 0) {
        open = Pass(server, client, losing_before_.load() <= generation);
      }
    }
    ::close(client);
    ::close(server);
  }

  static bool Pass(int from, int to, bool deliver) {
    char bytes[65536];
    const ssize_t size = ::recv(from, bytes, sizeof bytes, 0);
    for (ssize_t done = 0; deliver && done < size;) {
      const ssize_t sent = ::send(to, bytes + done, static_cast<size_t>(size - done), MSG_NOSIGNAL);
      if (sent <= 0) {
        return false;
      }
      done += sent;
    }
    return size > 0;
  }

  const int server_port_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> generation_{1};
  std::atomic<uint64_t> losing_before_{0};
  std::atomic<uint64_t> connections_{0};
  std::vector<std::thread> carriers_;  ///< the acceptor's, until it has ended
  std::thread acceptor_;
};

}  // namespace leadline::rpc
