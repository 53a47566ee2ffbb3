#include "neighbor_selection.h"

#include <algorithm>
#include <array>

#include "graph_layout.h"

namespace leadline::index::hnsw {
namespace {

constexpr size_t kTogether = 4;

/// True when one of the chosen rows is nearer to `row` than `limit`.
bool IsCovered(const simd::MetricDistance& distance, const float* vectors, uint32_t row,
               float limit, const uint32_t* chosen, size_t count) {
  std::array<float, kTogether> distances{};
  const float* vector = vectors + row * distance.dim();
  for (size_t begin = 0; begin < count; begin += kTogether) {
    const size_t n = std::min(kTogether, count - begin);
    distance.Gather(vector, vectors, chosen + begin, n, distances.data());
    for (size_t i = 0; i < n; ++i) {
      if (distances[i] < limit) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace

void SelectNeighbors(const simd::MetricDistance& distance, const float* vectors,
                     const uint32_t* node_rows, size_t max_links, std::vector<Key>* candidates) {
  std::array<uint32_t, size_t{2} * kMaxM> chosen{};
  size_t count = 0;
  for (const Key key : *candidates) {
    if (count == max_links) {
      break;
    }
    const uint32_t row = node_rows == nullptr ? NodeOf(key) : node_rows[NodeOf(key)];
    if (!IsCovered(distance, vectors, row, DistanceOf(key), chosen.data(), count)) {
      chosen[count] = row;
      (*candidates)[count++] = key;
    }
  }
  candidates->resize(count);
}

}  // namespace leadline::index::hnsw
