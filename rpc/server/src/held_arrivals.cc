#include "held_arrivals.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <netinet/in.h>
#include <poll.h>

namespace leadline::rpc {
namespace {

constexpr int64_t kFirstPauseMs = 100;
constexpr int64_t kMsInNanos = 1'000'000;
constexpr int64_t kForgottenNanos = 60'000 * kMsInNanos;
/// Of one host.
constexpr size_t kMaxHeld = 16;
constexpr size_t kNetworkBytes = 8;
constexpr size_t kMappedPrefixBytes = 12;

std::string BytesOf(const void* from, size_t count) {
  return {static_cast<const char*>(from), count};
}

bool HasGivenUp(const Descriptor& connection) {
  pollfd polled = {connection.get(), POLLRDHUP, 0};
  return ::poll(&polled, 1, 0) != 0;
}

}  // namespace

std::string HeldArrivals::HostOf(const sockaddr_storage& peer) {
  if (peer.ss_family == AF_INET) {
    sockaddr_in v4 = {};
    std::memcpy(&v4, &peer, sizeof v4);
    return BytesOf(&v4.sin_addr, sizeof v4.sin_addr);
  }
  if (peer.ss_family != AF_INET6) {
    return "";
  }
  sockaddr_in6 v6 = {};
  std::memcpy(&v6, &peer, sizeof v6);
  return IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)
             ? BytesOf(v6.sin6_addr.s6_addr + kMappedPrefixBytes, sizeof(in_addr))
             : BytesOf(v6.sin6_addr.s6_addr, kNetworkBytes);
}

bool HeldArrivals::WasCut(const std::string& host, int64_t now_nanos) {
  MutexLock lock(&mutex_);
  const auto found = hosts_.find(host);
  return found != hosts_.end() && now_nanos - found->second.cut_nanos < kForgottenNanos;
}

void HeldArrivals::NoteCut(const std::string& host, int64_t now_nanos) {
  if (host.empty() || longest_pause_ms_ == 0) {
    return;
  }
  MutexLock lock(&mutex_);
  Host& cut = hosts_[host];
  if (cut.pause_ms != 0 && now_nanos == cut.cut_nanos) {
    return;  // several connections at once
  }
  const bool again = cut.pause_ms != 0 && now_nanos - cut.cut_nanos < kForgottenNanos;
  cut.pause_ms = std::min(longest_pause_ms_, again ? 2 * cut.pause_ms : kFirstPauseMs);
  cut.cut_nanos = now_nanos;
  cut.next_nanos = std::max(cut.next_nanos, now_nanos + cut.pause_ms * kMsInNanos);
}

bool HeldArrivals::Hold(const std::string& host, Arrival* arrival, int64_t now_nanos) {
  MutexLock lock(&mutex_);
  const auto found = hosts_.find(host);
  if (found == hosts_.end()) {
    return false;
  }
  Host& cut = found->second;
  if (cut.held.empty() && now_nanos >= cut.next_nanos) {
    const bool punished = now_nanos - cut.cut_nanos < kForgottenNanos;
    cut.next_nanos = now_nanos + (punished ? cut.pause_ms * kMsInNanos : 0);
    return false;
  }
  if (cut.held.size() < kMaxHeld) {
    cut.held.push_back(std::move(*arrival));
  } else {
    arrival->connection.Reset();
  }
  return true;
}

std::vector<HeldArrivals::Arrival> HeldArrivals::TakeDue(int64_t now_nanos) {
  std::vector<Arrival> due;
  MutexLock lock(&mutex_);
  for (auto entry = hosts_.begin(); entry != hosts_.end();) {
    Host& host = entry->second;
    std::erase_if(host.held, [](const Arrival& held) { return HasGivenUp(held.connection); });
    if (!host.held.empty() && now_nanos >= host.next_nanos) {
      due.push_back(std::move(host.held.front()));
      host.held.pop_front();
      host.next_nanos = now_nanos + host.pause_ms * kMsInNanos;
    }
    const bool forgotten = host.held.empty() && now_nanos - host.cut_nanos >= kForgottenNanos;
    entry = forgotten ? hosts_.erase(entry) : std::next(entry);
  }
  return due;
}

int64_t HeldArrivals::WaitMs(int64_t now_nanos) {
  int64_t wait_ms = -1;
  MutexLock lock(&mutex_);
  for (const auto& [name, host] : hosts_) {
    if (!host.held.empty()) {
      const int64_t ms = std::max<int64_t>(0, (host.next_nanos - now_nanos) / kMsInNanos + 1);
      wait_ms = wait_ms < 0 ? ms : std::min(wait_ms, ms);
    }
  }
  return wait_ms;
}

void HeldArrivals::Clear() {
  MutexLock lock(&mutex_);
  hosts_.clear();
}

}  // namespace leadline::rpc
