#include "call_namer.h"

#include <cstring>
#include <string_view>
#include <unistd.h>

#include "leadline/core/clock.h"

namespace leadline::rpc {
namespace {

/// One to one, so that different counts have different names (Steele, Lea & Flood, splitmix64).
uint64_t Scrambled(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

RequestId IdOf(uint64_t number) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::array<char, 16> text{};
  for (size_t i = 0; i < text.size(); ++i) {
    text[i] = kDigits[(number >> (60 - 4 * i)) & 15];
  }
  return RequestId(std::string_view(text.data(), text.size()));
}

}  // namespace

CallNamer::CallNamer() {
  if (::getentropy(seeds_.data(), sizeof seeds_) != 0) {
    // Names are then only as unlikely to meet others as two starts at the same moment.
    for (size_t i = 0; i < seeds_.size(); ++i) {
      seeds_[i] = Scrambled(static_cast<uint64_t>(Clock::System()->UnixMillis()) * 4 + i);
    }
  }
}

void CallNamer::Name(const Arrival& arrival, CallRecord* record) {
  const uint64_t step = next_.fetch_add(1, std::memory_order_relaxed) * 0x9E3779B97F4A7C15U;
  record->request_id = RequestId::Valid(arrival.request_id) ? RequestId(arrival.request_id)
                                                            : IdOf(Scrambled(seeds_[0] + step));
  if (const auto trace = ParseTraceparent(arrival.traceparent)) {
    record->trace = *trace;
    return;
  }
  const uint64_t id[] = {Scrambled(seeds_[1] + step), Scrambled(seeds_[2] + step)};
  std::memcpy(record->trace.trace_id.data(), id, sizeof id);
}

}  // namespace leadline::rpc
