#include "shared_scan.h"

#include <algorithm>
#include <limits>

#include "leadline/index/rescoring.h"
#include "leadline/index/top_k.h"
#include "list_chooser.h"

namespace leadline::index {
namespace {

/// Rows a query may gather beyond those it keeps: the fewer, the sooner its threshold falls.
constexpr size_t kAppend = 32;
/// Rows compared with one query at a time.
constexpr size_t kNearestTogether = 256;
/// Rows of the next list that are fetched ahead; their lines do not push out those in use.
constexpr size_t kPrefetchRows = 128;
static_assert(kNearestTogether <= CandidateBuffer::kMaxAppend);

}  // namespace

SharedScan::SharedScan(const IvfParts& parts, const SearchParams& params)
    : parts_(parts),
      params_(params),
      codes_(*parts.codes),
      kernels_(simd::CurrentLevel().tiles),
      keep_(SizesFor(parts, params).rescored),
      lane_query_(kLanes),
      multipliers_(kLanes, 0.0F),
      offsets_(kLanes, 0),
      adds_(kLanes, 0.0F),
      thresholds_(kLanes),
      sums_(kTileRows * kLanes),
      hits_(simd::HitRoom(kTileRows, kLanes / simd::kPackLanes)) {}

Status SharedScan::Run(MatrixView queries, size_t nprobe, const ListGaps* gaps,
                       std::span<SearchOutcome> out) {
  visits_.assign(queries.rows, {});
  found_.resize(queries.rows);
  ListChooser::Scratch chooser;
  LEADLINE_RETURN_IF_ERROR(
      parts_.chooser.Choose(queries, nprobe, gaps, params_.control, &chooser, &chosen_));
  LEADLINE_RETURN_IF_ERROR(VisitNearest(queries));
  GroupByList(false);
  const size_t nlist = parts_.lists.centroids.rows;
  for (uint32_t l = 0; l < nlist; ++l) {
    LEADLINE_RETURN_IF_ERROR(VisitList(l, GroupOf(l)));
  }
  LEADLINE_RETURN_IF_ERROR(Rescore(queries, out));
  for (size_t q = 0; q < queries.rows; ++q) {
    out[q].stats.distances += nlist + visits_[q].met;
    visits_[q].lists = chosen_.of(q).size();
    out[q].stats.hops = visits_[q].lists;
  }
  return {};
}

/// Readies the queries and compares each with its nearest list. That sets its threshold, which few
/// rows pass afterwards; most lists are nearest to too few queries to fill a tile.
Status SharedScan::VisitNearest(MatrixView queries) {
  Projection projection;
  RowQuery query;
  maps_.resize(queries.rows);
  length_ = kernels_.LengthOf(codes_.dim());
  integers_.resize(queries.rows * length_);
  packed_.Resize(kLanes / simd::kPackLanes, length_);
  GroupByList(true);
  for (uint32_t l = 0; l < parts_.lists.centroids.rows; ++l) {
    const std::span<const uint32_t> group = GroupOf(l);
    if (group.empty()) {
      continue;
    }
    ListPositions(l);
    PrefetchFrom(parts_.lists.offsets[l + 1], positions_.size());
    Count(l, positions_.size(), group);
    for (const uint32_t q : group) {
      LEADLINE_RETURN_IF_ERROR(params_.control.Check());
      query.Prepare(codes_, parts_.AlongAxes(queries.row(q).data(), &projection));
      std::copy_n(query.integers().begin(), length_, integers_.data() + q * length_);
      maps_[q] = query.map();
      ScanPositions(query);
      found_[q].Reset(keep_, kAppend);
      found_[q].TakeOver(nearest_rows_);
    }
  }
  return {};
}

/// Leaves the nearest of positions_ in nearest_rows_.
void SharedScan::ScanPositions(const RowQuery& query) {
  nearest_rows_.Reset(keep_);
  for (size_t first = 0; first < positions_.size(); first += kNearestTogether) {
    const size_t count = std::min(kNearestTogether, positions_.size() - first);
    query.Distances(positions_.data() + first, count, sums_.data(), nearest_rows_.distances_end());
    std::copy_n(positions_.data() + first, count, nearest_rows_.positions_end());
    nearest_rows_.Added(count);
  }
  nearest_rows_.Finish();
}

std::span<const uint32_t> SharedScan::GroupOf(uint32_t list) const {
  return {grouped_.data() + group_start_[list], group_start_[list + 1] - group_start_[list]};
}

/// The allowed positions of a list, in order.
void SharedScan::ListPositions(uint32_t list) {
  positions_.clear();
  for (uint32_t at = parts_.lists.offsets[list]; at < parts_.lists.offsets[list + 1]; ++at) {
    if (params_.allowed == nullptr || IsAllowed(params_.allowed, parts_.lists.row_ids[at])) {
      positions_.push_back(at);
    }
  }
}

/// Asks for the codes of `count` positions: those of the next list while one is compared.
void SharedScan::PrefetchFrom(size_t first, size_t count) const {
  const size_t last = std::min(first + std::min(count, kPrefetchRows), codes_.rows());
  const uint8_t* const end = codes_.codes() + last * codes_.stride();
  for (const uint8_t* line = codes_.codes() + first * codes_.stride(); line < end; line += 64) {
    __builtin_prefetch(line, 0, 2);
  }
}

void SharedScan::Count(uint32_t list, size_t met, std::span<const uint32_t> queries) {
  for (const uint32_t q : queries) {
    visits_[q].visited += parts_.lists.offsets[list + 1] - parts_.lists.offsets[list];
    visits_[q].met += met;
  }
}

/// Lists the queries of each list: of those that have it as their nearest, or of all others.
void SharedScan::GroupByList(bool nearest) {
  const size_t nlist = parts_.lists.centroids.rows;
  group_start_.assign(nlist + 1, 0);
  const auto for_each = [&](auto visit) {
    for (uint32_t q = 0; q < chosen_.nearest.size(); ++q) {
      for (const uint32_t list : chosen_.of(q)) {
        if ((list == chosen_.nearest[q]) == nearest) {
          visit(q, list);
        }
      }
    }
  };
  for_each([&](uint32_t /*query*/, uint32_t list) { ++group_start_[list + 1]; });
  for (size_t l = 0; l < nlist; ++l) {
    group_start_[l + 1] += group_start_[l];
  }
  grouped_.resize(group_start_[nlist]);
  std::vector<uint32_t> next(group_start_.begin(), group_start_.end() - 1);
  for_each([&](uint32_t query, uint32_t list) { grouped_[next[list]++] = query; });
}

Status SharedScan::VisitList(uint32_t list, std::span<const uint32_t> queries) {
  const uint32_t begin = parts_.lists.offsets[list];
  const uint32_t end = parts_.lists.offsets[list + 1];
  if (queries.empty() || begin == end) {
    return {};
  }
  if (params_.allowed != nullptr) {
    ListPositions(list);
  }
  const size_t rows = params_.allowed == nullptr ? end - begin : positions_.size();
  Count(list, rows, queries);
  PrefetchFrom(end, end - begin);
  for (size_t first_query = 0; first_query < queries.size(); first_query += kLanes) {
    const auto group = queries.subspan(first_query, std::min(kLanes, queries.size() - first_query));
    SetLanes(group);
    for (size_t first = 0; first < rows; first += kTileRows) {
      LEADLINE_RETURN_IF_ERROR(params_.control.Check());
      const size_t count = std::min(kTileRows, rows - first);
      ScanTile(begin + first, count, group.size(),
               params_.allowed == nullptr ? nullptr : positions_.data() + first);
    }
  }
  return {};
}

/// Puts `queries` side by side. Lanes that are left keep nothing.
void SharedScan::SetLanes(std::span<const uint32_t> queries) {
  kernels_.pack_queries(integers_.data(), length_, queries.data(), queries.size(), length_,
                        packed_.pack(0));
  std::copy(queries.begin(), queries.end(), lane_query_.begin());
  for (size_t l = 0; l < queries.size(); ++l) {
    multipliers_[l] = maps_[queries[l]].multiplier;
    offsets_[l] = maps_[queries[l]].offset;
    thresholds_[l] = found_[queries[l]].threshold();
  }
  std::fill(thresholds_.begin() + static_cast<std::ptrdiff_t>(queries.size()), thresholds_.end(),
            -std::numeric_limits<float>::infinity());
}

/// `count` rows of the lists' order from `first` on, or those at `positions`.
void SharedScan::ScanTile(size_t first, size_t count, size_t lanes, const uint32_t* positions) {
  const size_t packs = (lanes + simd::kPackLanes - 1) / simd::kPackLanes;
  const size_t skipped = positions == nullptr ? first : 0;
  kernels_.packed_sums(codes_.codes() + skipped * codes_.stride(), codes_.stride(), positions,
                       count, length_, packed_.pack(0), packs, sums_.data(), kLanes);
  const simd::SumTile tile{sums_.data(),
                           kLanes,
                           count,
                           packs,
                           codes_.terms() + skipped * codes_.terms_stride(),
                           codes_.terms_stride(),
                           positions};
  const size_t hits = kernels_.tile_hits(tile, {multipliers_.data(), offsets_.data(), adds_.data()},
                                         thresholds_.data(), hits_.data());
  for (size_t i = 0; i < hits; ++i) {
    const simd::TileHit& hit = hits_[i];
    CandidateBuffer& found = found_[lane_query_[hit.lane]];
    if (hit.distance <= found.threshold()) {
      *found.distances_end() = hit.distance;
      *found.positions_end() =
          positions == nullptr ? static_cast<uint32_t>(first + hit.row) : positions[hit.row];
      found.Added(1);
      thresholds_[hit.lane] = found.threshold();
    }
  }
}

Status SharedScan::Rescore(MatrixView queries, std::span<SearchOutcome> out) {
  const simd::MetricDistance distance(parts_.metric, queries.dim);
  std::vector<uint32_t> rows;
  std::vector<uint32_t> next_rows;
  ListFound(0, &next_rows);
  for (size_t q = 0; q < queries.rows; ++q) {
    rows.swap(next_rows);
    if (q + 1 < queries.rows) {
      ListFound(q + 1, &next_rows);
      PrefetchRows(parts_.vectors, next_rows);
    }
    TopK top(params_.k);
    SearchStats stats;
    if (params_.row_check != nullptr) {
      LEADLINE_RETURN_IF_ERROR(params_.row_check->Check(rows));
    }
    RescoreRows(distance, parts_.vectors, queries.row(q).data(), rows, &top, &stats);
    out[q] = {top.Take(), stats};
  }
  return {};
}

/// The rows that were found for query `q`.
void SharedScan::ListFound(size_t q, std::vector<uint32_t>* rows) {
  CandidateBuffer& found = found_[q];
  found.Finish();
  rows->clear();
  for (size_t i = 0; i < found.size(); ++i) {
    rows->push_back(parts_.lists.row_ids[found.positions()[i]]);
  }
}

}  // namespace leadline::index
