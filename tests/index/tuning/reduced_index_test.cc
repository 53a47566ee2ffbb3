// Graphs and lists on pca8: rows whose variance lies along few axes are found as by their vectors.

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "index_test_data.h"
#include "leadline/index/hnsw.h"
#include "leadline/index/ivf.h"
#include "leadline/index/principal_axes.h"
#include "leadline/index/row_codes.h"
#include "leadline/index/scan.h"
#include "status_matchers.h"

namespace leadline::index {
namespace {

using leadline::testing::StatusIs;
using testing::LowRankMatrix;
using testing::MappedSections;
using testing::Matrix;

constexpr uint64_t kSeed = 1618;
constexpr size_t kDim = 160;
constexpr size_t kRank = 45;
constexpr size_t kQueries = 60;

class ReducedIndexTest : public ::testing::TestWithParam<IndexKind> {
 protected:
  static const IndexFactory& Factory() {
    return GetParam() == IndexKind::kHnsw ? HnswIndexFactory() : IvfIndexFactory();
  }

  static BuildOptions Options(Metric metric = Metric::kL2) {
    BuildOptions options;
    options.metric = metric;
    options.codes = CodeType::kPca8;
    options.m = 8;
    options.ef_construction = 60;
    return options;
  }

  /// 3,000 rows and kQueries that are none, unit length for kCosine.
  static void MakeData(Metric metric, Matrix* base, Matrix* queries) {
    Matrix all = LowRankMatrix(kSeed, 3000 + kQueries, kDim, kRank);
    if (metric == Metric::kCosine) {
      testing::NormalizeRows(&all);
    }
    const auto cut = all.values.begin() + 3000 * kDim;
    *base = Matrix{{all.values.begin(), cut}, kDim};
    *queries = Matrix{{cut, all.values.end()}, kDim};
  }

  void Build(const Matrix& base, const BuildOptions& options) {
    Result<std::vector<Section>> built = Factory().Build(base.view(), options);
    ASSERT_OK(built);
    built_ = *std::move(built);
    mapped_ = std::make_unique<MappedSections>(built_);
    ASSERT_OK_AND_ASSIGN(index_, Factory().Open(mapped_->views(), base.view(), options.metric));
  }

  Section& SectionOf(uint32_t type) {
    return *std::find_if(built_.begin(), built_.end(),
                         [type](const Section& section) { return section.type == type; });
  }

  [[nodiscard]] Status Open(const std::vector<Section>& sections, const Matrix& base) const {
    const MappedSections mapped(sections);
    return Factory().Open(mapped.views(), base.view(), Metric::kL2).status();
  }

  std::vector<Section> built_;
  std::unique_ptr<MappedSections> mapped_;
  std::unique_ptr<SegmentIndex> index_;
};

TEST_P(ReducedIndexTest, FindsNearlyAllNeighboursWithTheDistancesOfTheExactScan) {
  for (const Metric metric : {Metric::kL2, Metric::kInnerProduct, Metric::kCosine}) {
    Matrix base;
    Matrix queries;
    MakeData(metric, &base, &queries);
    Build(base, Options(metric));
    // At most 56 axes and the two numbers of a row: a line instead of three.
    ASSERT_LE(index_->shape().scan_bytes, 64U);
    for (const bool together : {false, true}) {
      SearchParams params;
      params.share_scan = together;
      params.nprobe = 20;
      std::vector<SearchOutcome> out(kQueries);
      ASSERT_OK(index_->Search(queries.view(), params, out));
      double recall = 0;
      for (size_t q = 0; q < kQueries; ++q) {
        recall += testing::Recall(out[q].neighbors,
                                  testing::BruteForce(base.view(), queries.row(q), metric, 10));
        ASSERT_EQ(out[q].neighbors.size(), 10U);
        EXPECT_EQ(out[q].stats.rescored, 30U);
        for (const Neighbor& neighbor : out[q].neighbors) {
          TopK one(1);
          const uint32_t row[] = {neighbor.row};
          ASSERT_OK(ScanList(base.view(), queries.view().row(q), metric, row, {}, &one, nullptr));
          EXPECT_EQ(one.Take()[0], neighbor) << "distance differs from the scan's in some bit";
        }
      }
      EXPECT_GE(recall / kQueries, metric == Metric::kInnerProduct ? 0.85 : 0.95)
          << MetricName(metric) << " together " << together;
    }
  }
}

TEST_P(ReducedIndexTest, ExactAnswersDoNotGoByAxes) {
  Matrix base;
  Matrix queries;
  MakeData(Metric::kL2, &base, &queries);
  Build(base, Options());
  EXPECT_EQ(index_->scan_codes(), CodeType::kF32);
  std::vector<SearchOutcome> out(kQueries);
  std::vector<SearchOutcome> scanned(kQueries);
  ASSERT_OK(index_->SearchExact(queries.view(), {}, out));
  ASSERT_OK(ScanSegment(base.view(), queries.view(), Metric::kL2, {}, scanned));
  for (size_t q = 0; q < kQueries; ++q) {
    EXPECT_EQ(out[q].neighbors, scanned[q].neighbors);
  }
}

TEST_P(ReducedIndexTest, ReturnsAllowedRowsAtAnySelectivity) {
  Matrix base;
  Matrix queries;
  MakeData(Metric::kL2, &base, &queries);
  Build(base, Options());
  for (const double share : {0.9, 0.2, 0.01, 0.001}) {
    const std::vector<uint64_t> allowed = testing::RandomBitmap(kSeed, 3000, share);
    const size_t matches = testing::CountBits(allowed, 3000);
    SearchParams params;
    params.allowed = allowed.data();
    params.allowed_count = matches;
    params.ef_search = 60;
    params.nprobe = 30;
    std::vector<SearchOutcome> out(kQueries);
    ASSERT_OK(index_->Search(queries.view(), params, out));
    double recall = 0;
    for (size_t q = 0; q < kQueries; ++q) {
      for (const Neighbor& neighbor : out[q].neighbors) {
        ASSERT_TRUE(IsAllowed(allowed.data(), neighbor.row));
      }
      recall += testing::Recall(
          out[q].neighbors,
          testing::BruteForce(base.view(), queries.row(q), Metric::kL2, 10, allowed.data()));
    }
    EXPECT_GE(recall / kQueries, 0.95) << share;
  }
}

TEST_P(ReducedIndexTest, SameBytesOnAnyThreadsAndSameAnswersForAnySplit) {
  Matrix base;
  Matrix queries;
  MakeData(Metric::kL2, &base, &queries);
  BuildOptions options = Options();
  Build(base, options);
  const auto pool = NewThreadPool(3);
  options.executor = pool.get();
  ASSERT_OK_AND_ASSIGN(const std::vector<Section> pooled, Factory().Build(base.view(), options));
  ASSERT_EQ(pooled.size(), built_.size());
  for (size_t s = 0; s < pooled.size(); ++s) {
    EXPECT_EQ(pooled[s].bytes, built_[s].bytes) << pooled[s].type;
  }
  SearchParams params;
  params.share_scan = true;
  std::vector<SearchOutcome> together(kQueries);
  ASSERT_OK(index_->Search(queries.view(), params, together));
  for (size_t q = 0; q < kQueries; ++q) {
    std::vector<SearchOutcome> alone(1);
    ASSERT_OK(index_->Search(queries.view(q, q + 1), params, alone));
    EXPECT_EQ(alone[0].neighbors, together[q].neighbors);
  }
}

TEST_P(ReducedIndexTest, RefusesAxesThatAreMissingOrNotThoseOfTheCodes) {
  Matrix base;
  Matrix queries;
  MakeData(Metric::kL2, &base, &queries);
  Build(base, Options());
  std::vector<Section> sections = built_;
  std::erase_if(sections, [](const Section& s) { return s.type == kPrincipalAxesSection; });
  EXPECT_THAT(Open(sections, base), StatusIs(StatusCode::kDataLoss));
  const std::vector<Section> reduced = built_;
  Build(LowRankMatrix(kSeed, 3000, kDim, 15), Options());
  const Section fewer = SectionOf(kPrincipalAxesSection);
  for (const Section& section : reduced) {
    SectionOf(section.type) = section;
  }
  SectionOf(kPrincipalAxesSection) = fewer;
  EXPECT_THAT(Open(built_, base), StatusIs(StatusCode::kDataLoss, "dim=56"));
  BuildOptions others = Options();
  others.codes = CodeType::kSq4;
  ASSERT_OK_AND_ASSIGN(sections, Factory().Build(base.view(), others));
  sections.push_back(fewer);
  EXPECT_THAT(Open(sections, base), StatusIs(StatusCode::kDataLoss));
}

TEST_P(ReducedIndexTest, SurvivesFlippedBitsOfAxesAndCodes) {
  Matrix base;
  Matrix queries;
  MakeData(Metric::kL2, &base, &queries);
  Build(base, Options());
  const std::vector<Section> sound = built_;
  for (const uint32_t type : {kPrincipalAxesSection, kRowCodesSection}) {
    const size_t bits = SectionOf(type).bytes.size() * 8;
    for (size_t bit = 0; bit < bits; bit += bit < 1024 ? 31 : bits / 97) {
      built_ = sound;
      std::string& bytes = SectionOf(type).bytes;
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
      const MappedSections mapped(built_);
      const auto index = Factory().Open(mapped.views(), base.view(), Metric::kL2);
      if (!index.ok()) {
        EXPECT_TRUE(index.status().code() == StatusCode::kDataLoss ||
                    index.status().code() == StatusCode::kUnimplemented)
            << bit;
        continue;
      }
      std::vector<SearchOutcome> out(3);
      SearchParams params;
      params.share_scan = true;
      ASSERT_OK((*index)->Search(queries.view(0, 3), params, out));
      for (const SearchOutcome& outcome : out) {
        ASSERT_EQ(outcome.neighbors.size(), 10U);
        for (const Neighbor& neighbor : outcome.neighbors) {
          ASSERT_LT(neighbor.row, base.rows());
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, ReducedIndexTest,
                         ::testing::Values(IndexKind::kHnsw, IndexKind::kIvf),
                         [](const auto& tested) {
                           return std::string(IndexKindName(tested.param));
                         });

}  // namespace
}  // namespace leadline::index
