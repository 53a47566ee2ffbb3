#include "tile_search.h"

#include <algorithm>
#include <limits>

#include "leadline/core/round_up.h"
#include "leadline/simd/code_kernels.h"
#include "leadline/simd/level.h"

namespace leadline::index::hnsw {
namespace {

using simd::kPackLanes;

/// Rows that one append adds to what a lane has found.
constexpr size_t kAppend = 1;

}  // namespace

TileSearch::TileSearch(const RowCodes& codes, size_t dim)
    : codes_(codes),
      kernels_(simd::CurrentLevel().tiles),
      length_(kernels_.LengthOf(dim)),
      multipliers_(kMostLanes),
      offsets_(kMostLanes),
      adds_(kMostLanes),
      thresholds_(kMostLanes),
      found_(kMostLanes),
      sums_(kTileRows * kMostLanes),
      hits_(simd::HitRoom(kTileRows, kMostLanes / kPackLanes)) {}

void TileSearch::Start(std::span<const uint32_t> rows, size_t keep) {
  packs_ = RoundUp(rows.size(), kPackLanes) / kPackLanes;
  numbers_.resize(rows.size() * length_);
  packed_.Resize(packs_, length_);
  for (size_t lane = 0; lane < rows.size(); ++lane) {
    query_.PrepareRow(codes_, rows[lane]);
    std::copy_n(query_.integers().data(), length_, numbers_.data() + lane * length_);
    multipliers_[lane] = query_.map().multiplier;
    offsets_[lane] = query_.map().offset;
    adds_[lane] = query_.Shift();
    found_[lane].Reset(keep, kAppend);
    thresholds_[lane] = found_[lane].threshold();
  }
  for (size_t lane = rows.size(); lane < packs_ * kPackLanes; ++lane) {
    multipliers_[lane] = 0;
    offsets_[lane] = 0;
    adds_[lane] = 0;
    thresholds_[lane] = -std::numeric_limits<float>::infinity();
  }
  kernels_.pack_queries(numbers_.data(), length_, nullptr, rows.size(), length_, packed_.pack(0));
}

void TileSearch::Offer(std::span<const uint32_t> rows) {
  const size_t lanes = packs_ * kPackLanes;
  for (size_t begin = 0; begin < rows.size(); begin += kTileRows) {
    const size_t count = std::min(kTileRows, rows.size() - begin);
    const uint32_t* ids = rows.data() + begin;
    // Rows lie anywhere: the next tile's are fetched while this one is computed.
    for (size_t next = begin + count; next < std::min(rows.size(), begin + count + kTileRows);
         ++next) {
      codes_.Prefetch(rows[next]);
    }
    kernels_.packed_sums(codes_.codes(), codes_.stride(), ids, count, length_, packed_.pack(0),
                         packs_, sums_.data(), lanes);
    const size_t hits = kernels_.tile_hits(
        {sums_.data(), lanes, count, packs_, codes_.terms(), codes_.terms_stride(), ids},
        {multipliers_.data(), offsets_.data(), adds_.data()}, thresholds_.data(), hits_.data());
    for (size_t i = 0; i < hits; ++i) {
      const simd::TileHit& hit = hits_[i];
      CandidateBuffer& found = found_[hit.lane];
      *found.distances_end() = hit.distance;
      *found.positions_end() = ids[hit.row];
      found.Added(1);
      thresholds_[hit.lane] = found.threshold();
    }
  }
}

void TileSearch::Take(size_t lane, std::vector<Key>* nearest) {
  CandidateBuffer& found = found_[lane];
  found.Finish();
  nearest->clear();
  for (size_t i = 0; i < found.size(); ++i) {
    nearest->push_back(MakeKey(found.distances()[i], found.positions()[i]));
  }
  std::sort(nearest->begin(), nearest->end());
}

}  // namespace leadline::index::hnsw
