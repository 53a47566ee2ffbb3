#pragma once

/// What an index measured of itself when it was built: how much of a search finds how much.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "leadline/core/call_control.h"
#include "leadline/core/executor.h"
#include "leadline/core/status.h"
#include "leadline/core/types.h"
#include "leadline/index/held_out_rows.h"
#include "leadline/index/segment_index.h"

namespace leadline::index {

/// Number of the section that holds a curve (storage/FORMAT.md).
inline constexpr uint32_t kSearchCurveSection = 49;

/// Longest curve.
inline constexpr size_t kMaxCurvePoints = 64;

/// One setting and what it gave for held-out rows.
struct CurvePoint {
  uint32_t effort = 0;      ///< nprobe of ivf, ef_search of hnsw; >= 1
  uint32_t candidates = 0;  ///< SearchParams::candidates; 0 without product codes
  uint32_t rescore = 0;     ///< SearchParams::rescore; 0 without codes
  float recall = 0;         ///< mean share of the ten nearest rows, ties counted as found
  float promised = 0;       ///< what queries that are no rows may expect; at most `recall`
  float distances = 0;      ///< mean SearchStats::distances
};

/// The settings worth using, cheapest first: along it neither effort, candidates, recall nor
/// promise falls. Empty where nothing was measured.
struct SearchCurve {
  IndexKind kind = IndexKind::kFlat;
  CodeType codes = CodeType::kF32;
  uint32_t lists = 0;    ///< ivf: how many there are
  uint32_t samples = 0;  ///< held-out rows it was measured with
  std::vector<CurvePoint> points;
};

/// Searches `index` over `vectors` for each of `held_out`, which leaves itself out, with growing
/// effort until nearly everything is found or the budget is spent. With product codes, whether
/// more lists or more candidates come next is decided by what either finds for what it costs.
///
/// A promise is the lower end of a one-sided interval of the recall (one standard error, for hits
/// that come in clusters by query), and what it misses is multiplied: by 1.25 for lists, by 2.5 for
/// graphs, where a row starts among its own links (docs/decisions/0016-auto-by-measuring.md).
///
/// Counts work, never time: equal inputs give equal curves on any number of threads.
/// Empty for exact kinds and where no row has a neighbour. Errors: kCancelled, kDeadlineExceeded.
/// Cost: as much as reading the rows once or twice in full precision for each held-out row, at
/// most.
Result<SearchCurve> MeasureCurve(const SegmentIndex& index, CodeType codes, MatrixView vectors,
                                 const HeldOutRows& held_out, Executor* executor,
                                 const CallControl& control);

/// The section's bytes. REQUIRES: not empty.
std::string EncodeCurve(const SearchCurve& curve);

/// Reads a section back; `kind` and `codes` are the segment's. kDataLoss where it breaks a rule of
/// storage/FORMAT.md, kUnimplemented for a newer version.
Result<SearchCurve> DecodeCurve(std::string_view bytes, IndexKind kind, CodeType codes);

}  // namespace leadline::index
