#include "leadline/index/coded_matches.h"

#include <algorithm>
#include <array>
#include <limits>

#include "distance_bounds.h"
#include "leadline/index/candidate_buffer.h"
#include "leadline/index/rescoring.h"
#include "leadline/index/scan.h"
#include "leadline/index/top_k.h"
#include "leadline/simd/distance.h"
#include "leadline/simd/level.h"

namespace leadline::index {
namespace {

using simd::kPackLanes;

/// Searches that find their codes one by one before these are copied: by then they cost as much.
constexpr uint32_t kAskedOften = 8;
/// Of a copy of which so many times fewer rows are allowed the rest is read in vain.
constexpr uint64_t kMostInVain = 2;
/// Queries that pass over a copy together, and distances kept for all of them, unless one query has
/// more.
constexpr size_t kQueriesTogether = 12;
constexpr size_t kDistancesTogether = 1 << 16;
/// Rows compared in full precision between two looks at whether any more can matter.
constexpr size_t kRowsTogether = 8;
/// Packs between two looks at the control.
constexpr size_t kPacksTogether = CallControl::kCheckInterval / kPackLanes;

size_t LanesOf(uint64_t matches) {
  return (matches + kPackLanes - 1) / kPackLanes * kPackLanes;
}

/// Working memory of one thread.
struct Scratch {
  /// A row that may be among the nearest.
  struct Open {
    float distance = 0;  ///< by its code
    float scale = 0;
    uint32_t row = 0;
  };

  std::array<RowQuery, kQueriesTogether> queries;
  std::vector<int32_t> sums;
  std::vector<float> distances;
  std::vector<uint32_t> near;  ///< places in distances
  std::vector<Open> open;
  std::vector<uint32_t> rows;

  static Scratch& OfThread() {
    static thread_local Scratch scratch;
    return scratch;
  }
};

/// The rows that one query's distances by code leave open, and their comparison in full precision.
class NearestMatches {
 public:
  NearestMatches(const CodedRows& rows, const CodedMatches& matches, const SearchParams& params,
                 Scratch* scratch)
      : rows_(rows),
        matches_(matches),
        params_(params),
        distance_(rows.codes.metric(), rows.vectors.dim),
        scratch_(*scratch),
        barred_(params.allowed != params.filter->rows) {
    for (size_t i = 0; barred_ && i < matches.rows().size(); ++i) {
      if (IsAllowed(params.allowed, matches.rows()[i])) {
        allowed_.push_back(static_cast<uint32_t>(i));
      }
    }
  }

  /// `distances` [matches] may be changed.
  Status Find(VectorView query, const RowQuery& prepared, float farthest, float* distances,
              SearchOutcome* out) {
    const size_t count = barred_ ? DropBarred(distances) : matches_.rows().size();
    const DistanceBounds bounds(rows_.codes, prepared, query);
    ListWithin(bounds, LimitOf(bounds, farthest, distances, count), distances, count);
    TopK top(params_.k);
    SearchStats stats;
    LEADLINE_RETURN_IF_ERROR(Rescore(bounds, query.data(), farthest, &top, &stats));
    stats.distances += count;
    stats.scanned = true;
    *out = {top.Take(), stats};
    return {};
  }

 private:
  using Open = Scratch::Open;

  /// Returns how many are left.
  size_t DropBarred(float* distances) const {
    for (size_t i = 0; i < allowed_.size(); ++i) {
      distances[i] = distances[allowed_[i]];
    }
    return allowed_.size();
  }

  /// No row farther than it is among the k nearest.
  [[nodiscard]] float LimitOf(const DistanceBounds& bounds, float farthest, const float* distances,
                              size_t count) const {
    if (count <= params_.k) {
      return farthest;
    }
    // At least k rows are as near as the upper end of the interval of this distance.
    const float kth =
        BoundOfSmallest(selection_, distances, count, params_.k, params_.k + params_.k / 4);
    return std::min(farthest, bounds.Of(kth, matches_.largest_scale()).upper);
  }

  /// Leaves the rows that may be as near as `limit` in open, the nearest by code first.
  void ListWithin(const DistanceBounds& bounds, float limit, const float* distances, size_t count) {
    const DistanceBounds::Reach reach = bounds.ReachOf(limit);
    std::vector<uint32_t>& near = scratch_.near;
    near.resize(std::max(near.size(), count + kPackLanes));
    const size_t listed = selection_.list_at_most(
        distances, count, ThresholdAt(reach, matches_.largest_scale()), 0, near.data());
    std::vector<Open>& open = scratch_.open;
    open.clear();
    for (size_t i = 0; i < listed; ++i) {
      const size_t match = barred_ ? allowed_[near[i]] : near[i];
      const Open row = {distances[near[i]], matches_.scale_of(match), matches_.rows()[match]};
      if (row.distance <= ThresholdAt(reach, row.scale)) {
        open.push_back(row);
      }
    }
    std::sort(open.begin(), open.end(), [](const Open& a, const Open& b) {
      return a.distance != b.distance ? a.distance < b.distance : a.row < b.row;
    });
  }

  /// Of those in open, as long as they may be among the nearest.
  Status Rescore(const DistanceBounds& bounds, const float* query, float farthest, TopK* top,
                 SearchStats* stats) {
    std::vector<uint32_t>& rows = scratch_.rows;
    size_t wanted = std::max(params_.k, kRowsTogether);
    for (size_t at = 0; at < scratch_.open.size();) {
      const DistanceBounds::Reach reach = bounds.ReachOf(std::min(farthest, top->threshold()));
      rows.clear();
      for (; at < scratch_.open.size() && rows.size() < wanted; ++at) {
        const Open& row = scratch_.open[at];
        if (row.distance <= ThresholdAt(reach, row.scale)) {
          rows.push_back(row.row);
        }
      }
      if (params_.row_check != nullptr) {
        LEADLINE_RETURN_IF_ERROR(params_.row_check->Check(rows));
      }
      RescoreRows(distance_, rows_.vectors, query, rows, top, stats);
      wanted = kRowsTogether;
    }
    return {};
  }

  const CodedRows& rows_;
  const CodedMatches& matches_;
  const SearchParams& params_;
  const simd::MetricDistance distance_;
  const simd::SelectionKernels& selection_ = simd::CurrentLevel().selection;
  Scratch& scratch_;
  const bool barred_;
  std::vector<uint32_t> allowed_;  ///< matches, where some are not
};

}  // namespace

bool CodedMatches::Fit(const RowCodes& codes, uint64_t matches) {
  const size_t row_bytes = simd::CurrentLevel().tiles.LengthOf(codes.dim()) + sizeof(RowTerms) +
                           sizeof(int32_t) + sizeof(uint32_t);
  return codes.type() == CodeType::kSq8 && matches > 0 &&
         LanesOf(matches) <= kBytesPerRow * codes.rows() / row_bytes;
}

CodedMatches::CodedMatches(const CodedRows& rows, const uint64_t* words)
    : length_(simd::CurrentLevel().tiles.LengthOf(rows.codes.dim())),
      rows_(ListAllowed(words, rows.codes.rows())) {
  const size_t lanes = LanesOf(rows_.size());
  packed_.Resize(lanes / kPackLanes, length_);
  adds_.assign(lanes, 0.0F);
  scales_.assign(lanes, 0.0F);
  offsets_.assign(lanes, 0);
  for (size_t first = 0; first < rows_.size(); first += kPackLanes) {
    Pack(rows, first);
  }
}

/// One pack: the matches from `first` on.
void CodedMatches::Pack(const CodedRows& rows, size_t first) {
  const RowCodes& codes = rows.codes;
  const size_t count = std::min(kPackLanes, rows_.size() - first);
  std::vector<int8_t> numbers(kPackLanes * length_);
  for (size_t l = 0; l < count; ++l) {
    const uint32_t row = rows_[first + l];
    const uint32_t position = rows.position_of.empty() ? row : rows.position_of[row];
    const uint8_t* code = codes.codes() + position * codes.stride();
    int32_t sum = 0;
    for (size_t d = 0; d < codes.dim(); ++d) {
      const int32_t number = int32_t{code[d]} - 128;
      numbers[l * length_ + d] = static_cast<int8_t>(number);
      sum += number;
    }
    const RowTerms terms = codes.terms_of(position);
    adds_[first + l] = terms.add;
    scales_[first + l] = terms.scale;
    offsets_[first + l] = 256 * sum;
    largest_scale_ = std::max(largest_scale_, terms.scale);
  }
  simd::CurrentLevel().tiles.pack_queries(numbers.data(), length_, nullptr, count, length_,
                                          packed_.pack(first / kPackLanes));
}

Status CodedMatches::Compare(std::span<const RowQuery> queries, const CallControl& control,
                             int32_t* sums, float* distances) const {
  const simd::TileKernels& kernels = simd::CurrentLevel().tiles;
  const size_t packs = lanes() / kPackLanes;
  std::vector<uint8_t> codes(queries.size() * length_);
  std::vector<RowTerms> terms(queries.size());
  for (size_t q = 0; q < queries.size(); ++q) {
    const int8_t* numbers = queries[q].values().data();
    for (size_t d = 0; d < length_; ++d) {
      codes[q * length_ + d] = static_cast<uint8_t>(numbers[d] + 128);
    }
    terms[q] = {0, queries[q].map().multiplier};
  }
  for (size_t pack = 0; pack < packs; pack += kPacksTogether) {
    LEADLINE_RETURN_IF_ERROR(control.Check());
    kernels.packed_sums(codes.data(), length_, nullptr, queries.size(), length_, packed_.pack(pack),
                        std::min(kPacksTogether, packs - pack), sums + pack * kPackLanes, lanes());
  }
  kernels.tile_distances({sums, lanes(), queries.size(), packs,
                          reinterpret_cast<const uint8_t*>(terms.data()), sizeof(RowTerms)},
                         {scales_.data(), offsets_.data(), adds_.data()}, distances);
  return {};
}

size_t CodedMatches::resident_bytes() const {
  return sizeof(*this) + packed_.resident_bytes() + rows_.capacity() * sizeof(uint32_t) +
         (adds_.capacity() + scales_.capacity()) * sizeof(float) +
         offsets_.capacity() * sizeof(int32_t);
}

const CodedMatches* RepeatedMatches::For(const CodedRows& rows, const SearchParams& params) {
  if (params.filter == nullptr || params.allowed == nullptr) {
    return nullptr;
  }
  const RepeatedFilter& filter = *params.filter;
  const uint64_t allowed = params.allowed_count.value_or(filter.count);
  if (!CodedMatches::Fit(rows.codes, filter.count) || kMostInVain * allowed < filter.count) {
    return nullptr;
  }
  const CodedMatches* ready = ready_.load(std::memory_order_acquire);
  if (ready == nullptr && asked_.fetch_add(1, std::memory_order_relaxed) + 1 == kAskedOften) {
    kept_ = std::make_unique<const CodedMatches>(rows, filter.rows);
    ready = kept_.get();
    ready_.store(ready, std::memory_order_release);
  }
  return ready;
}

size_t RepeatedMatches::resident_bytes() const {
  const CodedMatches* ready = ready_.load(std::memory_order_acquire);
  return ready == nullptr ? 0 : ready->resident_bytes();
}

Status ScanCodedMatches(const CodedRows& rows, const CodedMatches& matches, MatrixView queries,
                        const SearchParams& params, std::span<SearchOutcome> out) {
  Scratch& scratch = Scratch::OfThread();
  NearestMatches nearest(rows, matches, params, &scratch);
  const size_t together =
      std::clamp<size_t>(kDistancesTogether / matches.lanes(), 1, kQueriesTogether);
  for (size_t begin = 0; begin < queries.rows; begin += together) {
    const size_t count = std::min(together, queries.rows - begin);
    const size_t room = count * matches.lanes();
    scratch.sums.resize(std::max(scratch.sums.size(), room));
    scratch.distances.resize(std::max(scratch.distances.size(), room));
    for (size_t q = 0; q < count; ++q) {
      scratch.queries[q].Prepare(rows.codes, queries.row(begin + q).data());
    }
    LEADLINE_RETURN_IF_ERROR(matches.Compare({scratch.queries.data(), count}, params.control,
                                             scratch.sums.data(), scratch.distances.data()));
    for (size_t q = 0; q < count; ++q) {
      const float farthest = params.farthest == nullptr ? std::numeric_limits<float>::infinity()
                                                        : params.farthest[begin + q];
      LEADLINE_RETURN_IF_ERROR(params.control.Check());
      LEADLINE_RETURN_IF_ERROR(nearest.Find(queries.row(begin + q), scratch.queries[q], farthest,
                                            scratch.distances.data() + q * matches.lanes(),
                                            &out[begin + q]));
    }
  }
  return {};
}

Status ScanUnderFilter(const CodedRows& rows, MatrixView queries, const SearchParams& params,
                       std::span<SearchOutcome> out) {
  const CodedMatches* matches = nullptr;
  if (params.filter != nullptr && CodedMatches::Fit(rows.codes, params.filter->count)) {
    LEADLINE_ASSIGN_OR_RETURN(
        const PreparedFilter* prepared,
        params.filter->slot->Get([]() -> Result<std::unique_ptr<const PreparedFilter>> {
          return std::unique_ptr<const PreparedFilter>(std::make_unique<ScannedFilter>());
        }));
    matches = static_cast<const ScannedFilter*>(prepared)->matches().For(rows, params);
  }
  return matches == nullptr ? ScanCodedRows(rows, queries, params, out)
                            : ScanCodedMatches(rows, *matches, queries, params, out);
}

}  // namespace leadline::index
