#pragma once

#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "index_test_data.h"
#include "leadline/index/hnsw.h"
#include "status_matchers.h"

namespace leadline::index::testing {

/// A built and opened index with what it borrows.
struct Hnsw {
  std::vector<Section> built;
  std::unique_ptr<MappedSections> mapped;
  std::unique_ptr<SegmentIndex> index;
};

inline Hnsw BuildHnsw(const Matrix& base, const BuildOptions& options) {
  Hnsw hnsw;
  Result<std::vector<Section>> built = HnswIndexFactory().Build(base.view(), options);
  EXPECT_OK(built);
  if (!built.ok()) {
    return hnsw;
  }
  hnsw.built = std::move(built).value();
  hnsw.mapped = std::make_unique<MappedSections>(hnsw.built);
  Result<std::unique_ptr<SegmentIndex>> index =
      HnswIndexFactory().Open(hnsw.mapped->views(), base.view(), options.metric);
  EXPECT_OK(index);
  if (index.ok()) {
    hnsw.index = std::move(index).value();
  }
  return hnsw;
}

inline std::vector<SearchOutcome> SearchAll(const SegmentIndex& index, MatrixView queries,
                                            const SearchParams& params) {
  std::vector<SearchOutcome> out(queries.rows);
  EXPECT_OK(index.Search(queries, params, out));
  return out;
}

}  // namespace leadline::index::testing
