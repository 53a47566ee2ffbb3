#include "leadline/index/code_scan.h"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <optional>
#include <vector>

#include "distance_bounds.h"
#include "group_minima.h"
#include "leadline/core/round_up.h"
#include "leadline/index/packed_lines.h"
#include "leadline/index/scan.h"
#include "leadline/simd/distance.h"
#include "leadline/simd/level.h"
#include "pending_rows.h"
#include "unpacked_rows.h"

namespace leadline::index {
namespace {

/// Rows summed together: what all levels' kernels divide into whole passes of registers.
constexpr size_t kTileRows = 96;
/// Rows with one threshold for each query.
constexpr size_t kBlockRows = 2 * kTileRows;
/// Codes that pass by many queries before the next do: half of a second-level cache; the other half
/// is for queries and sums.
constexpr size_t kChunkBytes = size_t{512} << 10;

/// The positions to scan, in order: all of them, or a list.
struct Positions {
  size_t count = 0;
  bool listed = false;
  std::vector<uint32_t> list;

  [[nodiscard]] uint32_t operator[](size_t i) const {
    return listed ? list[i] : static_cast<uint32_t>(i);
  }

  /// Of the positions from the i-th on; null where they are not listed.
  [[nodiscard]] const uint32_t* ids_from(size_t i) const {
    return listed ? list.data() + i : nullptr;
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

/// True where a first pass over all codes pays, to find rows that are likely the nearest and so a
/// distance that no answer exceeds. Codes as coarse as sq4 leave many rows open until that is
/// known; finer ones come to know it on the way.
bool NeedsFirstPass(const CodedRows& rows, size_t positions, size_t k) {
  constexpr size_t kFewRows = 128;
  return rows.codes.type() == CodeType::kSq4 && positions > std::max(kFewRows, 4 * k);
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
    SetReach();
  }

  /// No row farther than these positions matters, if they are k.
  void LimitBy(const CodedRows& rows, TopK* nearest, const PendingRows::Source& source) {
    std::vector<uint32_t> found;
    for (const Neighbor& neighbor : nearest->Take()) {
      found.push_back(rows.row_of.empty() ? neighbor.row : rows.row_of[neighbor.row]);
    }
    pending.LimitBy(found, source);
    SetReach();
  }

  /// Returns whether the reach has become smaller.
  bool Offer(const CodedRows& rows, uint32_t position, float estimate,
             const PendingRows::Source& source) {
    const uint32_t row = rows.row_of.empty() ? position : rows.row_of[position];
    pending.Offer(row, bounds.Of(estimate, rows.codes.terms_of(position).scale), source);
    if (pending.bound() >= reached) {
      return false;
    }
    SetReach();
    return true;
  }

 private:
  void SetReach() {
    reached = pending.bound();
    reach = bounds.ReachOf(reached);
  }
};

Status Finish(QueryState* state, const PendingRows::Source& source, size_t compared,
              SearchOutcome* out) {
  LEADLINE_RETURN_IF_ERROR(state->pending.Finish(source, out));
  out->stats.distances += compared;
  out->stats.scanned = true;
  return {};
}

/// Each query for itself against every position; several pass over codes that stay in the cache.
class SeparateScan {
 public:
  SeparateScan(const CodedRows& rows, const Positions& positions, const SearchParams& params)
      : rows_(rows),
        positions_(positions),
        params_(params),
        distance_(rows.codes.metric(), rows.vectors.dim),
        scales_(positions.count / kRows + 1) {}

  Status Run(MatrixView queries, std::span<SearchOutcome> out) {
    queries_.resize(queries.rows);
    states_.reserve(queries.rows);
    for (size_t q = 0; q < queries.rows; ++q) {
      queries_[q].Prepare(rows_.codes, queries.row(q).data());
      states_.emplace_back(rows_.codes, queries_[q], queries.row(q), params_.k,
                           FarthestOf(params_, q));
    }
    if (NeedsFirstPass(rows_, positions_.count, params_.k)) {
      LEADLINE_RETURN_IF_ERROR(LimitByNearest(queries));
    }
    LEADLINE_RETURN_IF_ERROR(ForBlocks(queries.rows, [&](size_t first, size_t count, size_t q) {
      Offer(first, count, q, SourceOf(queries, q));
    }));
    for (size_t q = 0; q < queries.rows; ++q) {
      LEADLINE_RETURN_IF_ERROR(params_.control.Check());
      LEADLINE_RETURN_IF_ERROR(
          Finish(&states_[q], SourceOf(queries, q), positions_.count, &out[q]));
    }
    return {};
  }

 private:
  static constexpr size_t kRows = 256;

  [[nodiscard]] PendingRows::Source SourceOf(MatrixView queries, size_t q) const {
    return {distance_, rows_.vectors, queries.row(q).data(), params_.row_check};
  }

  /// Keeps what it estimates for the second pass.
  Status LimitByNearest(MatrixView queries) {
    std::vector<TopK> nearest(queries.rows, TopK(params_.k));
    std::vector<float> estimates(queries.rows * positions_.count);
    LEADLINE_RETURN_IF_ERROR(ForBlocks(queries.rows, [&](size_t first, size_t count, size_t q) {
      float* distances = estimates.data() + q * positions_.count + first;
      const uint32_t* ids = Estimate(first, count, q, distances);
      for (size_t i = 0; i < count; ++i) {
        if (distances[i] <= nearest[q].threshold()) {
          nearest[q].Offer(distances[i], ids[i]);
        }
      }
    }));
    for (size_t q = 0; q < queries.rows; ++q) {
      LEADLINE_RETURN_IF_ERROR(params_.control.Check());
      states_[q].LimitBy(rows_, &nearest[q], SourceOf(queries, q));
    }
    estimates_ = std::move(estimates);
    return {};
  }

  /// Calls block(first, count, q) for all positions and each of `queries` queries.
  template <class Block>
  Status ForBlocks(size_t queries, const Block& block) {
    const size_t chunk =
        queries == 1 ? positions_.count : RoundUp(kChunkBytes / rows_.codes.stride(), kRows);
    for (size_t begin = 0; begin < positions_.count; begin += chunk) {
      const size_t end = std::min(positions_.count, begin + chunk);
      for (size_t q = 0; q < queries; ++q) {
        for (size_t first = begin; first < end; first += kRows) {
          LEADLINE_RETURN_IF_ERROR(params_.control.Check());
          block(first, std::min(kRows, end - first), q);
        }
      }
    }
    return {};
  }

  /// Estimates of query `q` for `count` positions from `first` on, which it returns. Of all
  /// queries the first comes first: it notes the largest scale.
  const uint32_t* Estimate(size_t first, size_t count, size_t q, float* distances) {
    const uint32_t* ids = positions_.listed ? positions_.list.data() + first : ids_.data();
    if (!positions_.listed) {
      std::iota(ids_.begin(), ids_.end(), static_cast<uint32_t>(first));
    } else {
      for (size_t i = first + count; i < std::min(positions_.count, first + 2 * kRows); ++i) {
        rows_.codes.Prefetch(positions_.list[i]);
      }
    }
    queries_[q].Distances(ids, count, sums_.data(), distances);
    if (q == 0) {
      scales_[first / kRows] =
          LargestScale(rows_.codes.terms(), rows_.codes.terms_stride(), ids, count);
    }
    return ids;
  }

  void Offer(size_t first, size_t count, size_t q, const PendingRows::Source& source) {
    const float* distances = distances_.data();
    if (estimates_.empty()) {
      Estimate(first, count, q, distances_.data());
    } else {
      distances = estimates_.data() + q * positions_.count + first;
    }
    QueryState& state = states_[q];
    const float scale = scales_[first / kRows];
    float threshold = ThresholdAt(state.reach, scale);
    for (size_t i = 0; i < count; ++i) {
      if (distances[i] <= threshold &&
          state.Offer(rows_, positions_[first + i], distances[i], source)) {
        threshold = ThresholdAt(state.reach, scale);
      }
    }
  }

  const CodedRows& rows_;
  const Positions& positions_;
  const SearchParams& params_;
  const simd::MetricDistance distance_;
  std::vector<RowQuery> queries_;
  std::vector<QueryState> states_;
  std::vector<float> estimates_;  ///< [queries x positions], after a first pass
  std::vector<float> scales_;     ///< the largest of each kRows positions
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
        length_(kernels_.LengthOf(rows.codes.dim())),
        sums_(kTileRows * kLanes),
        hits_(simd::HitRoom(kTileRows, kLanes / simd::kPackLanes)) {}

  Status Run(MatrixView queries, std::span<SearchOutcome> out) {
    Prepare(queries);
    if (rows_.codes.type() == CodeType::kSq4) {
      unpacked_.emplace(rows_.codes, positions_.ids_from(0), positions_.count, length_,
                        ChunkRows());
    }
    const bool twice = NeedsFirstPass(rows_, positions_.count, params_.k);
    LEADLINE_RETURN_IF_ERROR(FindScales());
    LEADLINE_RETURN_IF_ERROR(twice ? LimitByNearest(queries) : LimitByFirstRows());
    LEADLINE_RETURN_IF_ERROR(ForBlocks(
        [&](size_t at, size_t count, size_t first) { Offer(queries, at, count, first); }));
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

  [[nodiscard]] size_t ChunkRows() const {
    const size_t bytes = rows_.codes.type() == CodeType::kSq4 ? length_ : rows_.codes.stride();
    return std::max<size_t>(1, kChunkBytes / bytes / kBlockRows) * kBlockRows;
  }

  void Prepare(MatrixView queries) {
    RowQuery query;
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
      std::copy_n(query.values().begin(), length_, integers.data() + q * length_);
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
      const uint32_t* ids = positions_.ids_from(at);
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

  /// The same from all rows: what is nearest by their codes, in full precision.
  Status LimitByNearest(MatrixView queries) {
    std::vector<TopK> nearest(states_.size(), TopK(params_.k));
    LEADLINE_RETURN_IF_ERROR(ForBlocks([&](size_t at, size_t count, size_t first) {
      const size_t lanes = std::min(kLanes, states_.size() - first);
      SetThresholds(lanes, [&](size_t l) { return nearest[first + l].threshold(); });
      ForHits(at, count, first, [&](size_t lane, size_t position, float distance) {
        TopK& top = nearest[first + lane];
        top.Offer(distance, positions_[position]);
        thresholds_[lane] = top.threshold();
      });
    }));
    for (size_t q = 0; q < states_.size(); ++q) {
      LEADLINE_RETURN_IF_ERROR(params_.control.Check());
      states_[q].LimitBy(rows_, &nearest[q], SourceOf(queries, q));
      SetReach(q);
    }
    return {};
  }

  /// Calls block(at, count, first) for all positions in blocks and the queries in groups of lanes.
  template <class Block>
  Status ForBlocks(const Block& block) {
    const size_t chunk = ChunkRows();
    for (size_t begin = 0; begin < positions_.count; begin += chunk) {
      const size_t end = std::min(positions_.count, begin + chunk);
      for (size_t first = 0; first < states_.size(); first += kLanes) {
        for (size_t at = begin; at < end; at += kBlockRows) {
          LEADLINE_RETURN_IF_ERROR(params_.control.Check());
          block(at, std::min(kBlockRows, end - at), first);
        }
      }
    }
    return {};
  }

  /// Lanes that are left keep nothing.
  template <class Threshold>
  void SetThresholds(size_t lanes, const Threshold& threshold) {
    for (size_t l = 0; l < lanes; ++l) {
      thresholds_[l] = threshold(l);
    }
    std::fill(thresholds_.begin() + static_cast<std::ptrdiff_t>(lanes), thresholds_.end(),
              -std::numeric_limits<float>::infinity());
  }

  /// The queries from `first` on against `count` positions from `at` on.
  void Offer(MatrixView queries, size_t at, size_t count, size_t first) {
    const double scale = scales_[at / kBlockRows];
    SetThresholds(std::min(kLanes, states_.size() - first), [&](size_t l) {
      return ThresholdAt({constants_[first + l], linears_[first + l], quadratic_}, scale);
    });
    ForHits(at, count, first, [&](size_t lane, size_t position, float distance) {
      QueryState& state = states_[first + lane];
      if (state.Offer(rows_, positions_[position], distance, SourceOf(queries, first + lane))) {
        SetReach(first + lane);
        thresholds_[lane] = ThresholdAt(state.reach, scale);
      }
    });
  }

  /// Calls hit(lane, position, distance) for what lies within the threshold of its lane, which the
  /// call may lower.
  template <class Hit>
  void ForHits(size_t at, size_t count, size_t first, const Hit& hit) {
    const size_t packs = PacksFrom(first);
    for (size_t tile = at; tile < at + count; tile += kTileRows) {
      const size_t rows = std::min(kTileRows, at + count - tile);
      const size_t hits = kernels_.tile_hits(SumsOf(tile, rows, first, packs), LanesFrom(first),
                                             thresholds_.data(), hits_.data());
      for (size_t i = 0; i < hits; ++i) {
        const simd::TileHit& found = hits_[i];
        if (found.distance <= thresholds_[found.lane]) {
          hit(found.lane, tile + found.row, found.distance);
        }
      }
    }
  }

  /// Sums of `count` positions from `at` on with the packs of the queries from `first` on.
  simd::SumTile SumsOf(size_t at, size_t count, size_t first, size_t packs) {
    const uint32_t* ids = positions_.ids_from(at);
    const size_t skipped = positions_.listed ? 0 : at;
    const RowCodes& codes = rows_.codes;
    const int8_t* lanes = packed_.pack(first / simd::kPackLanes);
    if (unpacked_.has_value()) {
      kernels_.packed_sums(unpacked_->From(at, count), length_, nullptr, count, length_, lanes,
                           packs, sums_.data(), kLanes);
    } else {
      kernels_.packed_sums(codes.codes() + skipped * codes.stride(), codes.stride(), ids, count,
                           length_, lanes, packs, sums_.data(), kLanes);
    }
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
  const size_t length_;                   ///< bytes of a query
  std::optional<UnpackedRows> unpacked_;  ///< of sq4
  PackedLines packed_;
  std::vector<float> multipliers_;
  std::vector<int32_t> offsets_;
  std::vector<QueryState> states_;
  std::vector<double> constants_;  ///< of each query's reach, side by side
  std::vector<double> linears_;
  double quadratic_ = 0;
  std::vector<float> scales_;  ///< the largest in each block
  // Of the lanes side by side, in one block.
  std::vector<float> adds_;
  std::vector<float> thresholds_;
  std::vector<int32_t> sums_;
  std::vector<simd::TileHit> hits_;
};

}  // namespace

CodeType QuickestScan(const RowCodes& codes, uint64_t rows) {
  // 10,000 word vectors (100 dimensions) leave 270 rows open, 100,000 some 500.
  constexpr uint64_t kLeastForNibbles = 16'384;
  const bool vectors = codes.type() == CodeType::kSq4 && rows < kLeastForNibbles;
  return vectors ? CodeType::kF32 : codes.type();
}

Status ScanCodedRows(const CodedRows& rows, MatrixView queries, const SearchParams& params,
                     std::span<SearchOutcome> out) {
  /// Fewer do not fill the lanes of a pack.
  constexpr size_t kFewQueries = 6;
  constexpr size_t kTogether = 1024;
  const Positions positions = PositionsOf(rows, params);
  const bool shared = queries.rows >= kFewQueries && rows.codes.type() != CodeType::kBf16;
  for (size_t begin = 0; begin < queries.rows; begin += kTogether) {
    const size_t count = std::min(kTogether, queries.rows - begin);
    const MatrixView these{queries.row(begin).data(), count, queries.dim};
    SearchParams of_these = params;
    of_these.farthest = params.farthest == nullptr ? nullptr : params.farthest + begin;
    LEADLINE_RETURN_IF_ERROR(
        shared ? SharedCodeScan(rows, positions, of_these).Run(these, out.subspan(begin, count))
               : SeparateScan(rows, positions, of_these).Run(these, out.subspan(begin, count)));
  }
  return {};
}

}  // namespace leadline::index
