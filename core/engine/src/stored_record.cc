#include "stored_record.h"

#include <cstring>

#include "leadline/core/coding.h"
#include "leadline/core/types.h"

namespace leadline::engine {

std::string EncodeRecord(const StoredRecord& record) {
  std::string bytes;
  bytes.reserve(28 + record.id.size() + record.payload.size());
  PutFixed64(&bytes, record.sequence);
  PutFixed64(&bytes, static_cast<uint64_t>(record.expires_at_ms));
  PutFixed32(&bytes, record.fields);
  PutString(&bytes, record.id);
  PutString(&bytes, record.payload);
  return bytes;
}

Result<StoredRecord> DecodeRecord(std::string_view bytes) {
  StoredRecord record;
  Decoder decoder(bytes);
  uint64_t expires = 0;
  std::string_view id;
  std::string_view payload;
  LEADLINE_RETURN_IF_ERROR(decoder.GetFixed64(&record.sequence));
  LEADLINE_RETURN_IF_ERROR(decoder.GetFixed64(&expires));
  LEADLINE_RETURN_IF_ERROR(decoder.GetFixed32(&record.fields));
  LEADLINE_RETURN_IF_ERROR(decoder.GetString(&id, kMaxIdBytes));
  LEADLINE_RETURN_IF_ERROR(decoder.GetString(&payload, kMaxPayloadBytes));
  LEADLINE_RETURN_IF_ERROR(decoder.ExpectEnd());
  record.expires_at_ms = static_cast<int64_t>(expires);
  record.id = id;
  record.payload = payload;
  return record;
}

std::string_view VectorBytes(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

Result<std::vector<float>> DecodeVector(std::string_view bytes, size_t dim) {
  if (bytes.size() != dim * sizeof(float)) {
    return DataLossError("stored vector has the wrong size: bytes=" + std::to_string(bytes.size()) +
                         " expected=" + std::to_string(dim * sizeof(float)));
  }
  std::vector<float> values(dim);
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

}  // namespace leadline::engine
