#include "list_chooser.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "byte_rows.h"
#include "leadline/index/candidate_buffer.h"

namespace leadline::index {
namespace {

using simd::kPackLanes;

/// Far below the largest float, beyond what vectors of unit length come to.
constexpr float kMostDistance = 1e37F;
/// Packs between two looks at the control.
constexpr size_t kPacksTogether = CallControl::kCheckInterval / kPackLanes;

/// The mean of `points`; zeros under inner product, where queries must stay as they are.
std::vector<float> MeanOf(MatrixView points, Metric metric) {
  std::vector<double> sums(points.dim, 0.0);
  if (metric != Metric::kInnerProduct) {
    for (size_t l = 0; l < points.rows; ++l) {
      for (size_t d = 0; d < points.dim; ++d) {
        sums[d] += points.row(l)[d];
      }
    }
  }
  std::vector<float> mean(points.dim);
  for (size_t d = 0; d < points.dim; ++d) {
    mean[d] = static_cast<float>(sums[d] / static_cast<double>(points.rows));
  }
  return mean;
}

}  // namespace

ListChooser::ListChooser(MatrixView centres, Metric metric)
    : metric_(metric),
      nlist_(centres.rows),
      dim_(centres.dim),
      stride_(ByteRowStride(centres.dim)),
      length_(simd::CurrentLevel().tiles.LengthOf(centres.dim)),
      packs_((centres.rows + kPackLanes - 1) / kPackLanes),
      multipliers_(packs_ * kPackLanes, 0.0F),
      offsets_(packs_ * kPackLanes, 0),
      adds_(packs_ * kPackLanes, 0.0F) {
  std::vector<float> directions;
  if (metric == Metric::kCosine) {
    directions = TakeDirections(centres);
    centres.data = directions.data();
  }
  centre_ = MeanOf(centres, metric);
  packed_.Resize(packs_, length_);
  std::vector<float> centred(dim_);
  std::vector<uint8_t> codes(nlist_ * stride_);
  for (size_t l = 0; l < nlist_; ++l) {
    uint8_t* code = codes.data() + l * stride_;
    const ByteRowTerms terms =
        EncodeByteRow(centres.row(l).data(), centre_.data(), dim_, centred.data(), code);
    int64_t norm = 0;
    int32_t sum = 0;
    for (size_t d = 0; d < stride_; ++d) {
      const int value = code[d] - 128;
      norm += int64_t{value} * value;
      sum += value;
      code[d] ^= 0x80U;
    }
    const bool dot = metric == Metric::kInnerProduct;
    multipliers_[l] = dot ? terms.scale / 2 : terms.scale;
    offsets_[l] = 256 * sum;
    adds_[l] = dot ? 0.0F : terms.scale * terms.scale * static_cast<float>(norm);
  }
  simd::CurrentLevel().tiles.pack_queries(reinterpret_cast<const int8_t*>(codes.data()), stride_,
                                          nullptr, nlist_, length_, packed_.pack(0));
}

void ListChooser::PutLast(size_t list) {
  multipliers_[list] = 0;
  adds_[list] = kMostDistance;
}

/// Keeps the lengths of `centres`; one without direction stays as it is.
std::vector<float> ListChooser::TakeDirections(MatrixView centres) {
  std::vector<float> directions(centres.data, centres.data + nlist_ * dim_);
  const std::vector<float> origin(dim_);
  for (size_t l = 0; l < nlist_; ++l) {
    float* direction = directions.data() + l * dim_;
    lengths_.push_back(std::sqrt(FixedSquaredDistance(direction, origin.data(), dim_)));
    for (size_t d = 0; lengths_.back() > 0 && d < dim_; ++d) {
      direction[d] /= lengths_.back();
    }
  }
  return directions;
}

size_t ListChooser::resident_bytes() const {
  return packed_.resident_bytes() + lengths_.size() * sizeof(float) +
         adds_.size() * (sizeof(float) + sizeof(float) + sizeof(int32_t)) + dim_ * sizeof(float);
}

void ListChooser::Encode(MatrixView queries, Scratch* scratch) const {
  scratch->centred.resize(dim_);
  scratch->codes.resize(kQueriesTogether * stride_);
  scratch->terms.assign(2 * kQueriesTogether, 0.0F);
  for (size_t q = 0; q < queries.rows; ++q) {
    const ByteRowTerms terms =
        EncodeByteRow(queries.row(q).data(), centre_.data(), dim_, scratch->centred.data(),
                      scratch->codes.data() + q * stride_);
    scratch->terms[2 * q + 1] = terms.scale;
  }
}

void ListChooser::KeepNearest(const float* distances, size_t nprobe, Scratch* scratch,
                              uint32_t* chosen) const {
  if (nprobe == nlist_) {
    std::iota(chosen, chosen + nprobe, 0U);
    return;
  }
  const simd::SelectionKernels& kernels = simd::CurrentLevel().selection;
  std::vector<uint32_t>& lists = scratch->lists;
  lists.resize(nlist_ + kPackLanes);
  // A bound for a few more costs half the passes over all; the rest is decided among those.
  const float loose =
      BoundOfSmallest(kernels, distances, nlist_, nprobe, nprobe + nprobe / 4 + kPackLanes);
  size_t count = kernels.list_at_most(distances, nlist_, loose, 0, lists.data());
  if (count > nprobe) {
    std::vector<float>& near = scratch->near;
    near.resize(count);
    std::transform(lists.begin(), lists.begin() + static_cast<std::ptrdiff_t>(count), near.begin(),
                   [distances](uint32_t list) { return distances[list]; });
    count = kernels.keep_at_most(near.data(), lists.data(), count,
                                 BoundOfSmallest(kernels, near.data(), count, nprobe, nprobe));
  }
  if (count > nprobe) {
    const auto nearer = [distances](uint32_t a, uint32_t b) {
      return distances[a] != distances[b] ? distances[a] < distances[b] : a < b;
    };
    std::nth_element(lists.begin(), lists.begin() + static_cast<std::ptrdiff_t>(nprobe - 1),
                     lists.begin() + static_cast<std::ptrdiff_t>(count), nearer);
    std::sort(lists.begin(), lists.begin() + static_cast<std::ptrdiff_t>(nprobe));
  }
  std::copy_n(lists.begin(), nprobe, chosen);
}

/// Of at most kQueriesTogether queries: scratch->distances [n x lanes].
Status ListChooser::CompareSome(MatrixView queries, const CallControl& control,
                                Scratch* scratch) const {
  const simd::TileKernels& kernels = simd::CurrentLevel().tiles;
  const size_t lanes = packs_ * kPackLanes;
  Encode(queries, scratch);
  scratch->sums.resize(kQueriesTogether * lanes);
  scratch->distances.resize(kQueriesTogether * lanes);
  for (size_t pack = 0; pack < packs_; pack += kPacksTogether) {
    LEADLINE_RETURN_IF_ERROR(control.Check());
    kernels.packed_sums(scratch->codes.data(), stride_, nullptr, queries.rows, length_,
                        packed_.pack(pack), std::min(kPacksTogether, packs_ - pack),
                        scratch->sums.data() + pack * kPackLanes, lanes);
  }
  const auto* terms = reinterpret_cast<const uint8_t*>(scratch->terms.data());
  kernels.tile_distances(
      {scratch->sums.data(), lanes, queries.rows, packs_, terms, 2 * sizeof(float)},
      {multipliers_.data(), offsets_.data(), adds_.data()}, scratch->distances.data());
  return {};
}

Status ListChooser::Compare(const float* query, const CallControl& control,
                            Scratch* scratch) const {
  return CompareSome({query, 1, dim_}, control, scratch);
}

float ListChooser::SquaredNorm(const float* query) const {
  return simd::MetricDistance(Metric::kL2, dim_).Pair(query, centre_.data());
}

float ListChooser::DistanceTo(size_t list, float compared, float norm) const {
  switch (metric_) {
    case Metric::kL2:
      return std::max(0.0F, compared + norm);
    case Metric::kInnerProduct:
      return compared;
    case Metric::kCosine:
      break;
  }
  // Of unit vectors the dot product is 1 less half the squared distance.
  return std::min(kMostDistance, lengths_[list] * (0.5F * (compared + norm) - 1));
}

Status ListChooser::Choose(MatrixView queries, size_t nprobe, const ListGaps* gaps,
                           const CallControl& control, Scratch* scratch,
                           ChosenLists* chosen) const {
  const size_t lanes = packs_ * kPackLanes;
  chosen->lists.clear();
  chosen->nearest.clear();
  chosen->starts.assign(1, 0);
  for (size_t begin = 0; begin < queries.rows; begin += kQueriesTogether) {
    const size_t count = std::min(kQueriesTogether, queries.rows - begin);
    LEADLINE_RETURN_IF_ERROR(
        CompareSome({queries.row(begin).data(), count, dim_}, control, scratch));
    for (size_t q = 0; q < count; ++q) {
      const float* distances = scratch->distances.data() + q * lanes;
      const size_t lists =
          gaps == nullptr
              ? nprobe
              : gaps->ListsFor(distances, SquaredNorm(queries.row(begin + q).data()), nprobe);
      chosen->lists.resize(chosen->starts.back() + lists);
      uint32_t* own = chosen->lists.data() + chosen->starts.back();
      KeepNearest(distances, lists, scratch, own);
      chosen->starts.push_back(chosen->lists.size());
      chosen->nearest.push_back(*std::min_element(
          own, own + lists,
          [distances](uint32_t a, uint32_t b) { return distances[a] < distances[b]; }));
    }
  }
  return {};
}

}  // namespace leadline::index
