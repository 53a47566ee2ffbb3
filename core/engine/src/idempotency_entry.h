#pragma once

/// Persisted memory of writes with an idempotency key, in Table::kMeta: an entry for each key,
/// found by the key; a turn for each entry, in the order in which they were made; and the range of
/// turns. storage/FORMAT.md ("Tables") lists the bytes.

#include <cstdint>
#include <string>
#include <string_view>

#include "leadline/core/record.h"
#include "leadline/core/status.h"

namespace leadline::engine {

/// What a write gave, and of what content it was.
struct IdempotencyEntry {
  WriteResult result;
  uint64_t digest = 0;  ///< of the batch: DigestOf
  int64_t time_ms = 0;  ///< Unix time of the write
  uint64_t number = 0;  ///< of its turn

  /// True when a write at `now_ms` finds the key free again.
  [[nodiscard]] bool ExpiredAt(int64_t now_ms) const {
    return now_ms - time_ms >= kIdempotencyLifeMs;
  }
};

/// Names an entry when it is the oldest one's turn to go. One whose entry is gone means nothing.
struct IdempotencyTurn {
  int64_t time_ms = 0;
  uint32_t collection = 0;
  std::string key;

  bool operator==(const IdempotencyTurn&) const = default;
};

/// Numbers of turns: those below `first` are gone, `next` comes next.
struct IdempotencyRange {
  uint64_t first = 1;
  uint64_t next = 1;
};

std::string EncodeIdempotencyEntry(const IdempotencyEntry& entry);
/// kDataLoss when the bytes are not an entry; the same of the others.
Result<IdempotencyEntry> DecodeIdempotencyEntry(std::string_view bytes);
std::string EncodeIdempotencyTurn(const IdempotencyTurn& turn);
Result<IdempotencyTurn> DecodeIdempotencyTurn(std::string_view bytes);
std::string EncodeIdempotencyRange(const IdempotencyRange& range);
Result<IdempotencyRange> DecodeIdempotencyRange(std::string_view bytes);

}  // namespace leadline::engine
