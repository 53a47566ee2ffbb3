#include "centroid_table.h"

#include <algorithm>
#include <array>
#include <limits>

#include "leadline/core/no_throw.h"
#include "leadline/index/first_error.h"

namespace leadline::index {
namespace {

using simd::kPackLanes;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
/// Above this share of a distance the error of the bytes might change who is nearest by more than
/// anyone would see in the sum of all distances.
constexpr float kErrorShare = 0.01F;

const simd::TileKernels& Kernels() {
  return simd::CurrentLevel().tiles;
}

size_t PacksFor(size_t lanes) {
  return (lanes + kPackLanes - 1) / kPackLanes;
}

}  // namespace

void CentroidTable::Set(MatrixView centroids, const float* centre) {
  centroids_ = centroids;
  centre_ = centre;
  stride_ = ByteRowStride(centroids.dim);
  length_ = Kernels().LengthOf(centroids.dim);
  packs_ = PacksFor(centroids.rows);
  const size_t lanes = packs_ * kPackLanes;
  numbers_.resize(centroids.rows * stride_);
  packed_.Resize(packs_, length_);
  multipliers_.assign(lanes, 0.0F);
  offsets_.assign(lanes, 0);
  norms_.assign(lanes, kInfinity);  // lanes without a centroid are never nearest
  error_ = 0;
  for (size_t pack = 0; pack < packs_; ++pack) {
    EncodePack(pack);
  }
}

void CentroidTable::EncodePack(size_t pack) {
  std::vector<float> centred(centroids_.dim);
  std::vector<uint8_t> codes(stride_);
  const size_t first = pack * kPackLanes;
  const size_t end = std::min(first + kPackLanes, centroids_.rows);
  for (size_t c = first; c < end; ++c) {
    const ByteRowTerms terms = EncodeByteRow(centroids_.row(c).data(), centre_, centroids_.dim,
                                             centred.data(), codes.data());
    int32_t sum = 0;
    int64_t squares = 0;
    for (size_t j = 0; j < stride_; ++j) {
      const int number = codes[j] - 128;
      numbers_[c * stride_ + j] = static_cast<int8_t>(number);
      sum += number;
      squares += int64_t{number} * number;
    }
    multipliers_[c] = terms.scale;
    offsets_[c] = 256 * sum;
    // The norm of what the bytes say: errors then shrink with the distance.
    norms_[c] = static_cast<float>(static_cast<double>(terms.scale) * terms.scale *
                                   static_cast<double>(squares));
    error_ = std::max(error_, terms.error);
  }
  Kernels().pack_queries(numbers_.data() + first * stride_, stride_, nullptr, end - first, length_,
                         packed_.pack(pack));
}

Status CentroidTable::FindNearest(const ByteRows& rows, size_t first, size_t count,
                                  const CallControl& control, Scratch* scratch,
                                  Neighbor* nearest) const {
  for (size_t done = 0; done < count; done += kTileRows) {
    const size_t tile_rows = std::min(kTileRows, count - done);
    std::array<float, kTileRows> best{};
    std::array<uint32_t, kTileRows> number{};
    best.fill(kInfinity);
    const ByteRowTerms* terms = rows.terms + first + done;
    for (size_t pack = 0; pack < packs_; pack += kTilePacks) {
      LEADLINE_RETURN_IF_ERROR(control.Check());
      const size_t packs = std::min(kTilePacks, packs_ - pack);
      const size_t width = packs * kPackLanes;
      const size_t lane = pack * kPackLanes;
      Kernels().packed_sums(rows.codes + (first + done) * stride_, stride_, nullptr, tile_rows,
                            length_, packed_.pack(pack), packs, scratch->sums.data(), width);
      Kernels().tile_nearest(
          {scratch->sums.data(), width, tile_rows, packs, reinterpret_cast<const uint8_t*>(terms),
           sizeof(ByteRowTerms), nullptr},
          {multipliers_.data() + lane, offsets_.data() + lane, norms_.data() + lane},
          static_cast<uint32_t>(lane), best.data(), number.data());
    }
    for (size_t r = 0; r < tile_rows; ++r) {
      nearest[done + r] = {best[r] + terms[r].norm, number[r]};
      LEADLINE_RETURN_IF_ERROR(Settle(rows, first + done + r, {}, control, &nearest[done + r]));
    }
  }
  return {};
}

void CentroidTable::SetLanes(std::span<const uint32_t> near, Scratch* scratch) const {
  const size_t packs = PacksFor(near.size());
  scratch->packed.Resize(packs, length_);
  Kernels().pack_queries(numbers_.data(), stride_, near.data(), near.size(), length_,
                         scratch->packed.pack(0));
  scratch->multipliers.assign(packs * kPackLanes, 0.0F);
  scratch->offsets.assign(packs * kPackLanes, 0);
  scratch->norms.assign(packs * kPackLanes, kInfinity);
  for (size_t l = 0; l < near.size(); ++l) {
    scratch->multipliers[l] = multipliers_[near[l]];
    scratch->offsets[l] = offsets_[near[l]];
    scratch->norms[l] = norms_[near[l]];
  }
}

/// Asks for the rows of the next tile: those of a cluster lie anywhere.
void CentroidTable::Prefetch(const ByteRows& rows, std::span<const uint32_t> next) const {
  for (size_t r = 0; r < std::min(kTileRows, next.size()); ++r) {
    const uint8_t* codes = rows.codes + next[r] * stride_;
    for (size_t i = 0; i < stride_; i += 64) {
      __builtin_prefetch(codes + i);
    }
    __builtin_prefetch(rows.terms + next[r]);
  }
}

Status CentroidTable::FindNearestAround(uint32_t centroid, const ByteRows& rows,
                                        std::span<const uint32_t> listed,
                                        const CallControl& control, Scratch* scratch,
                                        Neighbor* nearest) const {
  const std::span<const uint32_t> near(near_.data() + centroid * near_count_, near_count_);
  SetLanes(near, scratch);
  const size_t packs = PacksFor(near.size());
  for (size_t done = 0; done < listed.size(); done += kTileRows) {
    const size_t tile_rows = std::min(kTileRows, listed.size() - done);
    const uint32_t* ids = listed.data() + done;
    Prefetch(rows, listed.subspan(done + tile_rows));
    std::array<float, kTileRows> best{};
    std::array<uint32_t, kTileRows> lane{};
    best.fill(kInfinity);
    for (size_t pack = 0; pack < packs; pack += kTilePacks) {
      LEADLINE_RETURN_IF_ERROR(control.Check());
      const size_t tile_packs = std::min(kTilePacks, packs - pack);
      const size_t width = tile_packs * kPackLanes;
      const size_t first = pack * kPackLanes;
      Kernels().packed_sums(rows.codes, stride_, ids, tile_rows, length_,
                            scratch->packed.pack(pack), tile_packs, scratch->sums.data(), width);
      Kernels().tile_nearest(
          {scratch->sums.data(), width, tile_rows, tile_packs,
           reinterpret_cast<const uint8_t*>(rows.terms), sizeof(ByteRowTerms), ids},
          {scratch->multipliers.data() + first, scratch->offsets.data() + first,
           scratch->norms.data() + first},
          static_cast<uint32_t>(first), best.data(), lane.data());
    }
    for (size_t r = 0; r < tile_rows; ++r) {
      Neighbor& found = nearest[ids[r]];
      found = {best[r] + rows.terms[ids[r]].norm, near[lane[r]]};
      LEADLINE_RETURN_IF_ERROR(Settle(rows, ids[r], near, control, &found));
    }
  }
  return {};
}

/// Lets full precision decide where bytes may be wrong; `among` empty means all centroids.
Status CentroidTable::Settle(const ByteRows& rows, size_t row, std::span<const uint32_t> among,
                             const CallControl& control, Neighbor* nearest) const {
  nearest->distance = std::max(0.0F, nearest->distance);
  if (rows.terms[row].error + error_ <= kErrorShare * nearest->distance) {
    return {};
  }
  const float* vector = rows.vectors.row(rows.vector_rows[row]).data();
  *nearest = {kInfinity, 0};
  const size_t count = among.empty() ? centroids_.rows : among.size();
  for (size_t i = 0; i < count; ++i) {
    if (i % CallControl::kCheckInterval == 0) {
      LEADLINE_RETURN_IF_ERROR(control.Check());
    }
    const auto c = among.empty() ? static_cast<uint32_t>(i) : among[i];
    const float distance = FixedSquaredDistance(vector, centroids_.row(c).data(), centroids_.dim);
    *nearest = std::min(*nearest, Neighbor{distance, c});
  }
  return {};
}

Status CentroidTable::FindNear(size_t count, Executor* executor, const CallControl& control) {
  near_count_ = std::min(count, centroids_.rows);
  near_.resize(centroids_.rows * near_count_);
  const size_t tasks = (centroids_.rows + kTileRows - 1) / kTileRows;
  std::vector<Status> statuses(tasks);
  ParallelFor(executor, tasks, [&](size_t t) {
    statuses[t] = NoThrow([&] {
      return FindNearOf(t * kTileRows, std::min(kTileRows, centroids_.rows - t * kTileRows),
                        control);
    });
  });
  return FirstError(statuses);
}

Status CentroidTable::FindNearOf(size_t first, size_t count, const CallControl& control) {
  std::vector<uint8_t> codes(count * stride_);
  std::vector<ByteRowTerms> terms(count);
  for (size_t i = 0; i < codes.size(); ++i) {
    codes[i] = static_cast<uint8_t>(numbers_[first * stride_ + i] + 128);
  }
  for (size_t r = 0; r < count; ++r) {
    terms[r].scale = multipliers_[first + r];
  }
  constexpr size_t kWidth = kTilePacks * kPackLanes;
  std::vector<int32_t> sums(count * kWidth);
  std::vector<float> tile(count * kWidth);
  std::vector<float> distances(count * centroids_.rows);
  for (size_t pack = 0; pack < packs_; pack += kTilePacks) {
    LEADLINE_RETURN_IF_ERROR(control.Check());
    const size_t packs = std::min(kTilePacks, packs_ - pack);
    const size_t width = packs * kPackLanes;
    const size_t lane = pack * kPackLanes;
    Kernels().packed_sums(codes.data(), stride_, nullptr, count, length_, packed_.pack(pack), packs,
                          sums.data(), width);
    Kernels().tile_distances(
        {sums.data(), width, count, packs, reinterpret_cast<const uint8_t*>(terms.data()),
         sizeof(ByteRowTerms), nullptr},
        {multipliers_.data() + lane, offsets_.data() + lane, norms_.data() + lane}, tile.data());
    for (size_t r = 0; r < count; ++r) {
      std::copy_n(tile.data() + r * width, std::min(width, centroids_.rows - lane),
                  distances.data() + r * centroids_.rows + lane);
    }
  }
  std::vector<float> sorted(centroids_.rows);
  for (size_t r = 0; r < count; ++r) {
    LEADLINE_RETURN_IF_ERROR(control.Check());
    const std::span<float> own(distances.data() + r * centroids_.rows, centroids_.rows);
    own[first + r] = -kInfinity;  // itself first, whatever duplicates and rounding say
    std::copy(own.begin(), own.end(), sorted.begin());
    const auto last = sorted.begin() + static_cast<std::ptrdiff_t>(near_count_ - 1);
    std::nth_element(sorted.begin(), last, sorted.end());
    size_t equal = near_count_ - static_cast<size_t>(std::count_if(
                                     sorted.begin(), last, [&](float d) { return d < *last; }));
    uint32_t* near = near_.data() + (first + r) * near_count_;
    for (uint32_t c = 0; c < centroids_.rows; ++c) {
      if (own[c] < *last || (own[c] == *last && equal > 0)) {
        equal -= own[c] == *last ? 1 : 0;
        *near++ = c;
      }
    }
  }
  return {};
}

}  // namespace leadline::index
