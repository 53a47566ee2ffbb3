#include "unpacked_rows.h"

#include <algorithm>

#include "row_codes_layout.h"

namespace leadline::index {
namespace {

/// Values of a group, and bytes of it.
constexpr size_t kGroup = 128;
constexpr size_t kGroupBytes = kGroup / 2;

}  // namespace

UnpackedRows::UnpackedRows(const RowCodes& codes, const uint32_t* ids, size_t count, size_t length,
                           size_t held)
    : codes_(codes),
      ids_(ids),
      count_(count),
      length_(length),
      held_(held),
      bytes_(std::min(count, held) * length + 2 * kGroup) {}

const uint8_t* UnpackedRows::From(size_t at, size_t count) {
  if (at < begin_ || at + count > end_) {
    begin_ = at;
    end_ = std::min(count_, at + held_);
    for (size_t i = begin_; i < end_; ++i) {
      const size_t row = ids_ == nullptr ? i : ids_[i];
      Unpack(codes_.codes() + row * codes_.stride(), bytes_.data() + (i - begin_) * length_);
    }
  }
  return bytes_.data() + (at - begin_) * length_;
}

/// Whole groups are written, so that the loops become vectors: what goes past a row is where the
/// next one will be.
void UnpackedRows::Unpack(const uint8_t* code, uint8_t* out) const {
  for (size_t done = 0; done < codes_.dim(); code += kGroupBytes) {
    const size_t half = NibbleHalf(codes_.dim() - done);
    for (size_t j = 0; j < kGroupBytes; ++j) {
      out[done + j] = code[j] & 15U;
    }
    for (size_t j = 0; j < kGroupBytes; ++j) {
      out[done + half + j] = static_cast<uint8_t>(code[j] >> 4U);
    }
    done += 2 * half;
  }
}

}  // namespace leadline::index
