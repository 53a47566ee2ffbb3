#include "idempotency_entry.h"

#include "leadline/core/coding.h"
#include "prepared_batch.h"

namespace leadline::engine {
namespace {

Status Malformed(std::string_view what) {
  return DataLossError("idempotency " + std::string(what) + " is out of range");
}

/// A Unix time that no sum of times leaves the range of.
bool IsTime(uint64_t ms) {
  return ms <= uint64_t{1} << 62;
}

}  // namespace

std::string EncodeIdempotencyEntry(const IdempotencyEntry& entry) {
  std::string bytes;
  PutFixed64(&bytes, entry.result.sequence);
  PutFixed64(&bytes, entry.result.upserted);
  PutFixed64(&bytes, entry.result.patched);
  PutFixed64(&bytes, entry.result.deleted);
  PutFixed64(&bytes, entry.digest);
  PutFixed64(&bytes, static_cast<uint64_t>(entry.time_ms));
  PutFixed64(&bytes, entry.number);
  return bytes;
}

Result<IdempotencyEntry> DecodeIdempotencyEntry(std::string_view bytes) {
  IdempotencyEntry entry;
  uint64_t time = 0;
  Decoder decoder(bytes);
  LEADLINE_RETURN_IF_ERROR(decoder.GetFixed64(&entry.result.sequence));
  LEADLINE_RETURN_IF_ERROR(decoder.GetFixed64(&entry.result.upserted));
  LEADLINE_RETURN_IF_ERROR(decoder.GetFixed64(&entry.result.patched));
  LEADLINE_RETURN_IF_ERROR(decoder.GetFixed64(&entry.result.deleted));
  LEADLINE_RETURN_IF_ERROR(decoder.GetFixed64(&entry.digest));
  LEADLINE_RETURN_IF_ERROR(decoder.GetFixed64(&time));
  LEADLINE_RETURN_IF_ERROR(decoder.GetFixed64(&entry.number));
  LEADLINE_RETURN_IF_ERROR(decoder.ExpectEnd());
  if (entry.result.sequence == 0 || entry.number == 0 || !IsTime(time)) {
    return Malformed("entry");
  }
  entry.time_ms = static_cast<int64_t>(time);
  return entry;
}

std::string EncodeIdempotencyTurn(const IdempotencyTurn& turn) {
  std::string bytes;
  PutFixed64(&bytes, static_cast<uint64_t>(turn.time_ms));
  PutFixed32(&bytes, turn.collection);
  PutString(&bytes, turn.key);
  return bytes;
}

Result<IdempotencyTurn> DecodeIdempotencyTurn(std::string_view bytes) {
  IdempotencyTurn turn;
  uint64_t time = 0;
  std::string_view key;
  Decoder decoder(bytes);
  LEADLINE_RETURN_IF_ERROR(decoder.GetFixed64(&time));
  LEADLINE_RETURN_IF_ERROR(decoder.GetFixed32(&turn.collection));
  LEADLINE_RETURN_IF_ERROR(decoder.GetString(&key, kMaxIdempotencyKeyBytes));
  LEADLINE_RETURN_IF_ERROR(decoder.ExpectEnd());
  if (turn.collection == 0 || key.empty() || !IsTime(time) || !ValidateIdempotencyKey(key).ok()) {
    return Malformed("turn");
  }
  turn.time_ms = static_cast<int64_t>(time);
  turn.key = key;
  return turn;
}

std::string EncodeIdempotencyRange(const IdempotencyRange& range) {
  std::string bytes;
  PutFixed64(&bytes, range.first);
  PutFixed64(&bytes, range.next);
  return bytes;
}

Result<IdempotencyRange> DecodeIdempotencyRange(std::string_view bytes) {
  IdempotencyRange range;
  Decoder decoder(bytes);
  LEADLINE_RETURN_IF_ERROR(decoder.GetFixed64(&range.first));
  LEADLINE_RETURN_IF_ERROR(decoder.GetFixed64(&range.next));
  LEADLINE_RETURN_IF_ERROR(decoder.ExpectEnd());
  if (range.first == 0 || range.first > range.next) {
    return Malformed("range");
  }
  return range;
}

}  // namespace leadline::engine
