#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "index_test_data.h"
#include "leadline/index/hnsw.h"
#include "status_matchers.h"

namespace leadline::index {
namespace {

constexpr uint64_t kSeed = 4711;

TEST(HnswIndex, GivesEqualAnswersToManyThreadsBesideBuildsOnAPool) {
  const testing::Matrix base = testing::ClusteredMatrix(kSeed, 1500, 12, 20);
  const testing::Matrix queries = testing::ClusteredMatrix(kSeed + 1, 50, 12, 20);
  const std::vector<uint64_t> allowed = testing::RandomBitmap(kSeed, 1500, 0.7);
  BuildOptions options;
  options.m = 6;
  options.ef_construction = 40;
  ASSERT_OK_AND_ASSIGN(const std::vector<Section> built,
                       HnswIndexFactory().Build(base.view(), options));
  const testing::MappedSections mapped(built);
  ASSERT_OK_AND_ASSIGN(const auto index,
                       HnswIndexFactory().Open(mapped.views(), base.view(), Metric::kL2));
  SearchParams params;
  params.ef_search = 20;
  std::vector<SearchOutcome> expected(50);
  ASSERT_OK(index->Search(queries.view(), params, expected));
  SearchParams filtered_params = params;
  filtered_params.allowed = allowed.data();
  std::vector<SearchOutcome> expected_filtered(50);
  ASSERT_OK(index->Search(queries.view(), filtered_params, expected_filtered));

  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < 4; ++round) {
        const bool filter = (round + t) % 2 == 0;
        std::vector<SearchOutcome> out(50);
        const Status status = index->Search(queries.view(), filter ? filtered_params : params, out);
        for (size_t q = 0; q < 50; ++q) {
          const auto& want = filter ? expected_filtered[q] : expected[q];
          wrong += status.ok() && out[q].neighbors == want.neighbors ? 0 : 1;
        }
      }
    });
  }
  threads.emplace_back([&] {
    const auto pool = NewThreadPool(3);
    BuildOptions pooled = options;
    pooled.executor = pool.get();
    const auto again = HnswIndexFactory().Build(base.view(), pooled);
    wrong += again.ok() && (*again)[0].bytes == built[0].bytes ? 0 : 1;
  });
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(wrong.load(), 0);
}

TEST(HnswIndex, CancelledBuildOnAPoolReturnsAndLeavesThePoolUsable) {
  const testing::Matrix base = testing::ClusteredMatrix(kSeed, 4000, 12, 20);
  const auto pool = NewThreadPool(3);
  CancelToken token;
  BuildOptions options;
  options.executor = pool.get();
  options.control.cancel = &token;
  std::thread canceller([&] { token.Cancel(); });
  const auto built = HnswIndexFactory().Build(base.view(), options);
  canceller.join();
  EXPECT_TRUE(built.ok() || built.status().code() == StatusCode::kCancelled);
  std::atomic<int> done{0};
  ParallelFor(pool.get(), 10, [&](size_t) { ++done; });
  EXPECT_EQ(done.load(), 10);
}

}  // namespace
}  // namespace leadline::index
