#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "leadline/core/call_control.h"
#include "leadline/core/status.h"
#include "leadline/core/types.h"
#include "leadline/index/packed_lines.h"
#include "leadline/index/segment_index.h"
#include "leadline/simd/distance.h"
#include "leadline/simd/level.h"
#include "list_gaps.h"

namespace leadline::index {

/// The lists that queries visit.
struct ChosenLists {
  std::vector<uint32_t> lists;    ///< of one query after those of another, ascending
  std::vector<size_t> starts;     ///< [queries + 1] into lists
  std::vector<uint32_t> nearest;  ///< of each query the nearest of them

  /// Of query `q`.
  [[nodiscard]] std::span<const uint32_t> of(size_t q) const {
    return {lists.data() + starts[q], starts[q + 1] - starts[q]};
  }
};

/// Picks the lists a query visits: those with the nearest centres by 8-bit codes. Immutable once
/// made, thread-safe.
class ListChooser {
 public:
  /// Working memory of one thread.
  struct Scratch {
    std::vector<float> centred;
    std::vector<uint8_t> codes;
    std::vector<float> terms;
    std::vector<int32_t> sums;
    std::vector<float> distances;
    std::vector<uint32_t> lists;
    std::vector<float> near;
  };

  /// `centres` [nlist x dim], nlist >= 1, finite; by their directions where `metric` is kCosine.
  /// Cost: codes every one.
  ListChooser(MatrixView centres, Metric metric);
  /// Of no lists.
  ListChooser() = default;

  /// Makes `list` the last that anybody chooses.
  void PutLast(size_t list);

  /// Leaves in `chosen` the nearest lists of each query [n x dim]: `nprobe` <= nlist of them, or as
  /// many as `gaps` says unless that is null. Ties go to lower numbers. Equal for any split of the
  /// queries and at every SIMD level. Looks at `control` once for 1,024 lists and kQueriesTogether
  /// queries. Cost: n * nlist sums of bytes. Errors: kCancelled, kDeadlineExceeded.
  Status Choose(MatrixView queries, size_t nprobe, const ListGaps* gaps, const CallControl& control,
                Scratch* scratch, ChosenLists* chosen) const;

  /// Leaves in scratch->distances the distance of `query` [dim] to each centre or its direction:
  /// squared Euclidean less SquaredNorm, or for kInnerProduct minus the dot product. Looks at
  /// `control` once for 1,024 lists. Errors: kCancelled, kDeadlineExceeded.
  Status Compare(const float* query, const CallControl& control, Scratch* scratch) const;

  /// Of what `query` [dim] is to the mean of what it is compared with.
  [[nodiscard]] float SquaredNorm(const float* query) const;

  /// The metric's distance of a query to the centre of `list`: `compared` is what Compare or Choose
  /// left for that list, `norm` the query's SquaredNorm.
  [[nodiscard]] float DistanceTo(size_t list, float compared, float norm) const;

  /// Of the centre of `list`. REQUIRES: kCosine.
  [[nodiscard]] float LengthOf(size_t list) const { return lengths_[list]; }

  /// Writes the numbers of the `nprobe` smallest of `distances` [nlist], ascending.
  void KeepNearest(const float* distances, size_t nprobe, Scratch* scratch, uint32_t* chosen) const;

  [[nodiscard]] size_t lists() const { return nlist_; }

  [[nodiscard]] size_t resident_bytes() const;

 private:
  static constexpr size_t kQueriesTogether = 12;

  std::vector<float> TakeDirections(MatrixView centres);
  void Encode(MatrixView queries, Scratch* scratch) const;
  Status CompareSome(MatrixView queries, const CallControl& control, Scratch* scratch) const;

  Metric metric_ = Metric::kL2;
  size_t nlist_ = 0;
  size_t dim_ = 0;
  size_t stride_ = 0;  ///< bytes of a query's codes
  size_t length_ = 0;  ///< of these, as many as kernels look at
  size_t packs_ = 0;
  std::vector<float> centre_;
  std::vector<float> lengths_;  ///< under kCosine
  PackedLines packed_;          ///< centres, as simd::TileKernels takes queries
  std::vector<float> multipliers_;
  std::vector<int32_t> offsets_;
  std::vector<float> adds_;
};

}  // namespace leadline::index
