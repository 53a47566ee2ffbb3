#include "load_loop.h"

#include <atomic>
#include <barrier>
#include <chrono>
#include <cmath>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <thread>

#include "leadline/core/rng.h"
#include "workload.h"

namespace leadline::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;
using Nanos = std::chrono::nanoseconds;

/// So far apart that clients ask for different queries at one time.
constexpr size_t kStride = 7919;

Nanos ToNanos(double seconds) {
  return Nanos(std::llround(seconds * 1e9));
}

/// When calls fall due, after the start.
std::vector<Nanos> DueTimes(const LoopOptions& options) {
  std::vector<Nanos> due;
  Rng rng(options.seed);
  for (double at = 0;;) {
    at -= std::log(1 - rng.UniformDouble()) / options.rate;
    if (at >= options.seconds) {
      return due;
    }
    due.push_back(ToNanos(at));
  }
}

/// One run. The barrier's last thread takes the time and the use of the process.
class Run {
 public:
  Run(const std::vector<Caller>& clients, const LoopOptions& options)
      : clients_(clients),
        options_(options),
        due_(options.rate > 0 ? DueTimes(options) : std::vector<Nanos>()),
        parts_(clients.size()) {}

  LoopResult Finish() {
    std::barrier start(static_cast<std::ptrdiff_t>(clients_.size()), [this]() noexcept {
      before_ = ProcessUse::Now();
      start_ = SteadyClock::now();
    });
    std::vector<std::thread> threads;
    for (size_t i = 0; i < clients_.size(); ++i) {
      threads.emplace_back([this, i, &start] {
        WarmUp(i);
        start.arrive_and_wait();
        options_.rate > 0 ? CallWhenDue(i) : CallOnAndOn(i);
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    return Sum();
  }

 private:
  void WarmUp(size_t client) {
    ::prctl(PR_SET_TIMERSLACK, 1000UL);  // 1 us instead of 50: calls fall due in between
    LoopResult& part = parts_[client];
    for (size_t n = client; n < options_.pass_calls; n += clients_.size()) {
      const Answer answer = OrDie(clients_[client](n));
      part.pass_queries += answer.queries;
      part.pass_right += answer.right;
      ++part.all_calls;
    }
    const auto end = SteadyClock::now() + ToNanos(options_.warmup_seconds);
    for (size_t n = client * kStride; SteadyClock::now() < end; ++n) {
      Take(client, clients_[client](n), SteadyClock::now());
    }
    part.EndWarmUp();
  }

  void CallOnAndOn(size_t client) {
    const auto end = start_ + ToNanos(options_.seconds);
    auto now = SteadyClock::now();
    for (size_t n = client * kStride; now < end; ++n) {
      now = Take(client, clients_[client](n), now);
    }
  }

  void CallWhenDue(size_t client) {
    for (size_t n = next_.fetch_add(1); n < due_.size(); n = next_.fetch_add(1)) {
      const auto due = start_ + due_[n];
      std::this_thread::sleep_until(due);
      Take(client, clients_[client](n), due);
    }
  }

  /// Notes one answer; returns when it was there.
  SteadyClock::time_point Take(size_t client, const Result<Answer>& answer,
                               SteadyClock::time_point since) {
    const auto now = SteadyClock::now();
    LoopResult& part = parts_[client];
    if (answer.status().code() == StatusCode::kResourceExhausted) {
      ++part.refused;
      return now;
    }
    OrDie(answer.status());
    part.queries += answer->queries;
    part.nanos.push_back(std::chrono::duration_cast<Nanos>(now - since).count());
    return now;
  }

  LoopResult Sum() {
    LoopResult sum;
    for (const LoopResult& part : parts_) {
      sum.Add(part);
    }
    sum.Close(before_, start_);
    return sum;
  }

  const std::vector<Caller>& clients_;
  const LoopOptions& options_;
  const std::vector<Nanos> due_;
  std::vector<LoopResult> parts_;  // one a client
  std::atomic<size_t> next_{0};
  SteadyClock::time_point start_;
  ProcessUse before_;
};

}  // namespace

ProcessUse ProcessUse::Now() {
  rusage use{};
  ::getrusage(RUSAGE_SELF, &use);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return {seconds(use.ru_utime) + seconds(use.ru_stime), use.ru_nvcsw + use.ru_nivcsw};
}

void LoopResult::Add(const LoopResult& part) {
  calls += part.nanos.size();
  queries += part.queries;
  pass_queries += part.pass_queries;
  pass_right += part.pass_right;
  all_calls += part.all_calls + part.nanos.size();
  refused += part.refused;
  nanos.insert(nanos.end(), part.nanos.begin(), part.nanos.end());
}

void LoopResult::EndWarmUp() {
  all_calls += nanos.size();
  nanos.clear();
  queries = 0;
  refused = 0;
}

void LoopResult::Close(const ProcessUse& before, SteadyClock::time_point start) {
  seconds = std::chrono::duration<double>(SteadyClock::now() - start).count();
  const ProcessUse after = ProcessUse::Now();
  cpu_seconds = after.cpu_seconds - before.cpu_seconds;
  context_switches = after.context_switches - before.context_switches;
}

LoopResult RunLoop(const std::vector<Caller>& clients, const LoopOptions& options) {
  return Run(clients, options).Finish();
}

}  // namespace leadline::bench
