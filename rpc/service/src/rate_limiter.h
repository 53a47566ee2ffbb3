#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "leadline/core/clock.h"
#include "leadline/core/mutex.h"
#include "leadline/rpc/call_context.h"

namespace leadline::rpc {

/// A token bucket for each token id, on the clock that never steps: it holds `burst` calls, one
/// call takes one, and `per_second` come back. Thread-safe.
class RateLimiter {
 public:
  explicit RateLimiter(Clock* clock) : clock_(clock) {}

  /// Takes one call of `id` and returns 0, or takes none and returns after how many milliseconds
  /// there will be one.
  int64_t Take(std::string_view id, const CallRate& rate);

  /// Forgets buckets that are full, as a new one would be, and those whose `id` is not `alive`.
  void Sweep(const std::function<bool(const std::string& id)>& alive);

  [[nodiscard]] size_t size();

 private:
  struct Bucket {
    double calls = 0;  // at `filled_nanos`
    int64_t filled_nanos = 0;
    CallRate rate;
  };

  struct IdHash {
    using is_transparent = void;

    size_t operator()(std::string_view id) const { return std::hash<std::string_view>()(id); }
  };

  struct Shard {
    Mutex mutex;
    std::unordered_map<std::string, Bucket, IdHash, std::equal_to<>> buckets
        LEADLINE_GUARDED_BY(mutex);
  };

  static double Capacity(const CallRate& rate);
  /// Brings back what `now` is due.
  static void Fill(int64_t now, Bucket* bucket);

  Clock* const clock_;
  std::array<Shard, 16> shards_;
};

}  // namespace leadline::rpc
