#include "row_set.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <new>

#include <roaring/roaring.h>

#include "leadline/core/coding.h"
#include "payload_columns_format.h"

namespace leadline {
namespace {

// Constants of the Roaring format specification.
constexpr uint32_t kCookieNoRuns = 12346;
constexpr uint32_t kCookieRuns = 12347;
constexpr uint32_t kFewContainers = 4;  ///< below it, a file with runs has no offsets
constexpr uint32_t kMaxArray = 4096;
constexpr size_t kBitsetWords = 1024;

uint16_t Load16(const char* p) {
  uint16_t value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

enum class Shape { kArray, kBitset, kRuns };

struct Container {
  uint32_t base;  ///< first row it may hold
  uint32_t cardinality;
  Shape shape;
  std::string_view body;
};

/// Cuts a serialised Roaring bitmap into containers. Checks frames, not bodies.
class ContainerReader {
 public:
  Status Start(std::string_view bytes);

  [[nodiscard]] uint32_t containers() const { return containers_; }

  /// The containers in order, each once.
  Status Next(Container* container);

  [[nodiscard]] bool AtEnd() const { return position_ == bytes_.size(); }

 private:
  std::string_view bytes_;
  const char* runs_ = nullptr;  ///< one bit per container, or none
  const char* keys_ = nullptr;
  const char* offsets_ = nullptr;
  uint32_t containers_ = 0;
  uint32_t next_ = 0;
  size_t position_ = 0;
};

Status ContainerReader::Start(std::string_view bytes) {
  bytes_ = bytes;
  if (bytes.size() < 8) {
    return DamagedColumns("bitmap cut short");
  }
  const uint32_t cookie = DecodeFixed32(bytes.data());
  position_ = 4;
  if (cookie == kCookieNoRuns) {
    containers_ = DecodeFixed32(bytes.data() + 4);
    position_ = 8;
  } else if ((cookie & 0xFFFFU) == kCookieRuns) {
    containers_ = (cookie >> 16) + 1;
    runs_ = bytes.data() + position_;
    position_ += (containers_ + 7) / 8;
  } else {
    return DamagedColumns("bitmap has an unknown cookie");
  }
  if (containers_ == 0 || containers_ > 65536) {
    return DamagedColumns("bitmap has an impossible number of containers");
  }
  const bool has_offsets = runs_ == nullptr || containers_ >= kFewContainers;
  const size_t keys = position_;
  position_ += size_t{containers_} * (has_offsets ? 8 : 4);
  if (position_ > bytes.size()) {
    return DamagedColumns("bitmap cut short");
  }
  keys_ = bytes.data() + keys;
  offsets_ = has_offsets ? keys_ + size_t{containers_} * 4 : nullptr;
  return {};
}

Status ContainerReader::Next(Container* container) {
  const uint32_t i = next_++;
  container->base = uint32_t{Load16(keys_ + size_t{i} * 4)} << 16;
  container->cardinality = uint32_t{Load16(keys_ + size_t{i} * 4 + 2)} + 1;
  if (offsets_ != nullptr && DecodeFixed32(offsets_ + size_t{i} * 4) != position_) {
    return DamagedColumns("bitmap container is not where its offset says");
  }
  size_t size = 0;
  const bool is_run =
      runs_ != nullptr && ((static_cast<unsigned char>(runs_[i / 8]) >> (i % 8)) & 1U) != 0;
  if (is_run) {
    container->shape = Shape::kRuns;
    if (bytes_.size() - position_ < 2) {
      return DamagedColumns("bitmap cut short");
    }
    size = 2 + size_t{Load16(bytes_.data() + position_)} * 4;
  } else {
    container->shape = container->cardinality > kMaxArray ? Shape::kBitset : Shape::kArray;
    size =
        container->shape == Shape::kBitset ? kBitsetWords * 8 : size_t{container->cardinality} * 2;
  }
  if (bytes_.size() - position_ < size) {
    return DamagedColumns("bitmap cut short");
  }
  container->body = bytes_.substr(position_, size);
  position_ += size;
  return {};
}

/// Checks the body; `last` becomes the container's last row.
Status CheckBody(const Container& container, uint32_t* last) {
  const char* body = container.body.data();
  if (container.shape == Shape::kArray) {
    int64_t previous = -1;
    for (uint32_t i = 0; i < container.cardinality; ++i) {
      const uint16_t low = Load16(body + size_t{i} * 2);
      if (low <= previous) {
        return DamagedColumns("bitmap rows are out of order");
      }
      previous = low;
    }
    *last = container.base + static_cast<uint32_t>(previous);
    return {};
  }
  uint32_t total = 0;
  if (container.shape == Shape::kBitset) {
    for (size_t i = 0; i < kBitsetWords; ++i) {
      const uint64_t word = DecodeFixed64(body + i * 8);
      if (word != 0) {
        total += static_cast<uint32_t>(std::popcount(word));
        *last = container.base + static_cast<uint32_t>(i * 64 + 63) -
                static_cast<uint32_t>(std::countl_zero(word));
      }
    }
  } else {
    int64_t previous = -1;
    const uint16_t runs = Load16(body);
    for (size_t i = 0; i < runs; ++i) {
      const uint32_t start = Load16(body + 2 + i * 4);
      const uint32_t more = Load16(body + 4 + i * 4);
      if (start <= previous || start + more > 0xFFFF) {
        return DamagedColumns("bitmap runs are out of order");
      }
      previous = start + more;
      total += more + 1;
    }
    *last = container.base + static_cast<uint32_t>(std::max<int64_t>(previous, 0));
  }
  return total == container.cardinality
             ? Status()
             : DamagedColumns("bitmap container has a wrong cardinality");
}

Status CheckBitmap(std::string_view bytes, uint32_t count, uint32_t row_bound) {
  ContainerReader reader;
  LEADLINE_RETURN_IF_ERROR(reader.Start(bytes));
  uint64_t total = 0;
  uint32_t last = 0;
  int64_t previous_base = -1;
  for (uint32_t i = 0; i < reader.containers(); ++i) {
    Container container{};
    LEADLINE_RETURN_IF_ERROR(reader.Next(&container));
    if (container.base <= previous_base) {
      return DamagedColumns("bitmap containers are out of order");
    }
    previous_base = container.base;
    total += container.cardinality;
    LEADLINE_RETURN_IF_ERROR(CheckBody(container, &last));
  }
  if (total != count || !reader.AtEnd()) {
    return DamagedColumns("bitmap differs from its count or size");
  }
  return last < row_bound ? Status() : DamagedColumns("row number is beyond the segment");
}

void AddContainer(const Container& container, RowBits* bits) {
  const char* body = container.body.data();
  switch (container.shape) {
    case Shape::kArray:
      for (uint32_t i = 0; i < container.cardinality; ++i) {
        bits->Set(container.base + Load16(body + size_t{i} * 2));
      }
      return;
    case Shape::kBitset: {
      std::vector<uint64_t>& words = bits->words();
      const size_t first = container.base / 64;
      const size_t n = std::min(kBitsetWords, words.size() - first);
      for (size_t i = 0; i < n; ++i) {
        words[first + i] |= DecodeFixed64(body + i * 8);
      }
      return;
    }
    case Shape::kRuns: {
      const uint16_t runs = Load16(body);
      for (size_t i = 0; i < runs; ++i) {
        const uint32_t start = container.base + Load16(body + 2 + i * 4);
        bits->SetRange(start, start + Load16(body + 4 + i * 4));
      }
      return;
    }
  }
}

}  // namespace

void PutRowSet(std::string* out, std::span<const uint32_t> rows) {
  if (rows.empty()) {
    return;
  }
  PutFixed32(out, static_cast<uint32_t>(rows.size()));
  if (rows.size() <= kMostPlainRows) {
    for (const uint32_t row : rows) {
      PutFixed32(out, row);
    }
    return;
  }
  const std::unique_ptr<roaring_bitmap_t, decltype(&roaring_bitmap_free)> bitmap(
      roaring_bitmap_of_ptr(rows.size(), rows.data()), &roaring_bitmap_free);
  if (bitmap == nullptr) {
    throw std::bad_alloc();
  }
  roaring_bitmap_run_optimize(bitmap.get());
  const size_t start = out->size();
  out->resize(start + roaring_bitmap_portable_size_in_bytes(bitmap.get()));
  roaring_bitmap_portable_serialize(bitmap.get(), out->data() + start);
}

Status CheckRowSet(std::string_view bytes, uint32_t row_bound) {
  if (bytes.empty()) {
    return {};
  }
  if (bytes.size() < 4) {
    return DamagedColumns("row set cut short");
  }
  const uint32_t count = DecodeFixed32(bytes.data());
  if (count == 0) {
    return DamagedColumns("row set has no rows");
  }
  bytes.remove_prefix(4);
  if (count > kMostPlainRows) {
    return CheckBitmap(bytes, count, row_bound);
  }
  if (bytes.size() != size_t{count} * 4) {
    return DamagedColumns("row set differs from its count");
  }
  int64_t previous = -1;
  for (size_t i = 0; i < count; ++i) {
    const uint32_t row = DecodeFixed32(bytes.data() + i * 4);
    if (row <= previous || row >= row_bound) {
      return DamagedColumns("row numbers are out of order or beyond the segment");
    }
    previous = row;
  }
  return {};
}

void AddRowSet(std::string_view bytes, RowBits* bits) {
  if (bytes.empty()) {
    return;
  }
  const uint32_t count = DecodeFixed32(bytes.data());
  bytes.remove_prefix(4);
  if (count <= kMostPlainRows) {
    for (size_t i = 0; i < count; ++i) {
      bits->Set(DecodeFixed32(bytes.data() + i * 4));
    }
    return;
  }
  ContainerReader reader;
  Container container{};
  Status status = reader.Start(bytes);
  for (uint32_t i = 0; status.ok() && i < reader.containers(); ++i) {
    status = reader.Next(&container);
    if (status.ok()) {
      AddContainer(container, bits);
    }
  }
  status.IgnoreError();  // checked at open
}

}  // namespace leadline
