// Graphs on codes are linked by cells of neighbours instead of by searching: what the parts of that
// promise, and data on which the nearest neighbours alone make a poor graph.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <set>

#include <gtest/gtest.h>

#include "built_hnsw.h"
#include "cells.h"
#include "index_test_data.h"
#include "leadline/index/hnsw.h"
#include "leadline/index/owned_codes.h"
#include "status_matchers.h"
#include "tile_search.h"

namespace leadline::index::hnsw {
namespace {

using testing::BuildHnsw;
using testing::Hnsw;
using testing::Matrix;
using testing::SearchAll;

constexpr uint64_t kSeed = 1717;

OwnedCodes CodesOf(const Matrix& rows) {
  auto codes = OwnedCodes::Make(rows.view(), Metric::kL2, nullptr, CallControl());
  EXPECT_OK(codes);
  return std::move(codes).value();
}

std::vector<uint32_t> AllRows(size_t count) {
  std::vector<uint32_t> rows(count);
  std::iota(rows.begin(), rows.end(), 0U);
  return rows;
}

// ---- TileSearch ----

TEST(TileSearch, FindsWhatComparingCodesOneByOneFinds) {
  for (const size_t dim : {1U, 24U, 64U, 100U, 130U}) {
    const Matrix base = testing::ClusteredMatrix(kSeed + dim, 700, dim, 9);
    const OwnedCodes owned = CodesOf(base);
    const std::vector<uint32_t> all = AllRows(700);
    TileSearch search(owned.codes(), dim);
    RowQuery query;
    std::vector<int32_t> sums(700);
    std::vector<float> distances(700);
    std::vector<Key> found;
    for (const size_t lanes : {1U, 16U, 37U, 256U}) {
      const std::span<const uint32_t> rows(all.data() + 300, lanes);
      for (const size_t keep : {1U, 20U, 700U}) {
        search.Start(rows, keep);
        search.Offer({all.data(), 650});
        search.Offer({all.data() + 650, 50});
        for (size_t lane = 0; lane < lanes; lane += 7) {
          search.Take(lane, &found);
          ASSERT_EQ(found.size(), keep);
          EXPECT_TRUE(std::is_sorted(found.begin(), found.end()));
          query.PrepareRow(owned.codes(), rows[lane]);
          query.Distances(all.data(), 700, sums.data(), distances.data());
          for (float& distance : distances) {
            distance += query.Shift();
          }
          std::vector<float> sorted = distances;
          std::sort(sorted.begin(), sorted.end());
          for (size_t i = 0; i < keep; ++i) {
            const float tolerance = 1e-4F * (1.0F + std::abs(sorted[i]));
            EXPECT_NEAR(DistanceOf(found[i]), sorted[i], tolerance) << "dim " << dim;
            EXPECT_NEAR(distances[NodeOf(found[i])], sorted[i], tolerance) << "dim " << dim;
          }
        }
      }
    }
  }
}

// ---- Cells ----

Cells MakeCells(const Matrix& base, const OwnedCodes& owned, std::span<const uint32_t> nodes,
                size_t size, Executor* executor) {
  auto cells =
      Cells::Make({base.view(), Metric::kL2, owned.codes(), nodes}, size, executor, CallControl());
  EXPECT_OK(cells);
  return std::move(cells).value();
}

std::vector<uint32_t> NearLists(const Cells& cells, size_t count, Executor* executor) {
  std::vector<uint32_t> near;
  EXPECT_OK(
      cells.FindNear(AllRows(cells.count()), count, Metric::kL2, executor, CallControl(), &near));
  return near;
}

TEST(Cells, HoldEachNodeOnceInCellsThatAreNotTooLarge) {
  Matrix even = testing::GaussianMatrix(kSeed, 3000, 12);
  // Most rows differ by less than codes can tell beside one that is far away.
  Matrix lumped = testing::GaussianMatrix(kSeed + 1, 3000, 12);
  for (float& value : lumped.values) {
    value *= 1e-7F;
  }
  lumped.values[0] = 1e6F;
  for (const Matrix& base : {even, lumped}) {
    const OwnedCodes owned = CodesOf(base);
    std::vector<uint32_t> nodes;
    for (uint32_t row = 0; row < 3000; row += row % 3 == 0 ? 1 : 2) {
      nodes.push_back(row);
    }
    const Cells cells = MakeCells(base, owned, nodes, 64, nullptr);
    std::vector<uint32_t> held;
    for (uint32_t c = 0; c < cells.count(); ++c) {
      const std::span<const uint32_t> members = cells.MembersOf(c);
      EXPECT_GE(members.size(), 1U);
      EXPECT_LE(members.size(), Cells::kMostMembers);
      EXPECT_TRUE(std::is_sorted(members.begin(), members.end()));
      held.insert(held.end(), members.begin(), members.end());
    }
    std::sort(held.begin(), held.end());
    EXPECT_EQ(held, nodes);
  }
}

TEST(Cells, AreTheSameOnAnyNumberOfThreads) {
  const Matrix base = testing::ClusteredMatrix(kSeed, 5000, 16, 40);
  const OwnedCodes owned = CodesOf(base);
  const std::vector<uint32_t> nodes = AllRows(5000);
  const Cells alone = MakeCells(base, owned, nodes, 50, nullptr);
  const auto pool = NewThreadPool(3);
  const Cells pooled = MakeCells(base, owned, nodes, 50, pool.get());
  ASSERT_EQ(alone.count(), pooled.count());
  for (uint32_t c = 0; c < alone.count(); ++c) {
    const std::span<const uint32_t> a = alone.MembersOf(c);
    const std::span<const uint32_t> b = pooled.MembersOf(c);
    EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end()));
  }
  EXPECT_EQ(NearLists(alone, 20, nullptr), NearLists(pooled, 20, pool.get()));
}

TEST(Cells, ListTheCellsAroundEachWithItselfFirst) {
  const Matrix base = testing::ClusteredMatrix(kSeed, 4000, 16, 40);
  const OwnedCodes owned = CodesOf(base);
  const std::vector<uint32_t> nodes = AllRows(4000);
  const Cells cells = MakeCells(base, owned, nodes, 50, nullptr);
  const std::vector<uint32_t> near = NearLists(cells, 10, nullptr);
  // The true ten neighbours of a row lie in the ten cells around it far more often than in ten of
  // some ninety cells taken at random.
  size_t held = 0;
  for (uint32_t c = 0; c < cells.count(); ++c) {
    const std::span<const uint32_t> list(near.data() + size_t{c} * 10, 10);
    EXPECT_EQ(list[0], c);
    EXPECT_EQ(std::set<uint32_t>(list.begin(), list.end()).size(), 10U);
    std::set<uint32_t> around;
    for (const uint32_t cell : list) {
      around.insert(cells.MembersOf(cell).begin(), cells.MembersOf(cell).end());
    }
    if (!cells.MembersOf(c).empty()) {
      for (const Neighbor& neighbor :
           testing::BruteForce(base.view(), base.row(cells.MembersOf(c)[0]), Metric::kL2, 10)) {
        held += around.count(neighbor.row);
      }
    }
  }
  EXPECT_GE(static_cast<double>(held) / static_cast<double>(cells.count() * 10), 0.8);
}

// ---- Graphs ----

struct HardSet {
  Matrix base;
  Matrix queries;
};

/// Clusters of which each holds all candidates for the links of its rows; queries lie between them,
/// with neighbours in several.
HardSet Islands() {
  return {testing::ClusteredMatrix(kSeed, 5000, 24, 12),
          testing::ClusteredMatrix(kSeed + 9, 100, 24, 12)};
}

/// The farther out a cluster lies the tighter it is; a fifth of the rows repeat others and a tenth
/// are noise, as are some queries.
HardSet ClustersOfManyScales() {
  constexpr size_t kDim = 24;
  constexpr size_t kClusters = 60;
  Rng rng(kSeed);
  const Matrix centres = testing::GaussianMatrix(kSeed, kClusters, kDim);
  const auto scale = [](size_t c) { return 0.4F * std::pow(1.03F, static_cast<float>(c)); };
  const auto append = [&](Matrix* to, bool noise) {
    const size_t c = rng.Uniform(kClusters);
    for (size_t i = 0; i < kDim; ++i) {
      const auto value = static_cast<float>(rng.Gaussian());
      to->values.push_back(noise ? 3 * value
                                 : scale(c) * centres.row(c)[i] + 0.2F / scale(c) * value);
    }
  };
  HardSet set{{{}, kDim}, {{}, kDim}};
  for (size_t row = 0; row < 5000; ++row) {
    if (row > 100 && row % 5 == 0) {
      const std::vector<float> copy(set.base.row(row - 97), set.base.row(row - 97) + kDim);
      set.base.values.insert(set.base.values.end(), copy.begin(), copy.end());
    } else {
      append(&set.base, row % 10 == 1);
    }
  }
  for (size_t q = 0; q < 100; ++q) {
    append(&set.queries, q % 5 == 1);
  }
  return set;
}

struct Hardness {
  double recall = 0;
  double distances = 0;
  double selves = 0;
};

/// Of a graph over the set, searched with `ef`.
Hardness Measure(const HardSet& set, const BuildOptions& options, size_t ef) {
  const Hnsw hnsw = BuildHnsw(set.base, options);
  SearchParams params;
  params.ef_search = ef;
  params.rescore = 60;
  params.never_scan_instead = true;
  Hardness result;
  const std::vector<SearchOutcome> found = SearchAll(*hnsw.index, set.queries.view(), params);
  for (size_t q = 0; q < found.size(); ++q) {
    result.distances += static_cast<double>(found[q].stats.distances);
    result.recall +=
        testing::Recall(found[q].neighbors,
                        testing::BruteForce(set.base.view(), set.queries.row(q), Metric::kL2, 10));
  }
  const std::vector<SearchOutcome> selves = SearchAll(*hnsw.index, set.base.view(0, 2000), params);
  for (const SearchOutcome& out : selves) {
    result.selves += out.neighbors[0].distance == 0 ? 1 : 0;
  }
  result.recall /= static_cast<double>(found.size());
  result.distances /= static_cast<double>(found.size());
  result.selves /= static_cast<double>(selves.size());
  std::printf("[ graph ] recall %.4f distances %.0f found by themselves %.4f\n", result.recall,
              result.distances, result.selves);
  return result;
}

class HardSetTest : public ::testing::TestWithParam<CodeType> {
 protected:
  static BuildOptions Options() {
    BuildOptions options;
    options.codes = GetParam();
    return options;
  }
};

TEST_P(HardSetTest, LinksLeadFromOneIslandToOthers) {
  const Hardness graph = Measure(Islands(), Options(), 200);
  EXPECT_GE(graph.recall, 0.96) << "seed " << kSeed;
  EXPECT_LE(graph.distances, 1200) << "seed " << kSeed;
  EXPECT_GE(graph.selves, 0.995);
}

TEST_P(HardSetTest, ClustersOfManyScalesAndRepeatedRowsAreFound) {
  const Hardness graph = Measure(ClustersOfManyScales(), Options(), 200);
  EXPECT_GE(graph.recall, 0.93) << "seed " << kSeed;
  EXPECT_LE(graph.distances, 1500) << "seed " << kSeed;
  EXPECT_GE(graph.selves, 0.995);
}

TEST_P(HardSetTest, RowsThatCodesCannotTellApartAreReached) {
  HardSet set{testing::GaussianMatrix(kSeed, 3000, 12), testing::GaussianMatrix(kSeed, 1, 12)};
  for (float& value : set.base.values) {
    value *= 1e-7F;
  }
  set.base.values[0] = 1e6F;
  const Hnsw hnsw = BuildHnsw(set.base, Options());
  SearchParams params;
  params.k = 10;
  params.ef_search = 3000;
  params.rescore = 3000;
  params.never_scan_instead = true;
  const SearchOutcome out = SearchAll(*hnsw.index, set.base.view(1500, 1501), params)[0];
  EXPECT_EQ(testing::Recall(out.neighbors, testing::BruteForce(set.base.view(), set.base.row(1500),
                                                               Metric::kL2, 10)),
            1.0);
}

TEST_P(HardSetTest, RefiningChoosesLinksAnew) {
  const HardSet set = Islands();
  BuildOptions options = Options();
  const Hardness graph = Measure(set, options, 60);
  const std::string bytes = BuildHnsw(set.base, options).built[0].bytes;
  options.refine = true;
  EXPECT_GE(Measure(set, options, 60).recall, graph.recall - 0.05) << "seed " << kSeed;
  EXPECT_NE(BuildHnsw(set.base, options).built[0].bytes, bytes);
}

INSTANTIATE_TEST_SUITE_P(Codes, HardSetTest, ::testing::Values(CodeType::kSq8, CodeType::kSq4),
                         [](const auto& tested) {
                           return std::string(CodeTypeName(tested.param));
                         });

}  // namespace
}  // namespace leadline::index::hnsw
