#include "retrier.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <unistd.h>
#include <utility>

#include "leadline/core/clock.h"

namespace leadline::rpc {
namespace {

/// A pause is between half of this and the whole, four times as much before each further attempt.
constexpr int64_t kFirstPauseMs = 100;
constexpr int64_t kLongestPauseMs = 2000;
/// How soon a pause sees a token that nobody announces.
constexpr int64_t kPauseTickMs = 10;

int64_t NowMs() {
  return Clock::System()->MonotonicNanos() / 1'000'000;
}

}  // namespace

Result<std::unique_ptr<Retrier>> Retrier::Make(std::shared_ptr<Channel> channel,
                                               uint32_t max_retries) {
  std::array<uint64_t, 3> random{};
  if (::getentropy(random.data(), sizeof random) != 0) {
    return UnavailableError(std::string("no random bytes: ") + ::strerrordesc_np(errno));
  }
  std::array<char, 40> prefix{};
  std::snprintf(prefix.data(), prefix.size(), "%016llx%016llx-",
                static_cast<unsigned long long>(random[0]),
                static_cast<unsigned long long>(random[1]));
  return std::unique_ptr<Retrier>(
      new Retrier(std::move(channel), max_retries, prefix.data(), random[2]));
}

std::string Retrier::NewKey() {
  return max_retries_ == 0 ? std::string() : key_prefix_ + std::to_string(next_key_.fetch_add(1));
}

Status Retrier::Call(const std::string& path, const google::protobuf::Message& request,
                     google::protobuf::Message* response, const Channel::Limits& limits,
                     Repeat repeat) {
  const uint32_t retries = repeat == Repeat::kNever ? 0 : max_retries_;
  const int64_t end_ms =
      NowMs() + (limits.timeout_ms > 0 ? limits.timeout_ms : channel_->call_timeout_ms());
  Channel::Limits left = limits;
  Status lost;
  for (uint32_t attempt = 0;; ++attempt) {
    Status status = channel_->Call(path, request, response, left);
    if (status.code() != StatusCode::kUnavailable) {
      const bool unknown = repeat == Repeat::kWrite && attempt > 0 && !status.ok() &&
                           status.code() != StatusCode::kDeadlineExceeded;
      return unknown ? UnavailableError(lost.message() + "; sent again: " + status.ToString())
                     : status;
    }
    if (attempt == retries) {
      return status;
    }
    const int64_t pause_ms = PauseMs(attempt);
    if (NowMs() + pause_ms >= end_ms || !Pause(pause_ms, limits.cancel)) {
      return status;
    }
    left.timeout_ms = std::max<int64_t>(1, end_ms - NowMs());
    lost = std::move(status);
  }
}

struct Retrier::AsyncRead {
  std::string path;
  const google::protobuf::Message* request = nullptr;
  google::protobuf::Message* response = nullptr;
  Channel::Limits limits;
  Channel::Ended ended;
  int64_t end_ms = 0;
  uint32_t failures = 0;
};

void Retrier::ReadAsync(const std::string& path, const google::protobuf::Message& request,
                        google::protobuf::Message* response, const Channel::Limits& limits,
                        Channel::Ended ended) {
  const int64_t end_ms =
      NowMs() + (limits.timeout_ms > 0 ? limits.timeout_ms : channel_->call_timeout_ms());
  Send(std::make_shared<AsyncRead>(
      AsyncRead{path, &request, response, limits, std::move(ended), end_ms}));
}

void Retrier::Send(const std::shared_ptr<AsyncRead>& read) {
  channel_->CallAsync(
      read->path, *read->request, read->response, read->limits, [this, read](const Status& status) {
        const std::optional<int64_t> pause_ms =
            status.code() == StatusCode::kUnavailable ? PauseBefore(read.get()) : std::nullopt;
        if (!pause_ms) {
          read->ended(status);
          return;
        }
        channel_->RunLater(*pause_ms, [this, read, status] {
          if (Stopping()) {
            read->ended(status);
            return;
          }
          read->limits.timeout_ms = std::max<int64_t>(1, read->end_ms - NowMs());
          Send(read);
        });
      });
}

std::optional<int64_t> Retrier::PauseBefore(AsyncRead* read) {
  if (read->failures == max_retries_ || Stopping()) {
    return std::nullopt;
  }
  const int64_t pause_ms = PauseMs(read->failures++);
  return NowMs() + pause_ms < read->end_ms ? std::optional(pause_ms) : std::nullopt;
}

bool Retrier::Stopping() {
  MutexLock lock(&mutex_);
  return stopping_;
}

Status Retrier::Listen(const std::string& path, const google::protobuf::Message& request,
                       google::protobuf::Message* response, const Channel::Limits& limits,
                       const std::function<void()>& heard) {
  const int64_t end_ms = limits.timeout_ms > 0 ? NowMs() + limits.timeout_ms : INT64_MAX;
  Channel::Limits left = limits;
  for (uint32_t failures = 0;; ++failures) {
    Status status = channel_->Listen(path, request, response, left, [&] {
      failures = 0;
      heard();
    });
    if (status.code() != StatusCode::kUnavailable || failures == max_retries_) {
      return status;
    }
    const int64_t pause_ms = PauseMs(failures);
    if (pause_ms >= end_ms - NowMs() || !Pause(pause_ms, limits.cancel)) {
      return status;
    }
    left.timeout_ms = limits.timeout_ms > 0 ? std::max<int64_t>(1, end_ms - NowMs()) : 0;
  }
}

int64_t Retrier::PauseMs(uint32_t attempt) {
  int64_t longest = kFirstPauseMs;
  for (uint32_t i = 0; i < attempt && longest < kLongestPauseMs; ++i) {
    longest = std::min(longest * 4, kLongestPauseMs);
  }
  MutexLock lock(&mutex_);
  return longest / 2 + static_cast<int64_t>(rng_.Uniform(static_cast<uint64_t>(longest / 2) + 1));
}

bool Retrier::Pause(int64_t pause_ms, const CancelToken* cancel) {
  const int64_t end_ms = NowMs() + pause_ms;
  MutexLock lock(&mutex_);
  while (!stopping_ && (cancel == nullptr || !cancel->cancelled())) {
    const int64_t left_ms = end_ms - NowMs();
    if (left_ms <= 0) {
      return true;
    }
    stop_.WaitFor(&mutex_, cancel == nullptr ? left_ms : std::min(left_ms, kPauseTickMs));
  }
  return false;
}

void Retrier::Stop() {
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
  }
  stop_.NotifyAll();
}

}  // namespace leadline::rpc
