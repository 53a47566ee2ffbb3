#pragma once

/// Inverted lists over k-means cells: a query visits the `nprobe` cells whose centroids are nearest
/// and compares with every row in them in full precision. nprobe >= nlist is an exact search. With
/// 8-bit codes of rows and a metric other than kInnerProduct `nprobe` is a mean over queries:
/// docs/decisions/0030-lists-each-query-needs.md.

#include "leadline/index/segment_index.h"

namespace leadline::index {

/// Build: k-means on a sample (spherical for inner product and cosine), then every row
/// goes to its nearest centroid. `nlist` 0 means about 4 sqrt(rows), 1.75 sqrt(rows) with pq4 and
/// rabitq. The default `nprobe` is measured: the smallest that finds 98% of the ten nearest
/// neighbours of 256 sampled rows, which is 95% or more for queries that are not rows
/// (docs/decisions/0005-default-nprobe.md). With SearchParams::filter and 8-bit codes of rows a
/// filter whose matches are many in some lists and few in others is searched by where in the lists
/// they lie (docs/decisions/0023-filters-by-their-matches.md). Without, where the default lists
/// hold far fewer matches than their share, a search gives up and scans the matches instead; it
/// needs SearchParams::allowed_count for that. Lists hold row numbers, not copies of the vectors: a
/// second copy would cost a third of the disk budget, and a gathered row is contiguous anyway.
/// Cost: build rows * (nlist + 256) distances; search (nlist + rows * nprobe / nlist) distances.
/// Source: Jegou, Douze & Schmid 2011 (IVF without the product quantiser).
const IndexFactory& IvfIndexFactory();

}  // namespace leadline::index
