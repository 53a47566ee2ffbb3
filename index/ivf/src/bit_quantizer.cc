#include "bit_quantizer.h"

#include <algorithm>
#include <cmath>

#include "leadline/core/rng.h"
#include "leadline/simd/level.h"

namespace leadline::index {

std::vector<uint8_t> DrawRotation(size_t dim, uint64_t seed) {
  std::vector<uint8_t> bits(RotationBytes(dim, kRotationRounds));
  Rng rng(seed);
  for (uint8_t& byte : bits) {
    byte = static_cast<uint8_t>(rng.Next() >> 56);
  }
  return bits;
}

BitRotation::BitRotation(const float* centre, size_t dim, const uint8_t* bits, size_t rounds)
    : centre_(centre), dim_(dim), rounds_(rounds), signs_(rounds * TurnedDim(dim)) {
  for (size_t i = 0; i < signs_.size(); ++i) {
    signs_[i] = ((bits[i / 8] >> (i % 8)) & 1) != 0 ? 1.0F : -1.0F;
  }
}

void BitRotation::Turn(const float* vector, const float* from, float* turned, float* room) const {
  const float* origin = from == nullptr ? centre_ : from;
  for (size_t d = 0; d < dim_; ++d) {
    turned[d] = vector[d] - origin[d];
  }
  std::fill(turned + dim_, turned + turned_dim(), 0.0F);
  simd::CurrentLevel().codes.rotate(signs_.data(), turned_dim(), rounds_, turned, room);
}

BitEncoder::BitEncoder(const BitRotation& rotation, Metric metric)
    : rotation_(rotation),
      metric_(metric),
      turned_base_(rotation.turned_dim()),
      turned_(rotation.turned_dim()),
      room_(rotation.turned_dim()) {}

void BitEncoder::SetBase(const float* base) {
  base_ = base;
  rotation_.Turn(base, nullptr, turned_base_.data(), room_.data());
}

BitTerms BitEncoder::Encode(const float* row, uint8_t* codes) {
  const simd::CodeKernels& kernels = simd::CurrentLevel().codes;
  rotation_.Turn(row, base_, turned_.data(), room_.data());
  const simd::SignSums sums =
      kernels.sign_codes(turned_.data(), turned_base_.data(), rotation_.turned_dim(), codes);
  const double factor = sums.magnitudes > 0 ? sums.square / sums.magnitudes : 0;
  if (metric_ == Metric::kL2) {
    return {static_cast<float>(sums.square + 2 * factor * sums.along),
            static_cast<float>(2 * factor)};
  }
  const double along = kernels.projection(row, base_, rotation_.dim());
  return {static_cast<float>(factor * sums.along - along), static_cast<float>(factor)};
}

void BitTable::Prepare(const BitRotation& rotation, const float* query) {
  const size_t dim = rotation.turned_dim();
  turned_.resize(dim);
  room_.resize(dim + dim / kSignsPerPart);
  storage_.resize(dim / kSignsPerPart * kCodewords + simd::kCodeBytes);
  const auto misplaced = reinterpret_cast<uintptr_t>(storage_.data()) % simd::kCodeBytes;
  aligned_ = storage_.data() + (simd::kCodeBytes - misplaced);
  rotation.Turn(query, nullptr, turned_.data(), room_.data());
  simd::CurrentLevel().codes.sign_table(turned_.data(), dim, room_.data(), aligned_, &base_,
                                        &step_);
}

simd::SumToDistance BitTable::map() const {
  simd::SumToDistance map;
  map.multiplier = step_ / 2;
  // Half a part's range for each part: at most 255 times kMaxDim / kSignsPerPart.
  map.offset =
      map.multiplier > 0 ? static_cast<int32_t>(std::nearbyint(-base_ / map.multiplier)) : 0;
  return map;
}

}  // namespace leadline::index
