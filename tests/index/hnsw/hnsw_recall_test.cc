#include <faiss/IndexHNSW.h>
#include <gtest/gtest.h>

#include "index_test_data.h"
#include "leadline/index/flat.h"
#include "leadline/index/hnsw.h"
#include "status_matchers.h"

namespace leadline::index {
namespace {

using testing::Matrix;

constexpr size_t kBaseRows = 6000;
constexpr size_t kQueries = 200;
constexpr size_t kEf = 40;

/// Word vectors: a hard set, with hubs and no clusters to speak of.
struct RealData {
  Matrix base = testing::ReadFvecs(kFolder + "base.fvecs", kBaseRows);
  Matrix queries = testing::ReadFvecs(kFolder + "query.fvecs", kQueries);

 private:
  inline static const std::string kFolder =
      std::string(LEADLINE_SOURCE_DIR) + "/../shared/data/glove-wink-100k/";
};

double MeanRecall(const std::vector<std::vector<Neighbor>>& found, const RealData& data,
                  Metric metric) {
  double recall = 0;
  for (size_t q = 0; q < kQueries; ++q) {
    recall += testing::Recall(
        found[q], testing::BruteForce(data.base.view(), data.queries.row(q), metric, 10));
  }
  return recall / kQueries;
}

double OurRecall(const RealData& data, Metric metric) {
  BuildOptions options;
  options.metric = metric;
  options.ef_construction = 100;
  const auto built = HnswIndexFactory().Build(data.base.view(), options);
  EXPECT_OK(built);
  const testing::MappedSections mapped(*built);
  const auto index = HnswIndexFactory().Open(mapped.views(), data.base.view(), metric);
  EXPECT_OK(index);
  std::vector<SearchOutcome> out(kQueries);
  SearchParams params;
  params.ef_search = kEf;
  EXPECT_OK((*index)->Search(data.queries.view(), params, out));
  std::vector<std::vector<Neighbor>> found;
  for (SearchOutcome& outcome : out) {
    found.push_back(std::move(outcome.neighbors));
  }
  return MeanRecall(found, data, metric);
}

/// The oracle: a graph built and searched by FAISS with the same parameters.
double FaissRecall(const RealData& data, Metric metric) {
  faiss::IndexHNSWFlat oracle(
      100, 16, metric == Metric::kL2 ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT);
  oracle.hnsw.efConstruction = 100;
  oracle.hnsw.efSearch = kEf;
  oracle.add(kBaseRows, data.base.values.data());
  std::vector<float> distances(kQueries * 10);
  std::vector<faiss::Index::idx_t> labels(kQueries * 10);
  oracle.search(kQueries, data.queries.values.data(), 10, distances.data(), labels.data());
  std::vector<std::vector<Neighbor>> found(kQueries);
  for (size_t i = 0; i < labels.size(); ++i) {
    found[i / 10].push_back({distances[i], static_cast<uint32_t>(labels[i])});
  }
  return MeanRecall(found, data, metric);
}

TEST(HnswRecall, ReachesItsFloorAndThatOfFaissOnRealData) {
  RealData data;
  if (data.base.rows() < kBaseRows || data.queries.rows() < kQueries) {
    GTEST_SKIP() << "../shared/data/glove-wink-100k is absent";
  }
  const double l2 = OurRecall(data, Metric::kL2);
  const double faiss_l2 = FaissRecall(data, Metric::kL2);
  testing::NormalizeRows(&data.base);
  testing::NormalizeRows(&data.queries);
  const double cosine = OurRecall(data, Metric::kCosine);
  const double faiss_cosine = FaissRecall(data, Metric::kInnerProduct);
  std::printf("recall@10, ef %zu: l2 %.4f (FAISS %.4f), cosine %.4f (FAISS %.4f)\n", kEf, l2,
              faiss_l2, cosine, faiss_cosine);
  EXPECT_GE(l2, 0.93);
  EXPECT_GE(cosine, 0.93);
  EXPECT_GE(l2, faiss_l2 - 0.02);
  EXPECT_GE(cosine, faiss_cosine - 0.02);
}

}  // namespace
}  // namespace leadline::index
