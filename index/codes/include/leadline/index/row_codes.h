#pragma once

/// Codes of a segment's rows, row by row: what a graph walks on, and what narrows candidates down
/// before full precision has the last word.
///
/// A row x stands in its table as x - m, m the mean of all rows, in one of three forms:
///   sq8   bytes u with x - m ~ scale * (u - 128), one scale a row (largest magnitude / 127)
///   sq4   nibbles u with x - m ~ scale * (u - 7.5); the scale of least squared error among a few
///   bf16  the upper half of each f32, rounded to nearest even
/// and with |x - m|^2 of what the codes say, so that one integer dot product gives a distance.
/// After LVQ (Aguerrebere et al. 2023), with the norm of the decoded row: for near rows the error
/// then shrinks with the distance.

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "leadline/core/call_control.h"
#include "leadline/core/executor.h"
#include "leadline/core/status.h"
#include "leadline/core/types.h"
#include "leadline/simd/level.h"

namespace leadline::index {

/// Number of the section that holds them (storage/FORMAT.md).
inline constexpr uint32_t kRowCodesSection = 48;

/// The two numbers of a row beside its code: simd::SumToDistance says what for. The scale of bf16
/// is the length of what the code says, rounded up; it enters no distance.
struct RowTerms {
  float add = 0;
  float scale = 0;
};

/// Writes the codes of `vectors` as one section's bytes (storage/FORMAT.md, "Row codes"). Row r of
/// the table is row order[r] of the matrix; an empty `order` keeps the rows as they are. `beside`,
/// where not empty, is added to what the table says of each row's squared length: what the row has
/// beside the dimensions of the matrix.
/// REQUIRES: finite rows, dim >= 1; `order` empty or a permutation of the row numbers; `beside`
/// empty or [rows], in the order of the table. Equal inputs
/// give equal bytes on any number of threads and at every SIMD level. Looks at `control` every
/// 1,024 rows. Errors: kInvalidArgument (`codes` is not one of the three forms), kCancelled,
/// kDeadlineExceeded. May throw std::bad_alloc.
Result<std::string> EncodeRowCodes(MatrixView vectors, Metric metric, CodeType codes,
                                   Executor* executor, const CallControl& control,
                                   std::span<const uint32_t> order = {},
                                   std::span<const float> beside = {});

/// The same with zeros at `bytes` [RowCodesBytes], which the section takes. REQUIRES: `codes` is
/// one of the three forms.
size_t RowCodesBytes(CodeType codes, size_t rows, size_t dim);
Status EncodeRowCodesTo(char* bytes, MatrixView vectors, Metric metric, CodeType codes,
                        Executor* executor, const CallControl& control,
                        std::span<const uint32_t> order = {}, std::span<const float> beside = {});

class RowCodes;

/// What EncodeRowCodes gives for `order`, a permutation, from what it gave without: the section
/// `codes` was opened over. May throw std::bad_alloc.
std::string OrderRowCodes(std::string_view section, const RowCodes& codes,
                          std::span<const uint32_t> order, Executor* executor);

/// A validated table over a section's bytes, which must outlive it. Immutable, thread-safe, cheap
/// to copy.
class RowCodes {
 public:
  /// Checks header, size and that every number beside the codes is finite. kDataLoss otherwise;
  /// kUnimplemented for a newer version; kInvalidArgument where bytes are not on a 64-byte
  /// boundary.
  static Result<RowCodes> Open(std::string_view bytes, size_t rows, size_t dim, Metric metric);

  [[nodiscard]] CodeType type() const { return type_; }

  [[nodiscard]] Metric metric() const { return metric_; }

  [[nodiscard]] size_t rows() const { return rows_; }

  [[nodiscard]] size_t dim() const { return dim_; }

  /// The mean of all rows [dim].
  [[nodiscard]] const float* mean() const { return mean_; }

  /// Its squared length.
  [[nodiscard]] double squared_mean() const { return squared_mean_; }

  /// False for sq4 and bf16 of a section from before they had the bounds that follow: exact search
  /// must not go by them.
  [[nodiscard]] bool promises() const { return promises_; }

  /// What the codes promise of every row x, in exact arithmetic: |x - m - decoded| is at most
  /// scale * error_steps() + kLeastError * sqrt(dim), and |decoded| at most scale * norm_steps().
  [[nodiscard]] float error_steps() const { return error_steps_; }

  [[nodiscard]] float norm_steps() const { return norm_steps_; }

  /// A value smaller than this may be lost altogether: its scale would have no inverse.
  static constexpr double kLeastError = 1.3e-36;

  /// Bytes a row occupies, all of it included.
  [[nodiscard]] size_t bytes_per_row() const {
    return stride_ + (terms_in_row() ? 0 : sizeof(RowTerms));
  }

  /// Row r's code is at codes() + r * stride(), its RowTerms at terms() + r * terms_stride(): what
  /// kernels on many rows take.
  [[nodiscard]] const uint8_t* codes() const { return codes_; }

  [[nodiscard]] size_t stride() const { return stride_; }

  [[nodiscard]] const uint8_t* terms() const { return terms_; }

  [[nodiscard]] RowTerms terms_of(uint32_t row) const {
    RowTerms terms;
    std::memcpy(&terms, terms_ + row * terms_stride_, sizeof terms);
    return terms;
  }

  [[nodiscard]] size_t terms_stride() const { return terms_stride_; }

  /// Asks for a row's code and terms to be brought to the first-level cache.
  void Prefetch(uint32_t row) const {
    const uint8_t* code = codes_ + row * stride_;
    for (size_t offset = 0; offset < stride_; offset += 64) {
      __builtin_prefetch(code + offset);
    }
    if (!terms_in_row()) {
      __builtin_prefetch(terms_ + row * terms_stride_);
    }
  }

 private:
  friend class RowQuery;
  friend class GrowingCodes;

  [[nodiscard]] bool terms_in_row() const { return terms_stride_ == stride_; }

  CodeType type_ = CodeType::kSq8;
  Metric metric_ = Metric::kL2;
  size_t rows_ = 0;
  size_t dim_ = 0;
  float error_steps_ = 0;
  float norm_steps_ = 0;
  bool promises_ = false;
  size_t stride_ = 0;
  const float* mean_ = nullptr;
  double squared_mean_ = 0;
  const uint8_t* codes_ = nullptr;
  const uint8_t* terms_ = nullptr;  ///< RowTerms of row r at r * terms_stride_
  size_t terms_stride_ = 0;
};

/// One query in the form a table compares. Thread-compatible; keeps its buffers for the next query.
class RowQuery {
 public:
  explicit RowQuery(const simd::CodeKernels& kernels = simd::CurrentLevel().codes)
      : kernels_(&kernels) {}

  /// Readies the query [dim] for `codes`, which must outlive the calls that follow.
  void Prepare(const RowCodes& codes, const float* query);

  /// Readies row `row` of `codes`, as its code says it, for comparison with others.
  /// REQUIRES: sq8; not kInnerProduct, whose distances depend on the mean as well.
  void PrepareRow(const RowCodes& codes, uint32_t row);

  /// What to add to a distance to get that between the decoded vectors: squared Euclidean for kL2
  /// and kCosine, minus the dot product for kInnerProduct. Cost: a pass over the dimensions after
  /// Prepare.
  [[nodiscard]] float Shift() const;

  /// distances[i] of rows ids[i], i < count: what the metric gives for the decoded rows, up to
  /// rounding of the query and a number that is the same for every row. Equal bits for equal pairs
  /// at any position, and at every SIMD level for sq8 and sq4. `sums` is room for count integers.
  void Distances(const uint32_t* ids, size_t count, int32_t* sums, float* distances) const;

  /// The same for rows of `table`, whose codes, metric, dimension and mean are those of the table
  /// that the query was readied for.
  void DistancesIn(const RowCodes& table, const uint32_t* ids, size_t count, int32_t* sums,
                   float* distances) const;

  /// The query of sq8 or sq4 as kernels take it, a multiple of simd::kCodeBytes long, and what its
  /// sums stand for.
  [[nodiscard]] std::span<const int8_t> integers() const { return integers_; }

  [[nodiscard]] simd::SumToDistance map() const { return map_; }

  /// The same integers in the order of the dimensions, then zeros: to a multiple of
  /// simd::kCodeBytes.
  [[nodiscard]] std::span<const int8_t> values() const {
    return codes_.type_ == CodeType::kSq4 ? linear_ : integers_;
  }

  /// The query of bf16, which stays in f32: as the table sees it, in the order of the dimensions.
  [[nodiscard]] std::span<const float> centred() const { return centred_; }

 private:
  void Quantize();

  const simd::CodeKernels* kernels_;
  RowCodes codes_;
  std::optional<float> row_norm_;  ///< squared, where a row was prepared
  std::vector<float> centred_;     ///< [dim, padded to 64]
  std::vector<int8_t> integers_;   ///< in the order of the codes' bytes or nibbles
  std::vector<int8_t> linear_;     ///< sq4: before its nibbles are paired, padded to 64
  simd::SumToDistance map_;
};

}  // namespace leadline::index
