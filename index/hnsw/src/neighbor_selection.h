#pragma once

#include <cstdint>
#include <vector>

#include "candidate_pool.h"
#include "row_space.h"

namespace leadline::index::hnsw {

/// Chooses up to `max_links` of `candidates` (ascending keys of nodes, with their distances to one
/// common vector): a candidate is dropped when one chosen before it is nearer to it than that
/// common vector is (by Space::Covering). Keeps the chosen ones, ascending. `node_rows` gives each
/// node's row; null where nodes are rows. Source: Malkov & Yashunin 2016, alg. 4, without extension
/// and without refilling. `Space` is FullSpace or CodeSpace, the one that the keys are from.
template <class Space>
void SelectNeighbors(const Space& space, const uint32_t* node_rows, size_t max_links,
                     SearchScratch* scratch, std::vector<Key>* candidates);

extern template void SelectNeighbors(const FullSpace&, const uint32_t*, size_t, SearchScratch*,
                                     std::vector<Key>*);
extern template void SelectNeighbors(const CodeSpace&, const uint32_t*, size_t, SearchScratch*,
                                     std::vector<Key>*);

}  // namespace leadline::index::hnsw
