#include "rate_limiter.h"

#include <algorithm>
#include <cmath>

namespace leadline::rpc {
namespace {

constexpr double kNanosPerSecond = 1e9;
/// What sums of fractions may lose, so that the advice of Take holds.
constexpr double kOneCall = 1 - 1e-9;
/// What a full bucket still takes: without it a caller who asks a little late each time, as all do,
/// would stay below a rate with a small burst.
constexpr double kLateness = 0.5;

}  // namespace

double RateLimiter::Capacity(const CallRate& rate) {
  return rate.burst != 0 ? rate.burst : rate.per_second;
}

void RateLimiter::Fill(int64_t now, Bucket* bucket) {
  const auto passed = static_cast<double>(std::max<int64_t>(0, now - bucket->filled_nanos));
  bucket->calls = std::min(Capacity(bucket->rate) + kLateness,
                           bucket->calls + passed * bucket->rate.per_second / kNanosPerSecond);
  bucket->filled_nanos = std::max(bucket->filled_nanos, now);
}

int64_t RateLimiter::Take(std::string_view id, const CallRate& rate) {
  if (rate.per_second == 0) {
    return 0;
  }
  Shard& shard = shards_[IdHash()(id) % shards_.size()];
  MutexLock lock(&shard.mutex);
  const int64_t now = clock_->MonotonicNanos();
  auto found = shard.buckets.find(id);
  if (found == shard.buckets.end()) {
    found = shard.buckets.emplace(std::string(id), Bucket{Capacity(rate), now, rate}).first;
  }
  Bucket& bucket = found->second;
  Fill(now, &bucket);
  bucket.rate = rate;
  if (bucket.calls >= kOneCall) {
    bucket.calls -= 1;
    return 0;
  }
  const double wait_ms = (1 - bucket.calls) / rate.per_second * 1000;
  return std::max<int64_t>(1, static_cast<int64_t>(std::ceil(wait_ms)));
}

void RateLimiter::Sweep(const std::function<bool(const std::string& id)>& alive) {
  const int64_t now = clock_->MonotonicNanos();
  for (Shard& shard : shards_) {
    MutexLock lock(&shard.mutex);
    std::erase_if(shard.buckets, [now, &alive](const auto& entry) {
      Bucket bucket = entry.second;
      Fill(now, &bucket);
      return bucket.calls >= Capacity(bucket.rate) || !alive(entry.first);
    });
  }
}

size_t RateLimiter::size() {
  size_t total = 0;
  for (Shard& shard : shards_) {
    MutexLock lock(&shard.mutex);
    total += shard.buckets.size();
  }
  return total;
}

}  // namespace leadline::rpc
