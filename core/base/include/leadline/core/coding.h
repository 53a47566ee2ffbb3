#pragma once

/// Little-endian encoding of the integers and strings in persisted formats, and order-preserving
/// big-endian encoding for RocksDB keys.

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "leadline/core/status.h"

namespace leadline {

static_assert(std::endian::native == std::endian::little,
              "persisted formats are little-endian and mapped directly");

inline void PutFixed32(std::string* out, uint32_t value) {
  out->append(reinterpret_cast<const char*>(&value), sizeof value);
}

inline void PutFixed64(std::string* out, uint64_t value) {
  out->append(reinterpret_cast<const char*>(&value), sizeof value);
}

inline uint32_t DecodeFixed32(const char* p) {
  uint32_t value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

inline uint64_t DecodeFixed64(const char* p) {
  uint64_t value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

/// Big-endian: byte order of the encodings equals numeric order.
void PutBigEndian32(std::string* out, uint32_t value);
void PutBigEndian64(std::string* out, uint64_t value);
uint64_t DecodeBigEndian64(const char* p);

/// u32 length, then the bytes.
void PutString(std::string* out, std::string_view value);

/// Reads a persisted buffer front to back; every getter fails with kDataLoss once bytes run out.
/// Thread-compatible. Does not own the buffer.
class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : rest_(bytes) {}

  Status GetByte(uint8_t* value);
  Status GetFixed32(uint32_t* value);
  Status GetFixed64(uint64_t* value);
  Status GetDouble(double* value);
  /// Points into the buffer; fails when longer than `max_bytes`.
  Status GetString(std::string_view* value, size_t max_bytes);
  Status GetBytes(std::string_view* value, size_t n);

  [[nodiscard]] size_t remaining() const { return rest_.size(); }

  /// kDataLoss unless everything was consumed.
  [[nodiscard]] Status ExpectEnd() const;

 private:
  std::string_view rest_;
};

}  // namespace leadline
