#pragma once

/// The flat index kind: exact search by scanning.

#include "leadline/index/segment_index.h"

namespace leadline::index {

/// The flat kind, of codes f32, bf16, sq8 or sq4. Without codes it has no section of its own and
/// compares every allowed row in full precision; with them it scans the codes
/// (leadline/index/code_scan.h) and answers the same.
/// Cost of a search: rows * dim multiply-adds per query; queries of one call share the reading of
/// the rows from memory.
const IndexFactory& FlatIndexFactory();

}  // namespace leadline::index
