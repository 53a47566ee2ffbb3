// Values of the store's tables from hostile bytes: records, vectors, catalog entries and what is
// remembered of idempotency keys. What decodes must encode to the same bytes again.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "catalog.h"
#include "idempotency_entry.h"
#include "leadline/core/status.h"
#include "stored_record.h"

namespace leadline::engine {
namespace {

template <typename Entry>
void RoundTrip(std::string_view bytes, const Result<Entry>& entry,
               std::string (*encode)(const Entry&)) {
  if (entry.ok() && encode(*entry) != bytes) {
    std::abort();
  }
  if (!entry.ok() && entry.status().code() != StatusCode::kDataLoss &&
      entry.status().code() != StatusCode::kUnimplemented) {
    std::abort();
  }
}

void Exercise(uint8_t what, const std::string& bytes) {
  switch (what % 10) {
    case 0:
      RoundTrip(bytes, DecodeRecord(bytes), EncodeRecord);
      break;
    case 1:
      RoundTrip(bytes, DecodeDatabaseEntry(bytes), EncodeDatabaseEntry);
      break;
    case 2:
      RoundTrip(bytes, DecodeCollectionEntry(bytes), EncodeCollectionEntry);
      break;
    case 3:
      RoundTrip(bytes, DecodeNextIds(bytes), EncodeNextIds);
      break;
    case 4:
      RoundTrip(bytes, DecodeCounters(bytes), EncodeCounters);
      break;
    case 5:
      RoundTrip(bytes, DecodeGroupEntry(bytes), EncodeGroupEntry);
      break;
    case 7:
      RoundTrip(bytes, DecodeIdempotencyEntry(bytes), EncodeIdempotencyEntry);
      break;
    case 8:
      RoundTrip(bytes, DecodeIdempotencyTurn(bytes), EncodeIdempotencyTurn);
      break;
    case 9:
      RoundTrip(bytes, DecodeIdempotencyRange(bytes), EncodeIdempotencyRange);
      break;
    default: {
      const size_t dim = 1 + bytes.size() % 9;
      const auto values = DecodeVector(bytes, dim);
      if (values.ok() && (values->size() != dim || VectorBytes(*values) != bytes)) {
        std::abort();
      }
    }
  }
}

}  // namespace
}  // namespace leadline::engine

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 0) {
    leadline::engine::Exercise(data[0], {reinterpret_cast<const char*>(data) + 1, size - 1});
  }
  return 0;
}
