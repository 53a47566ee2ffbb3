#include "list_chooser.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <new>
#include <numeric>
#include <string>

namespace leadline::index {
namespace {

constexpr size_t kChunk = CallControl::kCheckInterval;

/// A value with at least `wanted` of `values` at or below it, and few more where that is quickly
/// found: halves the range a fixed number of times.
float Quantile(std::span<const float> values, size_t wanted) {
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  float low = *least;
  float high = *most;
  for (int round = 0; round < 16; ++round) {
    const float middle = low + (high - low) / 2;
    size_t below = 0;
    for (const float value : values) {
      below += value <= middle ? 1U : 0U;
    }
    if (below >= wanted) {
      high = middle;
      if (below <= wanted + wanted / 4) {
        break;
      }
    } else {
      low = middle;
    }
  }
  return high;
}

}  // namespace

Result<ListChooser> ListChooser::Make(MatrixView centroids, Metric metric) {
  ListChooser chooser(centroids, metric);
  LEADLINE_ASSIGN_OR_RETURN(
      const std::string bytes,
      EncodeRowCodes(centroids, metric, CodeType::kSq8, nullptr, CallControl()));
  chooser.bytes_ = (bytes.size() + simd::kCodeBytes - 1) / simd::kCodeBytes * simd::kCodeBytes;
  auto* storage = static_cast<char*>(std::aligned_alloc(simd::kCodeBytes, chooser.bytes_));
  if (storage == nullptr) {
    throw std::bad_alloc();
  }
  chooser.storage_.reset(storage, &std::free);
  std::memcpy(storage, bytes.data(), bytes.size());
  LEADLINE_ASSIGN_OR_RETURN(chooser.codes_, RowCodes::Open({storage, bytes.size()}, centroids.rows,
                                                           centroids.dim, metric));
  return chooser;
}

Status ListChooser::Choose(const float* query, size_t nprobe, const CallControl& control,
                           Scratch* scratch) const {
  const size_t nlist = centroids_.rows;
  std::vector<uint32_t>& lists = scratch->lists;
  lists.resize(nlist);
  std::iota(lists.begin(), lists.end(), 0U);
  if (nprobe < nlist) {
    scratch->sums.resize(kChunk);
    scratch->distances.resize(nlist);
    scratch->query.Prepare(codes_, query);
    for (size_t begin = 0; begin < nlist; begin += kChunk) {
      LEADLINE_RETURN_IF_ERROR(control.Check());
      scratch->query.Distances(lists.data() + begin, std::min(kChunk, nlist - begin),
                               scratch->sums.data(), scratch->distances.data() + begin);
    }
    const std::vector<float>& distances = scratch->distances;
    const float bound = Quantile(distances, nprobe);
    size_t kept = 0;
    for (uint32_t l = 0; l < nlist; ++l) {
      lists[kept] = l;
      kept += distances[l] <= bound ? 1U : 0U;
    }
    const auto nearer = [&distances](uint32_t a, uint32_t b) {
      return distances[a] != distances[b] ? distances[a] < distances[b] : a < b;
    };
    std::nth_element(lists.begin(), lists.begin() + static_cast<std::ptrdiff_t>(nprobe - 1),
                     lists.begin() + static_cast<std::ptrdiff_t>(kept), nearer);
    lists.resize(nprobe);
    // In ascending order they are read in the order of memory, and equal at every level.
    std::sort(lists.begin(), lists.end());
  }
  scratch->distances.resize(std::max(scratch->distances.size(), lists.size()));
  std::vector<Neighbor>& nearest = scratch->nearest;
  nearest.resize(lists.size());
  for (size_t begin = 0; begin < lists.size(); begin += kChunk) {
    LEADLINE_RETURN_IF_ERROR(control.Check());
    const size_t count = std::min(kChunk, lists.size() - begin);
    distance_.Gather(query, centroids_.data, lists.data() + begin, count,
                     scratch->distances.data());
    for (size_t i = 0; i < count; ++i) {
      nearest[begin + i] = {scratch->distances[i], lists[begin + i]};
    }
  }
  std::sort(nearest.begin(), nearest.end());
  return {};
}

}  // namespace leadline::index
