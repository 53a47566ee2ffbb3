#include "neighbor_selection.h"

#include <algorithm>
#include <array>

#include "graph_layout.h"

namespace leadline::index::hnsw {
namespace {

/// True when one of the chosen rows is nearer to `row` than `limit`.
template <class Space>
bool IsCovered(const Space& space, uint32_t row, float limit, const uint32_t* chosen, size_t count,
               SearchScratch* scratch) {
  std::array<float, Space::kTogether> distances{};
  const auto around = space.Around(row, scratch);
  for (size_t begin = 0; begin < count; begin += Space::kTogether) {
    const size_t n = std::min(Space::kTogether, count - begin);
    around.To(chosen + begin, n, distances.data());
    for (size_t i = 0; i < n; ++i) {
      if (distances[i] < limit) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace

template <class Space>
void SelectNeighbors(const Space& space, const uint32_t* node_rows, size_t max_links,
                     SearchScratch* scratch, std::vector<Key>* candidates) {
  std::array<uint32_t, size_t{2} * kMaxM> chosen{};
  size_t count = 0;
  for (const Key key : *candidates) {
    if (count == max_links) {
      break;
    }
    const uint32_t row = node_rows == nullptr ? NodeOf(key) : node_rows[NodeOf(key)];
    if (!IsCovered(space, row, DistanceOf(key), chosen.data(), count, scratch)) {
      chosen[count] = row;
      (*candidates)[count++] = key;
    }
  }
  candidates->resize(count);
}

template void SelectNeighbors(const FullSpace&, const uint32_t*, size_t, SearchScratch*,
                              std::vector<Key>*);
template void SelectNeighbors(const CodeSpace&, const uint32_t*, size_t, SearchScratch*,
                              std::vector<Key>*);

}  // namespace leadline::index::hnsw
