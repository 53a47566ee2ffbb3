#include "connection_gate.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

#include "leadline/core/clock.h"

namespace leadline::rpc {
namespace {

constexpr int kBatch = 64;
/// A sweep of 10,000 descriptors is some milliseconds of work.
constexpr int64_t kSweepMs = 50;
/// After a failure that has no cure but time.
constexpr int64_t kFailurePauseMs = 100;
/// A peer that acknowledges nothing for so long is gone.
constexpr unsigned kUserTimeoutMs = 60'000;
constexpr int64_t kNanosPerMs = 1'000'000;

Descriptor SpareOf(int fd) {
  return Descriptor(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

/// What gRPC sets where it accepts itself; no effect on paths.
void SetOptions(int connection) {
  const int on = 1;
  ::setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  ::setsockopt(connection, IPPROTO_TCP, TCP_USER_TIMEOUT, &kUserTimeoutMs, sizeof(kUserTimeoutMs));
}

}  // namespace

Result<std::unique_ptr<ConnectionGate>> ConnectionGate::Listen(const Address& address,
                                                               size_t max_connections) {
  LEADLINE_ASSIGN_OR_RETURN(ListeningSockets listening, ListeningSockets::Bind(address));
  std::unique_ptr<ConnectionGate> gate(new ConnectionGate(std::move(listening), max_connections));
  gate->stop_.Reset(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  gate->spare_ = SpareOf(gate->stop_.get());
  return gate->stop_.ok() && gate->spare_.ok()
             ? Result<std::unique_ptr<ConnectionGate>>(std::move(gate))
             : UnavailableError("no descriptor is left to listen with");
}

void ConnectionGate::Open(Take take) {
  take_ = std::move(take);
  thread_ = std::thread([this] { Run(); });
}

void ConnectionGate::Close() {
  if (thread_.joinable()) {
    const uint64_t one = 1;
    // Cannot fail: the counter is far from its end.
    [[maybe_unused]] const ssize_t written = ::write(stop_.get(), &one, sizeof(one));
    thread_.join();
  }
  listening_.Close();
}

void ConnectionGate::Run() {
  std::vector<pollfd> polled;
  for (const Descriptor& socket : listening_.sockets()) {
    polled.push_back({socket.get(), POLLIN, 0});
  }
  polled.push_back({stop_.get(), POLLIN, 0});
  while (true) {
    if (::poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) {
      Pause(kFailurePauseMs);  // no memory
    }
    if (polled.back().revents != 0) {
      return;
    }
    for (size_t i = 0; i + 1 < polled.size(); ++i) {
      if (polled[i].revents != 0) {
        AcceptBatch(polled[i].fd);
      }
    }
  }
}

void ConnectionGate::AcceptBatch(int listener) {
  if (open_.size() >= max_connections_) {
    Sweep();
  }
  for (int i = 0; i < kBatch; ++i) {
    const int connection = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (connection < 0) {
      if (!Survive(errno, listener)) {
        return;
      }
    } else if (open_.size() >= max_connections_ && !open_.contains(connection)) {
      ::close(connection);
    } else {
      Admit(listener, connection);
    }
  }
}

bool ConnectionGate::Survive(int error, int listener) {
  switch (error) {
    case EAGAIN:
      return false;
    case EMFILE:
    case ENFILE: {
      // Left in the queue, the connection would wake this thread without an end.
      spare_.Reset();
      Descriptor(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)).Reset();
      spare_ = SpareOf(stop_.get());
      if (!spare_.ok()) {
        Pause(kFailurePauseMs);
      }
      return false;
    }
    case ENOBUFS:
    case ENOMEM:
    case EBADF:
    case EINVAL:
      Pause(kFailurePauseMs);
      return false;
    default:
      return true;  // this one connection failed
  }
}

void ConnectionGate::Admit(int listener, int connection) {
  sockaddr_storage peer = {};
  socklen_t size = sizeof(peer);
  struct stat info = {};
  // A peer that is gone already is not worth the line that gRPC would write about it.
  if (::getpeername(connection, reinterpret_cast<sockaddr*>(&peer), &size) != 0 ||
      ::fstat(connection, &info) != 0) {
    ::close(connection);
    return;
  }
  open_[connection] = info.st_ino;
  SetOptions(connection);
  take_(listener, connection);
}

void ConnectionGate::Sweep() {
  const int64_t since_ms = (Clock::System()->MonotonicNanos() - swept_nanos_) / kNanosPerMs;
  if (swept_nanos_ != 0 && since_ms < kSweepMs) {
    Pause(kSweepMs - since_ms);
  }
  std::erase_if(open_, [](const auto& entry) {
    struct stat info = {};
    return ::fstat(entry.first, &info) != 0 || !S_ISSOCK(info.st_mode) ||
           info.st_ino != entry.second;
  });
  swept_nanos_ = Clock::System()->MonotonicNanos();
}

void ConnectionGate::Pause(int64_t ms) {
  pollfd stop = {stop_.get(), POLLIN, 0};
  ::poll(&stop, 1, static_cast<int>(ms));
}

}  // namespace leadline::rpc
