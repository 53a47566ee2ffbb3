#include "row_codes_layout.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "leadline/core/round_up.h"
#include "leadline/simd/normalize.h"

namespace leadline::index {
namespace {

constexpr size_t kSmallStride = 32;

size_t CodeBytes(CodeType codes, size_t dim) {
  switch (codes) {
    case CodeType::kSq4:
      return dim / 128 * 64 + NibbleHalf(dim % 128);
    case CodeType::kBf16:
      return 2 * dim;
    default:
      return dim;
  }
}

Status Bad(const std::string& what) {
  return DataLossError("row codes are damaged: " + what);
}

/// The largest bounds that a table may state.
struct WidestBounds {
  double error = 0;
  double norm = 0;
};

WidestBounds WidestOf(const RowCodesHeader& header) {
  const double root = std::sqrt(static_cast<double>(header.dim));
  switch (static_cast<CodeType>(header.codes)) {
    case CodeType::kSq8:
      // A code is nowhere farther than a step from what it stands for, and has at most 128 of them.
      return {root, 128 * root};
    case CodeType::kSq4:
      // What is cut off is less than what is left, which are 7.5 steps.
      return header.version == 2 ? WidestBounds() : WidestBounds{8 * root, 8 * root};
    default:
      // Half a unit in the last of eight bits; the scale is the length itself.
      return header.version == 2 ? WidestBounds() : WidestBounds{0x1p-7, 1.5};
  }
}

Status CheckHeader(const RowCodesHeader& header, size_t rows, size_t dim, Metric metric) {
  if (header.version < kOldestRowCodesVersion || header.version > kRowCodesVersion) {
    return UnimplementedError(
        "row codes of another version: value=" + std::to_string(header.version) + " limit=" +
        std::to_string(kOldestRowCodesVersion) + ".." + std::to_string(kRowCodesVersion));
  }
  if (header.rows != rows || header.dim != dim || header.metric != static_cast<uint32_t>(metric)) {
    return Bad("shape differs from the segment: rows=" + std::to_string(header.rows) +
               " dim=" + std::to_string(header.dim) + " metric=" + std::to_string(header.metric));
  }
  const auto codes = static_cast<CodeType>(header.codes);
  if (header.codes > 0xFF ||
      (codes != CodeType::kSq8 && codes != CodeType::kSq4 && codes != CodeType::kBf16)) {
    return Bad("codes=" + std::to_string(header.codes));
  }
  for (const uint32_t word : header.reserved) {
    if (word != 0) {
      return Bad("reserved bytes are not zero");
    }
  }
  const WidestBounds widest = WidestOf(header);
  if (!(header.error_steps >= 0 && header.error_steps <= widest.error) ||
      !(header.norm_steps >= 0 && header.norm_steps <= widest.norm)) {
    return Bad("bounds of the codes: error=" + std::to_string(header.error_steps) +
               " norm=" + std::to_string(header.norm_steps));
  }
  return {};
}

}  // namespace

RowCodesShape ShapeOf(CodeType codes, size_t rows, size_t dim) {
  RowCodesShape shape;
  shape.code_bytes = CodeBytes(codes, dim);
  // Bits of a float in a row that is read as bf16 could be a NaN, which times zero is not zero.
  const bool may_hold_terms = codes != CodeType::kBf16;
  if (may_hold_terms && shape.code_bytes + sizeof(RowTerms) <= kSmallStride) {
    shape.stride = kSmallStride;
  } else {
    shape.stride = RoundUp(shape.code_bytes, simd::kCodeBytes);
  }
  shape.terms_in_row = may_hold_terms && shape.code_bytes + sizeof(RowTerms) <= shape.stride;
  shape.mean = sizeof(RowCodesHeader);
  shape.terms = RoundUp(shape.mean + dim * sizeof(float), simd::kCodeBytes);
  shape.codes = shape.terms;
  if (!shape.terms_in_row) {
    shape.codes = RoundUp(shape.terms + rows * sizeof(RowTerms), simd::kCodeBytes);
  }
  shape.end = shape.codes + rows * shape.stride + simd::kCodeBytes;
  return shape;
}

Result<RowCodes> RowCodes::Open(std::string_view bytes, size_t rows, size_t dim, Metric metric) {
  RowCodesHeader header{};
  if (bytes.size() < sizeof header) {
    return Bad("shorter than the header: bytes=" + std::to_string(bytes.size()));
  }
  if (reinterpret_cast<uintptr_t>(bytes.data()) % simd::kCodeBytes != 0) {
    return InvalidArgumentError("row codes are not aligned to 64 bytes");
  }
  std::memcpy(&header, bytes.data(), sizeof header);
  LEADLINE_RETURN_IF_ERROR(CheckHeader(header, rows, dim, metric));
  RowCodes codes;
  codes.type_ = static_cast<CodeType>(header.codes);
  const RowCodesShape shape = ShapeOf(codes.type_, rows, dim);
  if (bytes.size() != shape.end) {
    return Bad("bytes=" + std::to_string(bytes.size()) + " expected=" + std::to_string(shape.end));
  }
  const auto* start = reinterpret_cast<const uint8_t*>(bytes.data());
  codes.metric_ = metric;
  codes.rows_ = rows;
  codes.dim_ = dim;
  codes.error_steps_ = header.error_steps;
  codes.norm_steps_ = header.norm_steps;
  codes.promises_ = header.version > 2 || codes.type_ == CodeType::kSq8;
  codes.stride_ = shape.stride;
  codes.mean_ = reinterpret_cast<const float*>(start + shape.mean);
  codes.squared_mean_ = simd::SquaredNorm(codes.mean_, dim);
  codes.codes_ = start + shape.codes;
  codes.terms_ =
      shape.terms_in_row ? codes.codes_ + shape.stride - sizeof(RowTerms) : start + shape.terms;
  codes.terms_stride_ = shape.terms_in_row ? shape.stride : sizeof(RowTerms);
  for (size_t i = 0; i < dim; ++i) {
    if (!std::isfinite(codes.mean_[i])) {
      return Bad("mean is not finite: dimension=" + std::to_string(i));
    }
  }
  for (size_t r = 0; r < rows; ++r) {
    RowTerms terms;
    std::memcpy(&terms, codes.terms_ + r * codes.terms_stride_, sizeof terms);
    if (!std::isfinite(terms.add) || !std::isfinite(terms.scale) || terms.scale < 0) {
      return Bad("terms are not those of a row: row=" + std::to_string(r));
    }
  }
  return codes;
}

}  // namespace leadline::index
