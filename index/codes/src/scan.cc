#include "leadline/index/scan.h"

#include <algorithm>
#include <array>
#include <bit>
#include <string>

#include "leadline/simd/distance.h"

namespace leadline::index {
namespace {

/// Rows per kernel call: one word of an `allowed` bitmap.
constexpr size_t kScanBlockRows = 64;

Status CheckQueries(MatrixView vectors, MatrixView queries, size_t tops, size_t stats) {
  if (queries.dim != vectors.dim) {
    return InvalidFieldError("query dimension differs from the rows", "query.dim",
                             std::to_string(queries.dim), std::to_string(vectors.dim));
  }
  if (tops != queries.rows || stats != queries.rows) {
    return InvalidFieldError("one answer per query", "tops", std::to_string(std::min(tops, stats)),
                             std::to_string(queries.rows));
  }
  return {};
}

void OfferAll(const float* distances, const uint32_t* rows, uint32_t first_row_number, size_t count,
              TopK* top) {
  float threshold = top->threshold();
  for (size_t i = 0; i < count; ++i) {
    // Equal distances may still win by row number.
    if (distances[i] <= threshold) {
      top->Offer(distances[i], first_row_number + rows[i]);
      threshold = top->threshold();
    }
  }
}

/// Row numbers of the set bits of `word`, counted from `base`; returns how many.
size_t ListBits(uint64_t word, uint32_t base, uint32_t* rows) {
  size_t count = 0;
  for (; word != 0; word &= word - 1) {
    rows[count++] = base + static_cast<uint32_t>(__builtin_ctzll(word));
  }
  return count;
}

/// Offers the allowed rows [begin, end) of `vectors`; `begin` is a multiple of kScanBlockRows and
/// `allowed` counts from row 0 of `vectors`.
void ScanTile(const simd::MetricDistance& distance, MatrixView vectors, const float* query,
              const uint64_t* allowed, uint32_t first_row_number, size_t begin, size_t end,
              TopK* top, SearchStats* stats) {
  std::array<uint32_t, kScanBlockRows> rows;    // NOLINT(cppcoreguidelines-pro-type-member-init)
  std::array<float, kScanBlockRows> distances;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  for (size_t block = begin; block < end; block += kScanBlockRows) {
    const size_t in_block = std::min(kScanBlockRows, end - block);
    const uint64_t present =
        in_block == kScanBlockRows ? ~uint64_t{0} : (uint64_t{1} << in_block) - 1;
    const uint64_t wanted =
        allowed == nullptr ? present : allowed[block / kScanBlockRows] & present;
    const size_t count = ListBits(wanted, static_cast<uint32_t>(block), rows.data());
    if (count == in_block) {
      distance.Rows(query, vectors.data + block * vectors.dim, count, distances.data());
    } else {
      distance.Gather(query, vectors.data, rows.data(), count, distances.data());
    }
    OfferAll(distances.data(), rows.data(), first_row_number, count, top);
    stats->distances += count;
  }
}

/// The same for listed rows.
void ScanListed(const simd::MetricDistance& distance, MatrixView vectors, const float* query,
                std::span<const uint32_t> rows, TopK* top, SearchStats* stats) {
  std::array<float, kScanBlockRows> distances;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  for (size_t begin = 0; begin < rows.size(); begin += kScanBlockRows) {
    const size_t count = std::min(kScanBlockRows, rows.size() - begin);
    distance.Gather(query, vectors.data, rows.data() + begin, count, distances.data());
    OfferAll(distances.data(), rows.data() + begin, 0, count, top);
  }
  stats->distances += rows.size();
}

/// Rows of `dim` floats to scan between two looks at the control. Several queries pass over a tile
/// that stays in the second-level cache before they move on.
size_t TileRows(size_t dim, size_t queries) {
  constexpr size_t kTileFloats = (size_t{256} << 10) / sizeof(float);
  static_assert(CallControl::kCheckInterval % kScanBlockRows == 0);
  if (queries == 1) {
    return CallControl::kCheckInterval;
  }
  const size_t rows = kTileFloats / dim / kScanBlockRows * kScanBlockRows;
  return std::clamp(rows, kScanBlockRows, CallControl::kCheckInterval);
}

}  // namespace

Status ScanRows(MatrixView vectors, MatrixView queries, Metric metric, const uint64_t* allowed,
                uint32_t first_row_number, const CallControl& control, std::span<TopK> tops,
                std::span<SearchStats> stats) {
  LEADLINE_RETURN_IF_ERROR(CheckQueries(vectors, queries, tops.size(), stats.size()));
  const simd::MetricDistance distance(metric, vectors.dim);
  const size_t tile = TileRows(vectors.dim, queries.rows);
  for (size_t begin = 0; begin < vectors.rows; begin += tile) {
    const size_t end = std::min(vectors.rows, begin + tile);
    for (size_t q = 0; q < queries.rows; ++q) {
      LEADLINE_RETURN_IF_ERROR(control.Check());
      ScanTile(distance, vectors, queries.row(q).data(), allowed, first_row_number, begin, end,
               &tops[q], &stats[q]);
    }
  }
  return {};
}

Status ScanRows(MatrixView vectors, VectorView query, Metric metric, const uint64_t* allowed,
                uint32_t first_row_number, const CallControl& control, TopK* top,
                SearchStats* stats) {
  SearchStats ignored;
  SearchStats* counted = stats != nullptr ? stats : &ignored;
  return ScanRows(vectors, MatrixView{query.data(), 1, query.size()}, metric, allowed,
                  first_row_number, control, std::span<TopK>(top, 1),
                  std::span<SearchStats>(counted, 1));
}

Status ScanList(MatrixView vectors, MatrixView queries, Metric metric,
                std::span<const uint32_t> rows, const CallControl& control, std::span<TopK> tops,
                std::span<SearchStats> stats) {
  LEADLINE_RETURN_IF_ERROR(CheckQueries(vectors, queries, tops.size(), stats.size()));
  for (const uint32_t row : rows) {
    if (row >= vectors.rows) {
      return InvalidFieldError("row beyond the matrix", "rows", std::to_string(row),
                               std::to_string(vectors.rows));
    }
  }
  const simd::MetricDistance distance(metric, vectors.dim);
  const size_t tile = TileRows(vectors.dim, queries.rows);
  for (size_t begin = 0; begin < rows.size(); begin += tile) {
    const auto listed = rows.subspan(begin, std::min(tile, rows.size() - begin));
    for (size_t q = 0; q < queries.rows; ++q) {
      LEADLINE_RETURN_IF_ERROR(control.Check());
      ScanListed(distance, vectors, queries.row(q).data(), listed, &tops[q], &stats[q]);
    }
  }
  return {};
}

std::vector<uint32_t> ListAllowed(const uint64_t* allowed, size_t rows) {
  std::vector<uint32_t> listed;
  for (size_t first = 0; first < rows; first += 64) {
    uint64_t bits = allowed[first / 64];
    if (rows - first < 64) {
      bits &= (uint64_t{1} << (rows - first)) - 1;
    }
    for (; bits != 0; bits &= bits - 1) {
      listed.push_back(static_cast<uint32_t>(first) +
                       static_cast<uint32_t>(std::countr_zero(bits)));
    }
  }
  return listed;
}

Status ScanSegment(MatrixView vectors, MatrixView queries, Metric metric,
                   const SearchParams& params, std::span<SearchOutcome> out) {
  std::vector<TopK> tops(queries.rows, TopK(params.k));
  std::vector<SearchStats> stats(queries.rows);
  // A short list beats a sparse mask: the scan then touches the allowed rows only.
  if (params.allowed != nullptr && params.allowed_count.value_or(vectors.rows) * 4 < vectors.rows) {
    const std::vector<uint32_t> listed = ListAllowed(params.allowed, vectors.rows);
    LEADLINE_RETURN_IF_ERROR(
        ScanList(vectors, queries, metric, listed, params.control, tops, stats));
  } else {
    LEADLINE_RETURN_IF_ERROR(
        ScanRows(vectors, queries, metric, params.allowed, 0, params.control, tops, stats));
  }
  for (size_t q = 0; q < queries.rows; ++q) {
    stats[q].scanned = true;
    out[q] = {tops[q].Take(), stats[q]};
  }
  return {};
}

Status ScanList(MatrixView vectors, VectorView query, Metric metric, std::span<const uint32_t> rows,
                const CallControl& control, TopK* top, SearchStats* stats) {
  SearchStats ignored;
  SearchStats* counted = stats != nullptr ? stats : &ignored;
  return ScanList(vectors, MatrixView{query.data(), 1, query.size()}, metric, rows, control,
                  std::span<TopK>(top, 1), std::span<SearchStats>(counted, 1));
}

}  // namespace leadline::index
