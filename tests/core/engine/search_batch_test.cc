// A batch of queries answers like single searches, on any number of threads, over real indexes.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "leadline/core/rng.h"
#include "quiet_engine.h"
#include "status_matchers.h"

namespace leadline {
namespace {

constexpr size_t kDim = 12;
constexpr size_t kRows = 3000;
constexpr size_t kQueries = 100;  // more than three blocks of 32

class SearchBatchTest : public testing::QuietEngineTest,
                        public ::testing::WithParamInterface<IndexKind> {
 protected:
  SearchBatchTest() {
    for (size_t i = 0; i < kQueries * kDim; ++i) {
      queries_.push_back(static_cast<float>(rng_.Gaussian()));
    }
  }

  Record MakeRecord(size_t i) {
    Record record;
    record.id = "r" + std::to_string(i);
    for (size_t d = 0; d < kDim; ++d) {
      record.vector.push_back(static_cast<float>(rng_.Gaussian()));
    }
    record.payload = "{\"n\":" + std::to_string(i % 100) + "}";
    return record;
  }

  [[nodiscard]] MatrixView queries() const { return {queries_.data(), kQueries, kDim}; }

  static std::string ShownHits(const SearchResponse& response) {
    std::string text;
    for (const Hit& hit : response.hits) {
      text += hit.id + "=" + std::to_string(hit.score) + hit.payload + " ";
    }
    return text;
  }

  static std::string Shown(const SearchResponse& response) {
    std::string text = ShownHits(response);
    for (const PlanStep& step : response.plan->steps) {
      text += step.source + ":" + step.strategy + ":" + std::to_string(step.matches) + ":" +
              std::to_string(step.distances) + (step.fallback ? ":fallback " : " ");
    }
    return text;
  }

  std::vector<std::string> Batch(const SearchOptions& options) {
    Result<std::vector<SearchResponse>> responses = collection_->SearchBatch(queries(), options);
    EXPECT_OK(responses);
    std::vector<std::string> shown;
    for (const SearchResponse& response : *responses) {
      shown.push_back(Shown(response));
    }
    return shown;
  }

  Rng rng_{23};
  std::vector<float> queries_;
};

TEST_P(SearchBatchTest, EqualsSingleCallsOnAnyNumberOfThreads) {
  Create(kDim, Metric::kL2, GetParam());
  const auto make = [this](size_t i) { return MakeRecord(i); };
  Fill(0, kRows, make);
  ASSERT_OK(collection_->Optimize());
  // Less than an eighth of the older segment, so they are not merged.
  Fill(kRows, kRows + 300, make);
  ASSERT_OK(collection_->Optimize());
  ASSERT_EQ(collection_->Stats()->segments, 2U);
  Fill(kRows + 300, kRows + 400, make);
  std::vector<SearchOptions> calls(4);
  calls[1].filter = Filter::Parse("n < 50").value();
  calls[2].filter = Filter::Parse("n < 3").value();
  calls[3].exact = true;
  for (SearchOptions& options : calls) {
    options.full_scan_threshold = 0;
    options.ef_search = 16;
    options.nprobe = 1;
    options.limit = 12;
    options.explain = true;
    options.with_payload = true;
  }
  std::vector<std::vector<std::string>> single(calls.size());
  for (size_t c = 0; c < calls.size(); ++c) {
    for (size_t q = 0; q < kQueries; ++q) {
      ASSERT_OK_AND_ASSIGN(const SearchResponse response,
                           collection_->Search(queries().row(q), calls[c]));
      ASSERT_EQ(response.hits.size(), 12U);
      single[c].push_back(Shown(response));
    }
  }
  const std::string index(IndexKindName(GetParam()));
  if (GetParam() != IndexKind::kFlat) {
    EXPECT_NE(single[0][0].find(":" + index + ":"), std::string::npos) << single[0][0];
    EXPECT_NE(single[1][0].find(":" + index + ":"), std::string::npos) << single[1][0];
  }
  for (const uint32_t threads : {1U, 2U, 8U}) {
    options_.search_threads = threads;
    // Reopening keeps segments and tail as they are.
    Reopen();
    for (size_t c = 0; c < calls.size(); ++c) {
      const std::vector<std::string> batch = Batch(calls[c]);
      ASSERT_EQ(batch.size(), kQueries);
      for (size_t q = 0; q < kQueries; ++q) {
        EXPECT_EQ(batch[q], single[c][q]) << threads << " threads, call " << c << ", query " << q;
      }
    }
  }
}

class CodedSearchBatch : public SearchBatchTest {};

TEST_F(CodedSearchBatch, AsSingleFindsWhatSingleCallsFindWhereScansAreShared) {
  CollectionOptions coded;
  coded.vectors = {
      {.dim = kDim, .metric = Metric::kL2, .index = IndexKind::kIvf, .codes = CodeType::kPq4}};
  Create(coded);
  Fill(0, kRows, [this](size_t i) { return MakeRecord(i); });
  ASSERT_OK(collection_->Optimize());
  SearchOptions options;
  options.full_scan_threshold = 0;
  options.nprobe = 2;
  options.filter = Filter::Parse("n < 50").value();
  options.limit = 12;
  options.rescore = 12;  // as few as there are hits: what the codes say decides
  ASSERT_OK_AND_ASSIGN(const auto shared, collection_->SearchBatch(queries(), options));
  options.as_single = true;
  ASSERT_OK_AND_ASSIGN(const auto as_single, collection_->SearchBatch(queries(), options));
  size_t differ = 0;
  for (size_t q = 0; q < kQueries; ++q) {
    ASSERT_OK_AND_ASSIGN(const SearchResponse single,
                         collection_->Search(queries().row(q), options));
    EXPECT_EQ(ShownHits(as_single[q]), ShownHits(single)) << q;
    differ += ShownHits(shared[q]) == ShownHits(single) ? 0 : 1;
  }
  EXPECT_GT(differ, 0U) << "or the option has nothing to do here";
}

TEST_P(SearchBatchTest, GroupedBatchEqualsSingleCalls) {
  Create(kDim, Metric::kCosine, GetParam());
  Fill(0, kRows, [this](size_t i) { return MakeRecord(i); });
  ASSERT_OK(collection_->Optimize());
  SearchOptions options;
  options.group_by = "n";
  options.limit = 5;
  options.full_scan_threshold = 0;
  options.explain = true;
  const std::vector<std::string> batch = Batch(options);
  for (size_t q = 0; q < kQueries; ++q) {
    ASSERT_OK_AND_ASSIGN(const SearchResponse response,
                         collection_->Search(queries().row(q), options));
    EXPECT_EQ(batch[q], Shown(response)) << q;
  }
}

TEST_P(SearchBatchTest, DamagedSegmentsAnswerLikeAScanOfSoundOnes) {
  Create(kDim, Metric::kL2, GetParam());
  const auto make = [this](size_t i) { return MakeRecord(i); };
  Fill(0, kRows, make);
  ASSERT_OK(collection_->Optimize());
  Fill(kRows, kRows + 100, make);
  // Far fewer hits than rows, so a scan of the store drops candidates again and again.
  std::vector<SearchOptions> calls(3);
  calls[1].filter = Filter::Parse("n < 50").value();
  calls[2].limit = 1;
  std::vector<std::vector<SearchResponse>> sound;
  for (SearchOptions& options : calls) {
    options.exact = true;
    options.with_payload = true;
    ASSERT_OK_AND_ASSIGN(sound.emplace_back(), collection_->SearchBatch(queries(), options));
  }
  DamageSegmentsAndReopen();
  for (size_t c = 0; c < calls.size(); ++c) {
    ASSERT_OK_AND_ASSIGN(const std::vector<SearchResponse> damaged,
                         collection_->SearchBatch(queries(), calls[c]));
    ASSERT_EQ(damaged.size(), kQueries);
    for (size_t q = 0; q < kQueries; ++q) {
      EXPECT_TRUE(damaged[q].degraded);
      EXPECT_EQ(damaged[q].hits.size(), calls[c].limit);
      EXPECT_EQ(ShownHits(damaged[q]), ShownHits(sound[c][q])) << "call " << c << ", query " << q;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Indexes, SearchBatchTest,
                         ::testing::Values(IndexKind::kFlat, IndexKind::kHnsw, IndexKind::kIvf),
                         [](const auto& tested) {
                           return std::string(IndexKindName(tested.param));
                         });

}  // namespace
}  // namespace leadline
