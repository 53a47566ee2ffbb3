#include "connection_gate.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <linux/tcp.h>  // its tcp_info has bytes, that of netinet/tcp.h has not
#include <netinet/in.h>
#include <poll.h>

#include "leadline/core/clock.h"

namespace leadline::rpc {
namespace {

constexpr int kBatch = 64;
/// A sweep of 10,000 descriptors is some milliseconds of work.
constexpr int64_t kSweepMs = 50;
/// Between two looks at what connections have received, at least, while any receives and while none
/// does, and for each connection: looking takes half a microsecond.
constexpr int64_t kJudgeMs = 10;
constexpr int64_t kJudgeSuspectsMs = 1;
constexpr int64_t kJudgeIdleMs = 50;
constexpr int64_t kJudgeMicrosEach = 50;
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

/// What has come over a connection of TCP; 0 for anything else.
uint64_t ReceivedBytes(int connection) {
  tcp_info info = {};
  socklen_t size = sizeof(info);
  const bool told = ::getsockopt(connection, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
                    size >= offsetof(tcp_info, tcpi_bytes_received) + sizeof(uint64_t);
  return told ? info.tcpi_bytes_received : 0;
}

/// Ends a connection at once. What a mere shutdown leaves would be read to its end first, and what
/// the peer sends meanwhile: this drops both and resets the peer.
void Cut(int connection) {
  const sockaddr nobody = {AF_UNSPEC, {}};
  if (::connect(connection, &nobody, sizeof(nobody)) != 0) {
    ::shutdown(connection, SHUT_RDWR);
  }
}

/// False once `descriptor` is no more the socket that it was.
bool IsSocket(int descriptor, ino_t inode) {
  struct stat info = {};
  return ::fstat(descriptor, &info) == 0 && S_ISSOCK(info.st_mode) && info.st_ino == inode;
}

}  // namespace

Result<std::unique_ptr<ConnectionGate>> ConnectionGate::Listen(const Address& address,
                                                               const Options& options,
                                                               ConnectionLedger* ledger) {
  LEADLINE_ASSIGN_OR_RETURN(ListeningSockets listening, ListeningSockets::Bind(address));
  std::unique_ptr<ConnectionGate> gate(new ConnectionGate(std::move(listening), options, ledger));
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
    const int64_t wait_ms = held_.WaitMs(Clock::System()->MonotonicNanos());
    if (::poll(polled.data(), polled.size(), static_cast<int>(wait_ms)) < 0 && errno != EINTR) {
      Pause(kFailurePauseMs);  // no memory
    }
    if (polled.back().revents != 0) {
      held_.Clear();
      return;
    }
    TakeHeld();
    for (size_t i = 0; i + 1 < polled.size(); ++i) {
      if (polled[i].revents != 0) {
        AcceptBatch(polled[i].fd);
      }
    }
  }
}

void ConnectionGate::AcceptBatch(int listener) {
  if (!HasRoom(-1)) {
    Sweep();
  }
  for (int i = 0; i < kBatch; ++i) {
    const int connection = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (connection < 0) {
      if (!Survive(errno, listener)) {
        return;
      }
    } else if (!HasRoom(connection)) {
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
  const int64_t now = Clock::System()->MonotonicNanos();
  const std::string host = HeldArrivals::HostOf(peer);
  const std::shared_ptr<ConnectionAccount> account = ledger_->Open(peer);
  if (account != nullptr && held_.WasCut(host, now)) {
    account->Suspect();
  }
  {
    MutexLock lock(&mutex_);
    open_[connection] = {info.st_ino, account, host};
  }
  SetOptions(connection);
  HeldArrivals::Arrival arrival = {listener, Descriptor(connection)};
  if (!held_.Hold(host, &arrival, now)) {
    take_(listener, arrival.connection.Release());
  }
}

void ConnectionGate::TakeHeld() {
  for (HeldArrivals::Arrival& arrival : held_.TakeDue(Clock::System()->MonotonicNanos())) {
    take_(arrival.listener, arrival.connection.Release());
  }
}

bool ConnectionGate::HasRoom(int connection) {
  MutexLock lock(&mutex_);
  return open_.size() < max_connections_ || open_.contains(connection);
}

void ConnectionGate::Sweep() {
  const int64_t since_ms = (Clock::System()->MonotonicNanos() - swept_nanos_) / kNanosPerMs;
  if (swept_nanos_ != 0 && since_ms < kSweepMs) {
    Pause(kSweepMs - since_ms);
  }
  MutexLock lock(&mutex_);
  std::erase_if(open_,
                [](const auto& entry) { return !IsSocket(entry.first, entry.second.inode); });
  ledger_->Sweep();
  swept_nanos_ = Clock::System()->MonotonicNanos();
}

ConnectionGate::Judgement ConnectionGate::Judge() {
  Judgement judgement;
  const int64_t now = Clock::System()->MonotonicNanos();
  uint64_t all_received = 0;
  bool suspects = false;
  MutexLock lock(&mutex_);
  for (auto entry = open_.begin(); entry != open_.end();) {
    const auto& [descriptor, connection] = *entry;
    const uint64_t received =
        connection.account != nullptr ? ReceivedBytes(descriptor) : uint64_t{0};
    all_received += received;
    suspects = suspects || (received != 0 && connection.account->suspect());
    const bool flooding = received != 0 && connection.account->IsFlooding(received, now);
    // Whoever took the connection may have closed it, and the descriptor be another's by now.
    const bool gone = (flooding || received == 0) && !IsSocket(descriptor, connection.inode);
    if (flooding && !gone) {
      CutOnce(descriptor, connection, now);
    }
    entry = gone ? open_.erase(entry) : std::next(entry);
  }
  ledger_->Sweep();
  judgement.cut = std::exchange(cut_, 0);
  const int64_t busy_ms = suspects ? kJudgeSuspectsMs : kJudgeMs;
  judgement.pause_ms = std::max(received_ != all_received ? busy_ms : kJudgeIdleMs,
                                static_cast<int64_t>(open_.size()) * kJudgeMicrosEach / 1000);
  received_ = all_received;
  return judgement;
}

void ConnectionGate::CutOff(const std::shared_ptr<ConnectionAccount>& account) {
  MutexLock lock(&mutex_);
  for (const auto& [descriptor, connection] : open_) {
    if (connection.account == account && IsSocket(descriptor, connection.inode)) {
      CutOnce(descriptor, connection, Clock::System()->MonotonicNanos());
      return;
    }
  }
}

void ConnectionGate::CutOnce(int descriptor, const Connection& connection, int64_t now_nanos) {
  if (connection.account->MayCut()) {
    // First: the peer may be back at once.
    held_.NoteCut(connection.host, now_nanos);
    Cut(descriptor);
    ++cut_;
  }
}

void ConnectionGate::Pause(int64_t ms) {
  pollfd stop = {stop_.get(), POLLIN, 0};
  ::poll(&stop, 1, static_cast<int>(ms));
}

}  // namespace leadline::rpc
