#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "leadline/core/call_control.h"
#include "leadline/core/executor.h"
#include "leadline/core/status.h"
#include "leadline/core/types.h"
#include "leadline/index/row_codes.h"

namespace leadline::index::hnsw {

/// Rows that a build looks for neighbours of together, and what it does that with.
struct CodedRows {
  MatrixView vectors;
  Metric metric = Metric::kL2;      ///< not kInnerProduct
  const RowCodes& codes;            ///< sq8, of `vectors`
  std::span<const uint32_t> nodes;  ///< rows that take part, ascending
};

/// Nodes in groups of neighbours: each goes to the nearest of some centres, which are then moved to
/// the means of their nodes, as in k-means but only a few times. Immutable once made. Equal on any
/// number of threads and at every SIMD level.
class Cells {
 public:
  /// Nodes of a cell at most.
  static constexpr size_t kMostMembers = 256;

  /// About `size` nodes a cell; ones with too many are split, with equal centres.
  /// REQUIRES: at least one node. Cost: nodes^2 / size sums of bytes, a few times. Errors:
  /// kCancelled, kDeadlineExceeded, kResourceExhausted.
  static Result<Cells> Make(const CodedRows& rows, size_t size, Executor* executor,
                            const CallControl& control);

  [[nodiscard]] size_t count() const { return begins_.size() - 1; }

  /// Ascending rows, at least one.
  [[nodiscard]] std::span<const uint32_t> MembersOf(uint32_t cell) const {
    return {members_.data() + begins_[cell], begins_[cell + 1] - begins_[cell]};
  }

  /// The `count` cells nearest to each of `cells`, each list with the cell itself first, then
  /// ascending by distance: near [cells.size() x count]. REQUIRES: 1 <= count <= count().
  /// Errors: as Make.
  Status FindNear(std::span<const uint32_t> cells, size_t count, Metric metric, Executor* executor,
                  const CallControl& control, std::vector<uint32_t>* near) const;

 private:
  Cells() = default;

  Status Assign(const CodedRows& rows, Executor* executor, const CallControl& control);
  void Group(const CodedRows& rows);
  void AddCentres(const CodedRows& rows, size_t size);
  void Finish();
  Status MoveCentres(const CodedRows& rows, Executor* executor, const CallControl& control);

  [[nodiscard]] MatrixView centres() const { return {centres_.data(), begins_.size() - 1, dim_}; }

  size_t dim_ = 0;
  std::vector<float> centres_;     ///< [cells x dim]
  std::vector<uint32_t> cell_of_;  ///< of nodes[i]
  std::vector<uint32_t> begins_;   ///< where each cell begins in members_, then the end of all
  std::vector<uint32_t> members_;
};

}  // namespace leadline::index::hnsw
