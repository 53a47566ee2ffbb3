#include "column_view.h"

#include <limits>
#include <string>

#include "row_set.h"

namespace leadline {
namespace {

/// First index of [0, n) for which `below` is false.
template <typename Below>
size_t PartitionPoint(size_t n, const Below& below) {
  size_t first = 0;
  while (n > 0) {
    const size_t half = n / 2;
    if (below(first + half)) {
      first += half + 1;
      n -= half + 1;
    } else {
      n = half;
    }
  }
  return first;
}

/// Offsets start at 0, never fall, and leave no string of the file out.
Status CheckOffsets(const char* offsets, size_t n) {
  if (DecodeFixed32(offsets) != 0) {
    return DamagedColumns("dictionary offsets do not start at 0");
  }
  for (size_t i = 0; i < n; ++i) {
    if (DecodeFixed32(offsets + i * 4) > DecodeFixed32(offsets + i * 4 + 4)) {
      return DamagedColumns("dictionary offsets fall");
    }
  }
  return {};
}

}  // namespace

Status NumberView::Open(std::string_view block, uint32_t row_bound, NumberView* view) {
  *view = NumberView();
  if (block.empty()) {
    return {};
  }
  if (block.size() < 8) {
    return DamagedColumns("number block cut short");
  }
  const uint64_t n = DecodeFixed64(block.data());
  if (n == 0 || n > (block.size() - 8) / kNumberPairBytes ||
      block.size() - 8 != n * kNumberPairBytes) {
    return DamagedColumns("number block differs from its count");
  }
  view->size_ = n;
  view->bits_ = block.data() + 8;
  view->rows_ = view->bits_ + n * 8;
  view->kinds_ = view->rows_ + n * 4;
  ExactNumber previous;
  for (size_t i = 0; i < n; ++i) {
    ExactNumber number;
    if (!ExactNumber::FromBits(static_cast<uint8_t>(view->kinds_[i]),
                               DecodeFixed64(view->bits_ + i * 8), &number)) {
      return DamagedColumns("number is not canonical");
    }
    if (view->row(i) >= row_bound) {
      return DamagedColumns("row number is beyond the segment");
    }
    const bool ascends =
        i == 0 || previous < number || (previous == number && view->row(i - 1) < view->row(i));
    if (!ascends) {
      return DamagedColumns("numbers are out of order");
    }
    previous = number;
  }
  return {};
}

size_t NumberView::LowerBound(const ExactNumber& value) const {
  return PartitionPoint(size_, [&](size_t i) { return this->value(i) < value; });
}

size_t NumberView::UpperBound(const ExactNumber& value) const {
  return PartitionPoint(size_, [&](size_t i) { return this->value(i) <= value; });
}

void NumberView::AddRows(size_t first, size_t last, RowBits* rows) const {
  for (size_t i = first; i < last; ++i) {
    rows->Set(row(i));
  }
}

Status DictionaryView::Open(std::string_view block, uint32_t row_bound, DictionaryView* view) {
  *view = DictionaryView();
  if (block.empty()) {
    return {};
  }
  if (block.size() < 8) {
    return DamagedColumns("dictionary cut short");
  }
  const uint64_t n = DecodeFixed32(block.data());
  const uint64_t frame = 8 + (n + 1) * 8;
  if (n == 0 || DecodeFixed32(block.data() + 4) != 0 || frame > block.size()) {
    return DamagedColumns("dictionary differs from its count");
  }
  view->size_ = n;
  view->text_offsets_ = block.data() + 8;
  view->posting_offsets_ = view->text_offsets_ + (n + 1) * 4;
  LEADLINE_RETURN_IF_ERROR(CheckOffsets(view->text_offsets_, n));
  LEADLINE_RETURN_IF_ERROR(CheckOffsets(view->posting_offsets_, n));
  const uint64_t text_bytes = DecodeFixed32(view->text_offsets_ + n * 4);
  const uint64_t posting_bytes = DecodeFixed32(view->posting_offsets_ + n * 4);
  if (block.size() - frame != text_bytes + posting_bytes) {
    return DamagedColumns("dictionary differs from its offsets");
  }
  view->texts_ = block.data() + frame;
  view->postings_ = view->texts_ + text_bytes;
  for (size_t i = 0; i < n; ++i) {
    if (i > 0 && view->text(i - 1) >= view->text(i)) {
      return DamagedColumns("dictionary strings are out of order");
    }
    const std::string_view rows = Slice(view->posting_offsets_, view->postings_, i);
    if (rows.empty()) {
      return DamagedColumns("dictionary string has no rows");
    }
    LEADLINE_RETURN_IF_ERROR(CheckRowSet(rows, row_bound));
  }
  return {};
}

size_t DictionaryView::LowerBound(std::string_view text) const {
  return PartitionPoint(size_, [&](size_t i) { return this->text(i) < text; });
}

size_t DictionaryView::UpperBound(std::string_view text) const {
  return PartitionPoint(size_, [&](size_t i) { return this->text(i) <= text; });
}

void DictionaryView::AddRows(size_t first, size_t last, RowBits* rows) const {
  for (size_t i = first; i < last; ++i) {
    AddRowSet(Slice(posting_offsets_, postings_, i), rows);
  }
}

Status ColumnView::Open(std::string_view bytes, std::string_view entry, uint32_t row_bound,
                        uint64_t* position, ColumnView* view) {
  for (size_t block = 0; block < kBlocks; ++block) {
    const uint64_t offset = DecodeFixed64(entry.data() + block * 16);
    const uint64_t size = DecodeFixed64(entry.data() + block * 16 + 8);
    if (offset != *position || size > bytes.size() - offset) {
      return DamagedColumns("block is not where the one before it ends, or does not fit");
    }
    view->blocks[block] = bytes.substr(offset, size);
    *position += size;
  }
  view->path = view->blocks[kPath];
  for (size_t block = kPresent; block <= kFalse; ++block) {
    LEADLINE_RETURN_IF_ERROR(CheckRowSet(view->blocks[block], row_bound));
  }
  LEADLINE_RETURN_IF_ERROR(NumberView::Open(view->blocks[kNumbers], row_bound, &view->numbers));
  return DictionaryView::Open(view->blocks[kDictionary], row_bound, &view->texts);
}

}  // namespace leadline
