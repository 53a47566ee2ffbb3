// Recall of the graph on real vectors, beside that of a graph which FAISS built and searched with
// the same parameters.

#include <faiss/IndexHNSW.h>
#include <gtest/gtest.h>

#include "index_test_data.h"
#include "leadline/index/flat.h"
#include "leadline/index/hnsw.h"
#include "real_vectors.h"
#include "status_matchers.h"

namespace leadline::index {
namespace {

using testing::Matrix;
using testing::RealVectors;

struct Floor {
  size_t ef;
  double recall;
};

struct Setting {
  Metric metric;
  std::vector<Floor> floors;
};

/// Our graph over `data`.
class Graph {
 public:
  Graph(const RealVectors& data, Metric metric, uint32_t ef_construction,
        CodeType codes = CodeType::kF32) {
    BuildOptions options;
    options.codes = codes;
    options.metric = metric;
    options.ef_construction = ef_construction;
    const auto built = HnswIndexFactory().Build(data.base.view(), options);
    EXPECT_OK(built);
    mapped_ = std::make_unique<testing::MappedSections>(*built);
    auto opened = HnswIndexFactory().Open(mapped_->views(), data.base.view(), metric);
    EXPECT_OK(opened);
    index_ = std::move(opened).value();
  }

  [[nodiscard]] std::vector<SearchOutcome> Search(const Matrix& queries, size_t ef) const {
    std::vector<SearchOutcome> out(queries.rows());
    SearchParams params;
    params.ef_search = ef;
    EXPECT_OK(index_->Search(queries.view(), params, out));
    return out;
  }

 private:
  std::unique_ptr<testing::MappedSections> mapped_;
  std::unique_ptr<SegmentIndex> index_;
};

/// The oracle's.
class FaissGraph {
 public:
  FaissGraph(const RealVectors& data, Metric metric, int ef_construction)
      : index_(static_cast<int>(data.base.dim), 16,
               metric == Metric::kL2 ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT) {
    index_.hnsw.efConstruction = ef_construction;
    index_.add(static_cast<faiss::Index::idx_t>(data.base.rows()), data.base.values.data());
  }

  std::vector<SearchOutcome> Search(const Matrix& queries, size_t ef) {
    index_.hnsw.efSearch = static_cast<int>(ef);
    std::vector<float> distances(queries.rows() * 10);
    std::vector<faiss::Index::idx_t> labels(queries.rows() * 10);
    index_.search(static_cast<faiss::Index::idx_t>(queries.rows()), queries.values.data(), 10,
                  distances.data(), labels.data());
    std::vector<SearchOutcome> out(queries.rows());
    for (size_t i = 0; i < labels.size(); ++i) {
      out[i / 10].neighbors.push_back({distances[i], static_cast<uint32_t>(labels[i])});
    }
    return out;
  }

 private:
  faiss::IndexHNSWFlat index_;
};

class HnswRecallTest : public ::testing::TestWithParam<Setting> {};

TEST_P(HnswRecallTest, ReachesItsFloorsAndFaissOnShippedVectors) {
  const auto& [metric, floors] = GetParam();
  RealVectors data = testing::ShippedWords();
  ASSERT_GT(data.queries.rows(), 0U);
  data.PrepareFor(metric);
  const auto truth = testing::TrueNeighbors(data, metric);
  const Graph ours(data, metric, 100);
  FaissGraph oracle(data, metric, 100);
  for (const Floor& floor : floors) {
    const double recall = testing::MeanRecall(ours.Search(data.queries, floor.ef), truth);
    const double by_faiss = testing::MeanRecall(oracle.Search(data.queries, floor.ef), truth);
    std::printf("[ recall] ef %3zu: %.4f, FAISS %.4f\n", floor.ef, recall, by_faiss);
    EXPECT_GE(recall, floor.recall) << "ef " << floor.ef;
    EXPECT_GE(recall, by_faiss - 0.02) << "ef " << floor.ef;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Metrics, HnswRecallTest,
    ::testing::Values(Setting{Metric::kL2, {{10, 0.65}, {20, 0.79}, {40, 0.90}, {100, 0.96}}},
                      Setting{Metric::kCosine, {{10, 0.71}, {20, 0.82}, {40, 0.91}, {100, 0.97}}}),
    [](const auto& tested) { return std::string(MetricName(tested.param.metric)); });

class HnswCodesRecallTest : public ::testing::TestWithParam<CodeType> {};

TEST_P(HnswCodesRecallTest, ReachesTheFloorsOfFullPrecisionAndFindsRowsByThemselvesShipped) {
  RealVectors data = testing::ShippedWords();
  ASSERT_GT(data.queries.rows(), 0U);
  data.PrepareFor(Metric::kCosine);
  const auto truth = testing::TrueNeighbors(data, Metric::kCosine);
  const Graph graph(data, Metric::kCosine, 100, GetParam());
  for (const Floor& floor : std::vector<Floor>{{20, 0.85}, {40, 0.935}, {100, 0.975}}) {
    const double recall = testing::MeanRecall(graph.Search(data.queries, floor.ef), truth);
    std::printf("[ recall] ef %3zu: %.4f\n", floor.ef, recall);
    EXPECT_GE(recall, floor.recall) << "ef " << floor.ef;
  }
  const std::vector<SearchOutcome> selves = graph.Search(data.base, 64);
  size_t found = 0;
  for (size_t row = 0; row < selves.size(); ++row) {
    found += selves[row].neighbors[0].row == row ? 1U : 0U;
  }
  std::printf("[ recall] of rows by themselves: %.5f\n",
              static_cast<double>(found) / static_cast<double>(selves.size()));
  EXPECT_GE(static_cast<double>(found), 0.995 * static_cast<double>(selves.size()));
}

INSTANTIATE_TEST_SUITE_P(Codes, HnswCodesRecallTest,
                         ::testing::Values(CodeType::kSq8, CodeType::kSq4, CodeType::kBf16),
                         [](const auto& tested) {
                           return std::string(CodeTypeName(tested.param));
                         });

TEST(HnswRecall, ReachesItsFloorsOnAllVectors) {
  RealVectors data = testing::AllWords();
  if (data.base.rows() == 0) {
    GTEST_SKIP() << "../shared/data/glove-wink-100k is absent";
  }
  data.PrepareFor(Metric::kCosine);
  const auto truth = testing::TrueNeighbors(data, Metric::kCosine);
  const Graph graph(data, Metric::kCosine, 200);
  for (const Floor& floor : std::vector<Floor>{{64, 0.95}, {128, 0.98}}) {
    const double recall = testing::MeanRecall(graph.Search(data.queries, floor.ef), truth);
    std::printf("[ recall] ef %3zu: %.4f\n", floor.ef, recall);
    EXPECT_GE(recall, floor.recall) << "ef " << floor.ef;
  }
}

}  // namespace
}  // namespace leadline::index
