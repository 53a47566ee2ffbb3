#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ivf_parts.h"
#include "leadline/core/call_control.h"
#include "leadline/core/status.h"
#include "list_masks.h"

namespace leadline::index {

/// What the matches of lists are to one query; one element for each list of a MatchTable.
struct MatchScores {
  ListChooser::Scratch chooser;
  std::vector<float> order;   ///< visit the smallest first
  std::vector<float> middle;  ///< what the distance of a match is about
  std::vector<float> spread;  ///< how far matches are from that, but for a factor
};

/// Where in each list the rows of a filter lie: their mean, and how far they are from it, by a few
/// of them. Lists without a match are left out. Immutable, thread-safe.
///
/// Distances are those of the metric for kInnerProduct and squared Euclidean ones otherwise.
class MatchTable {
 public:
  /// `masks` null: of all rows. REQUIRES: sq8 codes of rows.
  MatchTable(const IvfParts& parts, const ListMasks* masks);

  [[nodiscard]] size_t size() const { return lists_.size(); }

  /// Numbers of the lists, ascending.
  [[nodiscard]] std::span<const uint32_t> lists() const { return lists_; }

  /// Matches of each.
  [[nodiscard]] std::span<const uint32_t> counts() const { return counts_; }

  /// Compares `query` [dim] with the means of all lists. Errors: kCancelled, kDeadlineExceeded.
  Status Score(const float* query, const CallControl& control, MatchScores* scores) const;

  /// Indices of the `count` <= size() lists to visit first, ascending.
  void KeepNearest(size_t count, MatchScores* scores, std::vector<uint32_t>* nearest) const;

  [[nodiscard]] size_t resident_bytes() const;

 private:
  struct Sums;

  void AddList(const IvfParts& parts, const ListMasks* masks, uint32_t list, Sums* sums);

  Metric metric_ = Metric::kL2;
  size_t dim_ = 0;
  std::vector<uint32_t> lists_;
  std::vector<uint32_t> counts_;
  std::vector<float> spreads_;  ///< root of the mean square of the matches' distances to them
  std::vector<float> bonuses_;  ///< taken from the distances that lists are ordered by
  ListChooser chooser_;         ///< on the means
};

/// The row that `codes` hold at `position`, as its code says it. Shapes: row [dim].
void DecodeRow(const RowCodes& codes, size_t position, float* row);

}  // namespace leadline::index
