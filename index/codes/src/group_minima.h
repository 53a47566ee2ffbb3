#pragma once

#include <cstddef>
#include <vector>

namespace leadline::index {

/// A bound on the k-th smallest distance of each of several lanes from a few of its rows, before
/// any list of candidates exists: rows go into groups, and k groups whose smallest is within some
/// distance hold k rows within it. Thread-compatible.
class GroupMinima {
 public:
  /// For scans of `rows` rows that arrive in tiles of `tile_rows`.
  GroupMinima(size_t k, size_t rows, size_t tile_rows);

  /// Rows to add before asking, whole tiles; 0 where looking at them twice would not pay.
  [[nodiscard]] size_t rows() const { return rows_; }

  /// Forgets what was added; what comes has `lanes` lanes.
  void Start(size_t lanes);

  /// Adds a tile's distances [tile_rows x lanes].
  void Add(const float* distances);

  /// At least as large as the k-th smallest distance added for `lane`.
  [[nodiscard]] float BoundOf(size_t lane);

 private:
  size_t k_;
  size_t rows_;
  size_t tile_rows_;
  size_t lanes_ = 0;
  size_t group_rows_ = 1;
  std::vector<float> minima_;  ///< [groups x lanes]
  std::vector<float> of_lane_;
};

}  // namespace leadline::index
