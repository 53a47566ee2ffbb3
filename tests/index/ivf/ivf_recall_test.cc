// Recall of lists on real vectors: with the number of lists that the index picks, and with given
// ones.

#include <gtest/gtest.h>

#include "index_test_data.h"
#include "leadline/index/ivf.h"
#include "real_vectors.h"
#include "status_matchers.h"

namespace leadline::index {
namespace {

using testing::RealVectors;

struct Floor {
  size_t nprobe;  ///< 0: the default
  double recall;
  double most_compared;  ///< share of the rows, centroids counted as rows
};

struct Setting {
  Metric metric;
  std::vector<Floor> floors;
};

void ExpectFloors(RealVectors data, const Setting& setting) {
  data.PrepareFor(setting.metric);
  const auto truth = testing::TrueNeighbors(data, setting.metric);
  BuildOptions options;
  options.metric = setting.metric;
  const auto built = IvfIndexFactory().Build(data.base.view(), options);
  ASSERT_OK(built);
  const testing::MappedSections mapped(*built);
  const auto index = IvfIndexFactory().Open(mapped.views(), data.base.view(), setting.metric);
  ASSERT_OK(index);
  for (const Floor& floor : setting.floors) {
    std::vector<SearchOutcome> out(data.queries.rows());
    SearchParams params;
    params.nprobe = floor.nprobe;
    ASSERT_OK((*index)->Search(data.queries.view(), params, out));
    const double recall = testing::MeanRecall(out, truth);
    uint64_t distances = 0;
    for (const SearchOutcome& outcome : out) {
      distances += outcome.stats.distances;
    }
    const double compared =
        static_cast<double>(distances) / static_cast<double>(out.size() * data.base.rows());
    std::printf("[ recall] nprobe %zu, %llu lists: %.4f, %.1f%% of the rows compared\n",
                floor.nprobe, static_cast<unsigned long long>(out[0].stats.hops), recall,
                100 * compared);
    EXPECT_GE(recall, floor.recall) << "nprobe " << floor.nprobe;
    EXPECT_LE(compared, floor.most_compared) << "nprobe " << floor.nprobe;
  }
}

class IvfRecallTest : public ::testing::TestWithParam<Setting> {};

TEST_P(IvfRecallTest, ReachesItsFloorsOnShippedVectors) {
  RealVectors data = testing::ShippedWords();
  ASSERT_GT(data.queries.rows(), 0U);
  ExpectFloors(std::move(data), GetParam());
}

INSTANTIATE_TEST_SUITE_P(
    Metrics, IvfRecallTest,
    ::testing::Values(
        Setting{Metric::kL2, {{0, 0.96, 0.4}, {8, 0.58, 0.08}, {32, 0.87, 0.18}}},
        Setting{Metric::kInnerProduct, {{0, 0.96, 0.8}, {8, 0.48, 0.075}, {32, 0.7, 0.15}}},
        Setting{Metric::kCosine, {{0, 0.96, 0.3}, {8, 0.65, 0.075}, {32, 0.89, 0.15}}}),
    [](const auto& tested) { return std::string(MetricName(tested.param.metric)); });

TEST(IvfRecall, ReachesItsFloorsOnAllVectors) {
  RealVectors data = testing::AllWords();
  if (data.base.rows() == 0) {
    GTEST_SKIP() << "../shared/data/glove-wink-100k is absent";
  }
  ExpectFloors(std::move(data), {Metric::kCosine, {{0, 0.95, 0.12}, {32, 0.9, 0.05}}});
}

}  // namespace
}  // namespace leadline::index
