#include "leadline/index/code_scan.h"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <vector>

#include "distance_bounds.h"
#include "group_minima.h"
#include "leadline/core/round_up.h"
#include "leadline/index/packed_lines.h"
#include "leadline/index/scan.h"
#include "leadline/simd/distance.h"
#include "leadline/simd/level.h"
#include "pending_rows.h"

namespace leadline::index {
namespace {

/// Rows summed together: what all levels' kernels divide into whole passes of registers.
constexpr size_t kTileRows = 96;
/// Rows with one threshold for each query.
constexpr size_t kBlockRows = 2 * kTileRows;

/// The positions to scan, in order: all of them, or a list.
struct Positions {
  size_t count = 0;
  bool listed = false;
  std::vector<uint32_t> list;

  [[nodiscard]] uint32_t operator[](size_t i) const {
    return listed ? list[i] : static_cast<uint32_t>(i);
  }
};

Positions PositionsOf(const CodedRows& rows, const SearchParams& params) {
  Positions positions;
  positions.count = rows.vectors.rows;
  positions.listed = params.allowed != nullptr;
  if (positions.listed) {
    positions.list = ListAllowed(params.allowed, rows.vectors.rows);
    positions.count = positions.list.size();
    for (uint32_t& at : positions.list) {
      at = rows.position_of.empty() ? at : rows.position_of[at];
    }
  }
  return positions;
}

/// Largest scale among `count` rows of a table, those listed or the first ones.
float LargestScale(const uint8_t* terms, size_t stride, const uint32_t* ids, size_t count) {
  float largest = 0;
  for (size_t i = 0; i < count; ++i) {
    RowTerms row;
    std::memcpy(&row, terms + (ids == nullptr ? i : ids[i]) * stride, sizeof row);
    largest = std::max(largest, row.scale);
  }
  return largest;
}

/// How far from query `q` a row may be.
float FarthestOf(const SearchParams& params, size_t q) {
  return params.farthest == nullptr ? std::numeric_limits<float>::infinity() : params.farthest[q];
}

/// One query: its bounds and the rows it may want.
struct QueryState {
  DistanceBounds bounds;
  PendingRows pending;
  float reached;
  DistanceBounds::Reach reach;  ///< of `reached`

  QueryState(const RowCodes& codes, const RowQuery& prepared, VectorView query, size_t k,
             float farthest)
      : bounds(codes, prepared, query),
        pending(k, farthest),
        reached(farthest),
        reach(bounds.ReachOf(farthest)) {}

  /// No row farther than `farthest` matters.
  void Limit(float farthest) {
    pending.Limit(farthest);
    reached = pending.bound();
    reach = bounds.ReachOf(reached);
  }

  /// Returns whether the reach has become smaller.
  bool Offer(const CodedRows& rows, uint32_t position, float estimate,
             const PendingRows::Source& source) {
    const uint32_t row = rows.row_of.empty() ? position : rows.row_of[position];
    pending.Offer(row, bounds.Of(estimate, rows.codes.terms_of(position).scale), source);
    if (pending.bound() >= reached) {
      return false;
    }
    reached = pending.bound();
    reach = bounds.ReachOf(reached);
    return true;
  }
};

Status Finish(QueryState* state, const PendingRows::Source& source, size_t compared,
              SearchOutcome* out) {
  LEADLINE_RETURN_IF_ERROR(state->pending.Finish(source, out));
  out->stats.distances += compared;
  out->stats.scanned = true;
  return {};
}

/// One query against every position.
class SingleScan {
 public:
  SingleScan(const CodedRows& rows, const Positions& positions, const SearchParams& params)
      : rows_(rows), positions_(positions), params_(params) {
    std::iota(ids_.begin(), ids_.end(), 0U);
  }

  Status Run(VectorView query, float farthest, SearchOutcome* out) {
    query_.Prepare(rows_.codes, query.data());
    const simd::MetricDistance distance(rows_.codes.metric(), query.size());
    const PendingRows::Source source{distance, rows_.vectors, query.data(), params_.row_check};
    QueryState state(rows_.codes, query_, query, params_.k, farthest);
    for (size_t first = 0; first < positions_.count; first += kRows) {
      LEADLINE_RETURN_IF_ERROR(params_.control.Check());
      const size_t count = std::min(kRows, positions_.count - first);
      Compare(first, count, source, &state);
    }
    return Finish(&state, source, positions_.count, out);
  }

 private:
  static constexpr size_t kRows = 256;

  void Compare(size_t first, size_t count, const PendingRows::Source& source, QueryState* state) {
    const uint32_t* ids = positions_.listed ? positions_.list.data() + first : ids_.data();
    if (!positions_.listed) {
      for (size_t i = 0; i < count; ++i) {
        ids_[i] = static_cast<uint32_t>(first + i);
      }
    } else {
      for (size_t i = first + count; i < std::min(positions_.count, first + 2 * kRows); ++i) {
        rows_.codes.Prefetch(positions_.list[i]);
      }
    }
    query_.Distances(ids, count, sums_.data(), distances_.data());
    const float scale = LargestScale(rows_.codes.terms(), rows_.codes.terms_stride(), ids, count);
    float threshold = ThresholdAt(state->reach, scale);
    for (size_t i = 0; i < count; ++i) {
      if (distances_[i] <= threshold && state->Offer(rows_, ids[i], distances_[i], source)) {
        threshold = ThresholdAt(state->reach, scale);
      }
    }
  }

  const CodedRows& rows_;
  const Positions& positions_;
  const SearchParams& params_;
  RowQuery query_;
  std::array<uint32_t, kRows> ids_{};
  std::array<int32_t, kRows> sums_{};
  std::array<float, kRows> distances_{};
};

/// Many queries together: rows in chunks that stay in the cache, queries in groups of lanes, as
/// products of integer matrices.
class SharedCodeScan {
 public:
  SharedCodeScan(const CodedRows& rows, const Positions& positions, const SearchParams& params)
      : rows_(rows),
        positions_(positions),
        params_(params),
        kernels_(simd::CurrentLevel().tiles),
        distance_(rows.codes.metric(), rows.vectors.dim),
        sums_(kTileRows * kLanes),
        hits_(simd::HitRoom(kTileRows, kLanes / simd::kPackLanes)) {}

  Status Run(MatrixView queries, std::span<SearchOutcome> out) {
    Prepare(queries);
    LEADLINE_RETURN_IF_ERROR(FindScales());
    LEADLINE_RETURN_IF_ERROR(LimitByFirstRows());
    const size_t chunk = ChunkRows();
    for (size_t begin = 0; begin < positions_.count; begin += chunk) {
      const size_t end = std::min(positions_.count, begin + chunk);
      for (size_t first = 0; first < queries.rows; first += kLanes) {
        const size_t lanes = std::min(kLanes, queries.rows - first);
        for (size_t at = begin; at < end; at += kBlockRows) {
          LEADLINE_RETURN_IF_ERROR(params_.control.Check());
          ScanBlock(queries, at, std::min(kBlockRows, end - at), first, lanes);
        }
      }
    }
    for (size_t q = 0; q < queries.rows; ++q) {
      LEADLINE_RETURN_IF_ERROR(params_.control.Check());
      LEADLINE_RETURN_IF_ERROR(
          Finish(&states_[q], SourceOf(queries, q), positions_.count, &out[q]));
    }
    return {};
  }

 private:
  static constexpr size_t kLanes = 64;

  [[nodiscard]] PendingRows::Source SourceOf(MatrixView queries, size_t q) const {
    return {distance_, rows_.vectors, queries.row(q).data(), params_.row_check};
  }

  /// Half of a second-level cache; the other half is for queries and sums.
  [[nodiscard]] size_t ChunkRows() const {
    constexpr size_t kChunkBytes = size_t{512} << 10;
    return std::max<size_t>(1, kChunkBytes / rows_.codes.stride() / kBlockRows) * kBlockRows;
  }

  void Prepare(MatrixView queries) {
    RowQuery query;
    length_ = kernels_.LengthOf(queries.dim);
    std::vector<int8_t> integers(queries.rows * length_);
    const size_t packs = (queries.rows + simd::kPackLanes - 1) / simd::kPackLanes;
    const size_t lanes = RoundUp(queries.rows, kLanes);
    multipliers_.assign(lanes, 0.0F);
    offsets_.assign(lanes, 0);
    constants_.assign(lanes, 0.0);
    linears_.assign(lanes, 0.0);
    adds_.assign(kLanes, 0.0F);
    thresholds_.assign(kLanes, 0.0F);
    states_.reserve(queries.rows);
    for (size_t q = 0; q < queries.rows; ++q) {
      query.Prepare(rows_.codes, queries.row(q).data());
      std::copy_n(query.integers().begin(), length_, integers.data() + q * length_);
      multipliers_[q] = query.map().multiplier;
      offsets_[q] = query.map().offset;
      states_.emplace_back(rows_.codes, query, queries.row(q), params_.k, FarthestOf(params_, q));
      SetReach(q);
    }
    packed_.Resize(packs, length_);
    kernels_.pack_queries(integers.data(), length_, nullptr, queries.rows, length_,
                          packed_.pack(0));
  }

  Status FindScales() {
    const RowCodes& codes = rows_.codes;
    for (size_t at = 0; at < positions_.count; at += kBlockRows) {
      LEADLINE_RETURN_IF_ERROR(params_.control.Check());
      const uint32_t* ids = positions_.listed ? positions_.list.data() + at : nullptr;
      const size_t skipped = positions_.listed ? 0 : at;
      scales_.push_back(LargestScale(codes.terms() + skipped * codes.terms_stride(),
                                     codes.terms_stride(), ids,
                                     std::min(kBlockRows, positions_.count - at)));
    }
    return {};
  }

  /// Lets queries begin with a bound that a few rows give, since every row is a hit until there is
  /// one.
  Status LimitByFirstRows() {
    GroupMinima minima(params_.k, positions_.count, kTileRows);
    if (minima.rows() == 0) {
      return {};
    }
    const float scale = *std::max_element(
        scales_.begin(),
        scales_.begin() + static_cast<std::ptrdiff_t>(minima.rows() / kBlockRows + 1));
    std::vector<float> distances(kTileRows * kLanes);
    for (size_t first = 0; first < states_.size(); first += kLanes) {
      const size_t packs = PacksFrom(first);
      minima.Start(packs * simd::kPackLanes);
      for (size_t at = 0; at < minima.rows(); at += kTileRows) {
        LEADLINE_RETURN_IF_ERROR(params_.control.Check());
        kernels_.tile_distances(SumsOf(at, kTileRows, first, packs), LanesFrom(first),
                                distances.data());
        minima.Add(distances.data());
      }
      for (size_t q = first; q < std::min(first + kLanes, states_.size()); ++q) {
        states_[q].Limit(states_[q].bounds.Of(minima.BoundOf(q - first), scale).upper);
        SetReach(q);
      }
    }
    return {};
  }

  /// `lanes` queries from `first` on against `count` positions from `at` on. Lanes that are left
  /// keep nothing.
  void ScanBlock(MatrixView queries, size_t at, size_t count, size_t first, size_t lanes) {
    scale_ = scales_[at / kBlockRows];
    for (size_t l = 0; l < kLanes; ++l) {
      thresholds_[l] =
          ThresholdAt({constants_[first + l], linears_[first + l], quadratic_}, scale_);
    }
    std::fill(thresholds_.begin() + static_cast<std::ptrdiff_t>(lanes), thresholds_.end(),
              -std::numeric_limits<float>::infinity());
    for (size_t tile = at; tile < at + count; tile += kTileRows) {
      ScanTile(queries, tile, std::min(kTileRows, at + count - tile), first);
    }
  }

  void ScanTile(MatrixView queries, size_t at, size_t count, size_t first) {
    const size_t packs = PacksFrom(first);
    const size_t hits = kernels_.tile_hits(SumsOf(at, count, first, packs), LanesFrom(first),
                                           thresholds_.data(), hits_.data());
    for (size_t i = 0; i < hits; ++i) {
      const simd::TileHit& hit = hits_[i];
      QueryState& state = states_[first + hit.lane];
      if (hit.distance <= thresholds_[hit.lane] &&
          state.Offer(rows_, positions_[at + hit.row], hit.distance,
                      SourceOf(queries, first + hit.lane))) {
        SetReach(first + hit.lane);
        thresholds_[hit.lane] = ThresholdAt(state.reach, scale_);
      }
    }
  }

  /// Sums of `count` positions from `at` on with the packs of the queries from `first` on.
  simd::SumTile SumsOf(size_t at, size_t count, size_t first, size_t packs) {
    const uint32_t* ids = positions_.listed ? positions_.list.data() + at : nullptr;
    const size_t skipped = positions_.listed ? 0 : at;
    const RowCodes& codes = rows_.codes;
    kernels_.packed_sums(codes.codes() + skipped * codes.stride(), codes.stride(), ids, count,
                         length_, packed_.pack(first / simd::kPackLanes), packs, sums_.data(),
                         kLanes);
    return {
        sums_.data(),         kLanes, count, packs, codes.terms() + skipped * codes.terms_stride(),
        codes.terms_stride(), ids};
  }

  [[nodiscard]] simd::TileLanes LanesFrom(size_t first) const {
    return {multipliers_.data() + first, offsets_.data() + first, adds_.data()};
  }

  [[nodiscard]] size_t PacksFrom(size_t first) const {
    const size_t lanes = std::min(kLanes, states_.size() - first);
    return (lanes + simd::kPackLanes - 1) / simd::kPackLanes;
  }

  void SetReach(size_t q) {
    const DistanceBounds::Reach& reach = states_[q].reach;
    constants_[q] = reach.constant;
    linears_[q] = reach.linear;
    quadratic_ = reach.quadratic;
  }

  const CodedRows& rows_;
  const Positions& positions_;
  const SearchParams& params_;
  const simd::TileKernels& kernels_;
  const simd::MetricDistance distance_;
  size_t length_ = 0;  ///< bytes of a query
  PackedLines packed_;
  std::vector<float> multipliers_;
  std::vector<int32_t> offsets_;
  std::vector<QueryState> states_;
  std::vector<double> constants_;  ///< of each query's reach, side by side
  std::vector<double> linears_;
  double quadratic_ = 0;
  std::vector<float> scales_;  ///< the largest in each block
  // Of the lanes side by side, in one block.
  double scale_ = 0;
  std::vector<float> adds_;
  std::vector<float> thresholds_;
  std::vector<int32_t> sums_;
  std::vector<simd::TileHit> hits_;
};

}  // namespace

Status ScanCodedRows(const CodedRows& rows, MatrixView queries, const SearchParams& params,
                     std::span<SearchOutcome> out) {
  /// Fewer do not fill the lanes of a pack.
  constexpr size_t kFewQueries = 6;
  constexpr size_t kTogether = 1024;
  const Positions positions = PositionsOf(rows, params);
  if (queries.rows < kFewQueries) {
    SingleScan scan(rows, positions, params);
    for (size_t q = 0; q < queries.rows; ++q) {
      LEADLINE_RETURN_IF_ERROR(scan.Run(queries.row(q), FarthestOf(params, q), &out[q]));
    }
    return {};
  }
  for (size_t begin = 0; begin < queries.rows; begin += kTogether) {
    const size_t count = std::min(kTogether, queries.rows - begin);
    SearchParams of_these = params;
    of_these.farthest = params.farthest == nullptr ? nullptr : params.farthest + begin;
    SharedCodeScan scan(rows, positions, of_these);
    LEADLINE_RETURN_IF_ERROR(
        scan.Run({queries.row(begin).data(), count, queries.dim}, out.subspan(begin, count)));
  }
  return {};
}

}  // namespace leadline::index
