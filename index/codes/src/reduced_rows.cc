#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "axes_layout.h"
#include "axes_learner.h"
#include "leadline/core/no_throw.h"
#include "leadline/index/first_error.h"
#include "leadline/index/held_out_rows.h"
#include "leadline/index/owned_codes.h"
#include "leadline/index/principal_axes.h"
#include "leadline/index/row_codes.h"
#include "leadline/index/top_k.h"

namespace leadline::index {
namespace {

/// Rows that axes are learned from at most, and rows below which they are not worth learning.
constexpr size_t kMostSampled = 20'000;
constexpr size_t kLeastReducedRows = 2048;
/// Learning takes seconds here, and eight times as long for twice as many.
constexpr size_t kMostDim = 2048;
/// Of the ten nearest rows so many have to be among the thirty nearest by codes.
constexpr size_t kAmong = 30;
constexpr double kEnoughFound = 0.999;
/// Axes that keep less of the variance are not worth a try.
constexpr double kLeastShare = 0.8;
/// What the part of a row that the axes leave out counts for. It points much the same way as that
/// of a near row: with its whole square rows off the axes look too far away, without it too near.
constexpr float kLeftOutWeight = 0.5F;

/// Numbers of axes, ascending, that fill cache lines together with the two numbers of a row.
std::vector<size_t> NumbersOfAxes(size_t dim) {
  std::vector<size_t> numbers;
  constexpr size_t kTerms = sizeof(RowTerms);
  const size_t most = std::min(dim * 3 / 4, kMostAxes);
  for (size_t bytes = simd::kCodeBytes / 2; bytes - kTerms <= most;) {
    numbers.push_back(bytes - kTerms);
    bytes += std::max(bytes / 4 / simd::kCodeBytes * simd::kCodeBytes,
                      simd::kCodeBytes - bytes % simd::kCodeBytes);
  }
  return numbers;
}

/// Evenly spread rows, none of those that measure what they are good for.
std::vector<uint32_t> SampleOf(size_t rows, const HeldOutRows& held_out) {
  std::vector<bool> taken(rows);
  for (const uint32_t row : held_out.rows) {
    taken[row] = true;
  }
  std::vector<uint32_t> sample;
  const size_t count = std::min(rows, kMostSampled);
  for (size_t i = 0; i < count; ++i) {
    const size_t row = i * rows / count;
    if (!taken[row]) {
      sample.push_back(static_cast<uint32_t>(row));
    }
  }
  return sample;
}

/// Of the nearest rows of held-out row `i`, the share that is among kAmong by `codes` of `rows`.
double ShareFound(const RowCodes& codes, MatrixView rows, const HeldOutRows& held_out, size_t i) {
  constexpr size_t kBlock = 256;
  std::array<uint32_t, kBlock> numbers{};
  std::array<int32_t, kBlock> sums{};
  std::array<float, kBlock> distances{};
  const uint32_t self = held_out.rows[i];
  RowQuery query;
  query.Prepare(codes, rows.row(self).data());
  TopK top(kAmong + 1);
  for (size_t begin = 0; begin < rows.rows; begin += kBlock) {
    const size_t count = std::min(kBlock, rows.rows - begin);
    std::iota(numbers.begin(), numbers.end(), static_cast<uint32_t>(begin));
    query.Distances(numbers.data(), count, sums.data(), distances.data());
    for (size_t r = 0; r < count; ++r) {
      if (distances[r] <= top.threshold()) {
        top.Offer(distances[r], numbers[r]);
      }
    }
  }
  std::vector<Neighbor> near = top.Take();
  std::erase_if(near, [self](const Neighbor& neighbor) { return neighbor.row == self; });
  near.resize(std::min(near.size(), kAmong));
  const std::vector<Neighbor>& nearest = held_out.nearest[i];
  const auto found = std::count_if(nearest.begin(), nearest.end(), [&](const Neighbor& wanted) {
    return std::any_of(near.begin(), near.end(),
                       [&](const Neighbor& neighbor) { return neighbor.row == wanted.row; });
  });
  return nearest.empty() ? 1 : static_cast<double>(found) / static_cast<double>(nearest.size());
}

Result<double> MeanShareFound(const RowCodes& codes, MatrixView rows, const HeldOutRows& held_out,
                              const BuildOptions& options) {
  std::vector<double> shares(held_out.rows.size());
  std::vector<Status> statuses(shares.size());
  ParallelFor(options.executor, shares.size(), [&](size_t i) {
    statuses[i] = NoThrow([&]() -> Status {
      LEADLINE_RETURN_IF_ERROR(options.control.Check());
      shares[i] = ShareFound(codes, rows, held_out, i);
      return {};
    });
  });
  Status failed = FirstError(statuses);
  LEADLINE_RETURN_IF_ERROR(failed);
  return std::accumulate(shares.begin(), shares.end(), 0.0) / static_cast<double>(shares.size());
}

/// Rows by their first `kept` axes, where those tell near rows from others.
Result<std::optional<ReducedRows>> TryAxes(MatrixView vectors, const LearnedAxes& axes, size_t kept,
                                           const HeldOutRows& held_out, const BuildOptions& options,
                                           std::span<const uint32_t> order) {
  LEADLINE_ASSIGN_OR_RETURN(ProjectedRows projected, ProjectRows(vectors, axes, kept, options));
  const MatrixView rows{projected.lengths.data(), vectors.rows, kept};
  for (float& left_out : projected.left_out) {
    left_out *= options.metric == Metric::kInnerProduct ? 0.0F : kLeftOutWeight;
  }
  ReducedRows reduced;
  LEADLINE_ASSIGN_OR_RETURN(reduced.codes,
                            EncodeRowCodes(rows, options.metric, CodeType::kSq8, options.executor,
                                           options.control, {}, projected.left_out));
  LEADLINE_ASSIGN_OR_RETURN(const OwnedCodes table,
                            OwnedCodes::Copy(reduced.codes, vectors.rows, kept, options.metric));
  LEADLINE_ASSIGN_OR_RETURN(const double found,
                            MeanShareFound(table.codes(), rows, held_out, options));
  if (found < kEnoughFound) {
    return std::optional<ReducedRows>();
  }
  if (!order.empty()) {
    std::vector<float> left_out;
    left_out.reserve(order.size());
    for (const uint32_t row : order) {
      left_out.push_back(projected.left_out[row]);
    }
    LEADLINE_ASSIGN_OR_RETURN(reduced.codes,
                              EncodeRowCodes(rows, options.metric, CodeType::kSq8, options.executor,
                                             options.control, order, left_out));
  }
  reduced.axes = EncodeAxes(axes, kept);
  reduced.kept = kept;
  reduced.rows = std::move(projected.lengths);
  return std::optional<ReducedRows>(std::move(reduced));
}

/// Nothing where no number of axes will do.
Result<std::optional<ReducedRows>> ReduceByAxes(MatrixView vectors, const BuildOptions& options,
                                                std::span<const uint32_t> order) {
  const std::vector<size_t> numbers = NumbersOfAxes(vectors.dim);
  if (vectors.rows < kLeastReducedRows || vectors.dim > kMostDim || numbers.empty()) {
    return std::optional<ReducedRows>();
  }
  HeldOutRows drawn;
  if (options.held_out == nullptr) {
    LEADLINE_ASSIGN_OR_RETURN(drawn, DrawHeldOutRows(vectors, options.metric, options.seed,
                                                     options.executor, options.control));
  }
  const HeldOutRows& held_out = options.held_out == nullptr ? drawn : *options.held_out;
  LEADLINE_ASSIGN_OR_RETURN(
      const std::optional<LearnedAxes> axes,
      LearnAxes(vectors, SampleOf(vectors.rows, held_out), numbers.back(), options));
  for (const size_t kept : numbers) {
    if (axes.has_value() && axes->shares[kept - 1] >= kLeastShare) {
      LEADLINE_ASSIGN_OR_RETURN(std::optional<ReducedRows> reduced,
                                TryAxes(vectors, *axes, kept, held_out, options, order));
      if (reduced.has_value()) {
        return reduced;
      }
    }
  }
  return std::optional<ReducedRows>();
}

}  // namespace

Result<ReducedRows> ReduceRows(MatrixView vectors, const BuildOptions& options,
                               std::span<const uint32_t> order) {
  LEADLINE_ASSIGN_OR_RETURN(std::optional<ReducedRows> reduced,
                            ReduceByAxes(vectors, options, order));
  if (reduced.has_value()) {
    return *std::move(reduced);
  }
  ReducedRows plain;
  plain.axes = EncodeNoAxes(vectors.dim);
  LEADLINE_ASSIGN_OR_RETURN(plain.codes, EncodeRowCodes(vectors, options.metric, CodeType::kSq8,
                                                        options.executor, options.control, order));
  return plain;
}

}  // namespace leadline::index
