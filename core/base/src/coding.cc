#include "leadline/core/coding.h"

namespace leadline {

void PutBigEndian32(std::string* out, uint32_t value) {
  PutFixed32(out, __builtin_bswap32(value));
}

void PutBigEndian64(std::string* out, uint64_t value) {
  PutFixed64(out, __builtin_bswap64(value));
}

uint64_t DecodeBigEndian64(const char* p) {
  return __builtin_bswap64(DecodeFixed64(p));
}

void PutString(std::string* out, std::string_view value) {
  PutFixed32(out, static_cast<uint32_t>(value.size()));
  out->append(value);
}

Status Decoder::GetBytes(std::string_view* value, size_t n) {
  if (rest_.size() < n) {
    return DataLossError("record cut short: wanted " + std::to_string(n) + " bytes, have " +
                         std::to_string(rest_.size()));
  }
  *value = rest_.substr(0, n);
  rest_.remove_prefix(n);
  return {};
}

Status Decoder::GetByte(uint8_t* value) {
  std::string_view bytes;
  LEADLINE_RETURN_IF_ERROR(GetBytes(&bytes, 1));
  *value = static_cast<uint8_t>(bytes[0]);
  return {};
}

Status Decoder::GetFixed32(uint32_t* value) {
  std::string_view bytes;
  LEADLINE_RETURN_IF_ERROR(GetBytes(&bytes, sizeof *value));
  *value = DecodeFixed32(bytes.data());
  return {};
}

Status Decoder::GetFixed64(uint64_t* value) {
  std::string_view bytes;
  LEADLINE_RETURN_IF_ERROR(GetBytes(&bytes, sizeof *value));
  *value = DecodeFixed64(bytes.data());
  return {};
}

Status Decoder::GetDouble(double* value) {
  uint64_t bits = 0;
  LEADLINE_RETURN_IF_ERROR(GetFixed64(&bits));
  *value = std::bit_cast<double>(bits);
  return {};
}

Status Decoder::GetString(std::string_view* value, size_t max_bytes) {
  uint32_t length = 0;
  LEADLINE_RETURN_IF_ERROR(GetFixed32(&length));
  if (length > max_bytes) {
    return DataLossError("string longer than its limit: length=" + std::to_string(length) +
                         " limit=" + std::to_string(max_bytes));
  }
  return GetBytes(value, length);
}

Status Decoder::ExpectEnd() const {
  if (!rest_.empty()) {
    return DataLossError("record longer than its fields: extra bytes=" +
                         std::to_string(rest_.size()));
  }
  return {};
}

}  // namespace leadline
