#pragma once

/// Writes RocksDB's log format, independently of RocksDB, for tests of the scanner.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "crc32c.h"
#include "leadline/core/coding.h"

namespace leadline::kv {

/// Appends `payload` to `log` as one record, split at block ends.
inline void AppendLogRecord(std::string* log, std::string_view payload) {
  constexpr size_t kBlock = 32768;
  constexpr size_t kHeader = 7;
  bool first = true;
  do {
    size_t left = kBlock - log->size() % kBlock;
    if (left < kHeader) {
      log->append(left, '\0');
      left = kBlock;
    }
    const std::string_view part = payload.substr(0, std::min(payload.size(), left - kHeader));
    payload.remove_prefix(part.size());
    const bool last = payload.empty();
    const char type = static_cast<char>(first ? (last ? 1 : 2) : (last ? 4 : 3));
    std::string checked(1, type);
    checked.append(part);
    PutFixed32(log, MaskCrc32c(ExtendCrc32c(0, checked)));
    log->push_back(static_cast<char>(part.size() & 0xff));
    log->push_back(static_cast<char>(part.size() >> 8));
    log->append(checked);
    first = false;
  } while (!payload.empty());
}

/// A batch of `count` changes from `sequence` on, with `body` where the changes would be.
inline std::string BatchPayload(uint64_t sequence, uint32_t count, std::string_view body) {
  std::string payload;
  PutFixed64(&payload, sequence);
  PutFixed32(&payload, count);
  payload.append(body);
  return payload;
}

}  // namespace leadline::kv
