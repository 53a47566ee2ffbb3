#include "leadline/index/held_out_rows.h"

#include <algorithm>
#include <array>
#include <utility>

#include "leadline/core/no_throw.h"
#include "leadline/core/rng.h"
#include "leadline/index/code_scan.h"
#include "leadline/index/first_error.h"
#include "leadline/index/row_codes.h"
#include "leadline/index/top_k.h"
#include "leadline/simd/distance.h"

namespace leadline::index {
namespace {

constexpr size_t kMostRows = 256;
constexpr size_t kLeastRows = 128;
/// Values that all of them may be compared with: 256 rows with 1,000,000 of 100 dimensions.
constexpr uint64_t kMostValues = uint64_t{256} * 100'000'000;
/// Rows drawn that pass over the others together, and the others compared at a time.
constexpr size_t kTogether = 32;
constexpr size_t kTogetherByCodes = 64;
constexpr size_t kCompared = 256;

size_t CountFor(MatrixView vectors) {
  if (vectors.rows == 0) {
    return 0;
  }
  const uint64_t affordable = kMostValues / (uint64_t{vectors.rows} * vectors.dim);
  return std::clamp<uint64_t>(affordable, kLeastRows, kMostRows);
}

/// Keeps what was found for a row, but itself.
void Keep(size_t q, std::vector<Neighbor>&& found, HeldOutRows* drawn) {
  const uint32_t self = drawn->rows[q];
  std::erase_if(found, [self](const Neighbor& neighbor) { return neighbor.row == self; });
  found.resize(std::min(found.size(), kHeldOutNeighbors));
  drawn->nearest[q] = std::move(found);
}

/// Fills nearest[begin, end) of `drawn`.
Status FindNearest(MatrixView vectors, const simd::MetricDistance& distance,
                   const CallControl& control, size_t begin, size_t end, HeldOutRows* drawn) {
  std::vector<TopK> tops(end - begin, TopK(kHeldOutNeighbors + 1));
  std::array<float, kCompared> distances{};
  for (size_t first = 0; first < vectors.rows; first += kCompared) {
    const size_t count = std::min(kCompared, vectors.rows - first);
    for (size_t q = begin; q < end; ++q) {
      LEADLINE_RETURN_IF_ERROR(control.Check());
      distance.Rows(vectors.row(drawn->rows[q]).data(), vectors.row(first).data(), count,
                    distances.data());
      TopK& top = tops[q - begin];
      for (size_t i = 0; i < count; ++i) {
        if (distances[i] <= top.threshold()) {
          top.Offer(distances[i], static_cast<uint32_t>(first + i));
        }
      }
    }
  }
  for (size_t q = begin; q < end; ++q) {
    Keep(q, tops[q - begin].Take(), drawn);
  }
  return {};
}

/// The same by codes of the rows.
Status FindNearestByCodes(MatrixView vectors, const RowCodes& codes, const CallControl& control,
                          size_t begin, size_t end, HeldOutRows* drawn) {
  std::vector<float> queries;
  for (size_t q = begin; q < end; ++q) {
    const std::span<const float> row = vectors.row(drawn->rows[q]);
    queries.insert(queries.end(), row.begin(), row.end());
  }
  SearchParams params;
  params.k = kHeldOutNeighbors + 1;
  params.control = control;
  std::vector<SearchOutcome> found(end - begin);
  LEADLINE_RETURN_IF_ERROR(
      ScanCodedRows({codes, vectors}, {queries.data(), end - begin, vectors.dim}, params, found));
  for (size_t q = begin; q < end; ++q) {
    Keep(q, std::move(found[q - begin].neighbors), drawn);
  }
  return {};
}

}  // namespace

Result<HeldOutRows> DrawHeldOutRows(MatrixView vectors, Metric metric, uint64_t seed,
                                    Executor* executor, const CallControl& control,
                                    const RowCodes* codes) {
  HeldOutRows drawn;
  drawn.rows.resize(CountFor(vectors));
  drawn.nearest.resize(drawn.rows.size());
  Rng rng(seed);
  for (uint32_t& row : drawn.rows) {
    row = static_cast<uint32_t>(rng.Uniform(vectors.rows));
  }
  const simd::MetricDistance distance(metric, vectors.dim);
  const size_t together = codes == nullptr ? kTogether : kTogetherByCodes;
  std::vector<Status> statuses((drawn.rows.size() + together - 1) / together);
  ParallelFor(executor, statuses.size(), [&](size_t b) {
    const size_t begin = b * together;
    const size_t end = std::min(begin + together, drawn.rows.size());
    statuses[b] = NoThrow([&] {
      return codes == nullptr ? FindNearest(vectors, distance, control, begin, end, &drawn)
                              : FindNearestByCodes(vectors, *codes, control, begin, end, &drawn);
    });
  });
  Status failed = FirstError(statuses);
  LEADLINE_RETURN_IF_ERROR(failed);
  return drawn;
}

}  // namespace leadline::index
