// Payload columns from hostile bytes: whatever Open accepts must be safe to evaluate. Half of the
// inputs get a fitting header first, and directory offsets that follow from the sizes: random bytes
// alone would never come past them.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "leadline/core/coding.h"
#include "leadline/core/filter.h"
#include "leadline/core/payload_columns.h"
#include "payload_columns_format.h"

namespace leadline {
namespace {

constexpr size_t kRows = 70'000;  // more than one Roaring container

void Put32(std::string* bytes, size_t at, uint32_t value) {
  std::memcpy(bytes->data() + at, &value, sizeof value);
}

void Put64(std::string* bytes, size_t at, uint64_t value) {
  std::memcpy(bytes->data() + at, &value, sizeof value);
}

void Forge(std::string* bytes) {
  Put32(bytes, 0, kColumnsMagic);
  Put32(bytes, 4, kColumnsVersion);
  Put32(bytes, 8, DecodeFixed32(bytes->data() + 8) % (kRows + 1));
  const size_t room = (bytes->size() - kColumnsHeaderBytes) / kDirectoryEntryBytes;
  const size_t paths = std::min<size_t>(DecodeFixed32(bytes->data() + 12) % 4, room);
  Put32(bytes, 12, static_cast<uint32_t>(paths));
  Put32(bytes, 16, DecodeFixed32(bytes->data() + 16) & kColumnsIncomplete);
  Put32(bytes, 20, 0);
  Put64(bytes, 24, bytes->size());
  uint64_t position = kColumnsHeaderBytes + paths * kDirectoryEntryBytes;
  for (size_t i = 0; i < paths * kBlocks; ++i) {
    const size_t at = kColumnsHeaderBytes + i * 16;
    const uint64_t left = bytes->size() - position;
    const bool last = i + 1 == paths * kBlocks;
    const uint64_t size = last ? left : DecodeFixed64(bytes->data() + at + 8) % (left + 1);
    Put64(bytes, at, position);
    Put64(bytes, at + 8, size);
    position += size;
  }
}

const std::vector<Filter>& Filters() {
  static const std::vector<Filter> kFilters = [] {
    std::vector<Filter> filters;
    for (const std::string_view text :
         {"k = 'v'", "k != -2", "NOT k CONTAINS ALL ('v', -2, TRUE)", "k LIKE '%v_'", "k IS NULL",
          "n > 3 OR s BETWEEN 'a' AND 'z'", "EXISTS k AND t CONTAINS 'x' AND o.q = FALSE"}) {
      filters.push_back(*Filter::Parse(text));
    }
    return filters;
  }();
  return kFilters;
}

void Exercise(std::string bytes, bool forge) {
  if (forge && bytes.size() >= kColumnsHeaderBytes) {
    Forge(&bytes);
  }
  bytes.shrink_to_fit();
  const Result<std::unique_ptr<PayloadColumns>> columns = PayloadColumns::Open(bytes, kRows);
  if (!columns.ok()) {
    return;
  }
  for (const Filter& filter : Filters()) {
    const std::vector<uint32_t> rows = (*columns)->Evaluate(filter).ToVector();
    if (!rows.empty() && rows.back() >= kRows) {
      std::abort();
    }
  }
}

}  // namespace
}  // namespace leadline

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 0) {
    leadline::Exercise({reinterpret_cast<const char*>(data) + 1, size - 1}, (data[0] & 1U) != 0);
  }
  return 0;
}
