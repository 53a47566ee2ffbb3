#pragma once

#include <cstdint>
#include <vector>

#include "candidate_pool.h"
#include "leadline/simd/distance.h"

namespace leadline::index::hnsw {

/// Chooses up to `max_links` of `candidates` (ascending keys of nodes, with their distances to one
/// common vector): a candidate is dropped when one chosen before it is nearer to it than that
/// common vector is. Keeps the chosen ones, ascending. `node_rows` gives each node's row; null
/// where nodes are rows. Source: Malkov & Yashunin 2016, alg. 4, without extension and without
/// refilling.
void SelectNeighbors(const simd::MetricDistance& distance, const float* vectors,
                     const uint32_t* node_rows, size_t max_links, std::vector<Key>* candidates);

}  // namespace leadline::index::hnsw
