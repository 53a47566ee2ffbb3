#include "leadline/index/growing_codes.h"

#include <algorithm>
#include <cstring>

#include "leadline/simd/level.h"

namespace leadline::index {

GrowingCodes::GrowingCodes(const RowCodes& like, size_t capacity)
    : mean_(like.mean(), like.mean() + like.dim()), table_(like) {
  // As a section has it: kernels may read a line past the last row.
  lines_.resize((capacity * like.stride() + sizeof(Line) - 1) / sizeof(Line) + 1);
  table_.mean_ = mean_.data();
  table_.rows_ = capacity;
  table_.codes_ = reinterpret_cast<const uint8_t*>(lines_.data());
  if (like.terms_in_row()) {
    table_.terms_ = table_.codes_ + (like.terms() - like.codes());
  } else {
    terms_.resize(capacity);
    table_.terms_ = reinterpret_cast<const uint8_t*>(terms_.data());
  }
}

void GrowingCodes::Encode(size_t at, const float* row) {
  const size_t dim = mean_.size();
  std::vector<float> centred(dim);
  uint8_t* out = code(at);
  const simd::ByteSums sums =
      simd::CurrentLevel().codes.byte_codes(row, mean_.data(), dim, centred.data(), out);
  const double norm = static_cast<double>(sums.scale) * sums.scale * sums.squares;
  RowTerms terms;
  terms.scale = sums.scale;
  terms.add = table_.metric() == Metric::kInnerProduct ? 0.0F : static_cast<float>(norm);
  if (table_.terms_in_row()) {
    std::memcpy(out + (table_.terms() - table_.codes()), &terms, sizeof terms);
  } else {
    terms_[at] = terms;
  }
}

void GrowingCodes::Copy(const GrowingCodes& other, size_t count) {
  if (count > 0) {
    std::memcpy(code(0), other.table_.codes(), count * table_.stride());
    std::copy_n(other.terms_.begin(), terms_.empty() ? 0 : count, terms_.begin());
  }
}

}  // namespace leadline::index
