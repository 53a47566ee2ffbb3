#pragma once

#include <cstddef>
#include <optional>

#include "leadline/index/search_curve.h"
#include "leadline/index/segment_index.h"

namespace leadline::index {

/// What a caller says about how hard to look; 0 and nothing leave it to the curve.
struct SearchWish {
  size_t k = 10;
  std::optional<double> target_recall = std::nullopt;
  size_t effort = 0;  ///< nprobe or ef_search, whichever the kind has
  size_t rescore = 0;
};

/// What a search does then.
struct TunedSearch {
  size_t effort = 0;  ///< 0: the kind's own default
  size_t candidates = 0;
  size_t rescore = 0;
  std::optional<double> promised;  ///< recall to expect; nothing where no curve tells
  bool target_missed = false;      ///< the curve ends below the target: its last point was taken
};

/// Share of the neighbours of rows that a search without a wish finds: decision 0005.
inline constexpr float kDefaultRowRecall = 0.98F;

/// The cheapest setting whose promise reaches the target, between points in proportion; without a
/// target the one that finds kDefaultRowRecall. What the caller gives is taken as it is, and the
/// rest fits it. For more than 10 neighbours effort grows with the fourth root of k / 10 for lists
/// and its square root for graphs, candidates and rescoring with k / 10. Measured, not promised.
TunedSearch TuneSearch(const SearchCurve& curve, const SearchWish& wish);

}  // namespace leadline::index
