#include "centroid_table.h"

#include <algorithm>
#include <array>
#include <limits>

namespace leadline::index {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
/// Above this share of a distance the error of the bytes might change who is nearest by more than
/// anyone would see in the sum of all distances.
constexpr float kErrorShare = 0.01F;

}  // namespace

void CentroidTable::Set(MatrixView centroids, const float* centre) {
  centroids_ = centroids;
  centre_ = centre;
  stride_ = ByteRowStride(centroids.dim);
  packs_ = (centroids.rows + simd::kPackLanes - 1) / simd::kPackLanes;
  const size_t lanes = packs_ * simd::kPackLanes;
  packed_.resize(simd::PackedBytes(packs_, stride_) / sizeof(Line));
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
  std::vector<uint8_t> codes(simd::kPackLanes * stride_);
  const size_t first = pack * simd::kPackLanes;
  const size_t count = std::min(simd::kPackLanes, centroids_.rows - first);
  for (size_t i = 0; i < count; ++i) {
    uint8_t* code = codes.data() + i * stride_;
    const ByteRowTerms terms = EncodeByteRow(centroids_.row(first + i).data(), centre_,
                                             centroids_.dim, centred.data(), code);
    int32_t sum = 0;
    int64_t squares = 0;
    for (size_t j = 0; j < stride_; ++j) {
      const int value = code[j] - 128;
      code[j] = static_cast<uint8_t>(value);
      sum += value;
      squares += int64_t{value} * value;
    }
    const size_t lane = first + i;
    multipliers_[lane] = terms.scale;
    offsets_[lane] = 256 * sum;
    // The norm of what the bytes say: errors then shrink with the distance.
    norms_[lane] = static_cast<float>(static_cast<double>(terms.scale) * terms.scale *
                                      static_cast<double>(squares));
    error_ = std::max(error_, terms.error);
  }
  simd::CurrentLevel().tiles.pack_queries(
      reinterpret_cast<const int8_t*>(codes.data()), stride_, nullptr, count, stride_,
      packed_.data()->values + simd::PackedBytes(pack, stride_));
}

Status CentroidTable::FindNearest(const ByteRowBlock& block, const simd::TileKernels& kernels,
                                  const CallControl& control, int32_t* sums,
                                  Neighbor* nearest) const {
  const size_t rows = block.terms.size();
  std::array<float, kTileRows> best;
  std::array<uint32_t, kTileRows> number{};
  best.fill(kInfinity);
  for (size_t pack = 0; pack < packs_; pack += kTilePacks) {
    LEADLINE_RETURN_IF_ERROR(control.Check());
    const size_t packs = std::min(kTilePacks, packs_ - pack);
    const size_t width = packs * simd::kPackLanes;
    const size_t lane = pack * simd::kPackLanes;
    kernels.packed_sums(block.codes, stride_, nullptr, rows, stride_,
                        packed_.data()->values + simd::PackedBytes(pack, stride_), packs, sums,
                        width);
    const simd::SumTile tile = {sums,
                                width,
                                rows,
                                packs,
                                reinterpret_cast<const uint8_t*>(block.terms.data()),
                                sizeof(ByteRowTerms),
                                nullptr};
    kernels.tile_nearest(tile,
                         {multipliers_.data() + lane, offsets_.data() + lane, norms_.data() + lane},
                         static_cast<uint32_t>(lane), best.data(), number.data());
  }
  for (size_t r = 0; r < rows; ++r) {
    const ByteRowTerms& terms = block.terms[r];
    nearest[r] = {std::max(0.0F, best[r] + terms.norm), number[r]};
    if (terms.error + error_ > kErrorShare * nearest[r].distance) {
      LEADLINE_RETURN_IF_ERROR(
          FindExactly(block.vectors.row(block.ids[r]).data(), control, &nearest[r]));
    }
  }
  return {};
}

Status CentroidTable::FindExactly(const float* row, const CallControl& control,
                                  Neighbor* nearest) const {
  *nearest = {kInfinity, 0};
  for (size_t c = 0; c < centroids_.rows; ++c) {
    if (c % CallControl::kCheckInterval == 0) {
      LEADLINE_RETURN_IF_ERROR(control.Check());
    }
    const float distance = FixedSquaredDistance(row, centroids_.row(c).data(), centroids_.dim);
    *nearest = std::min(*nearest, Neighbor{distance, static_cast<uint32_t>(c)});
  }
  return {};
}

}  // namespace leadline::index
