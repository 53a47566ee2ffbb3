// Hostile queries and options at their limits, against real indexes: a typed error or a whole
// answer.

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "leadline/core/rng.h"
#include "quiet_engine.h"
#include "status_matchers.h"

namespace leadline {
namespace {

using testing::StatusIs;

constexpr size_t kDim = 8;
constexpr size_t kRows = 2500;

struct Case {
  IndexKind index;
  Metric metric;
};

class SearchLimitsTest : public testing::QuietEngineTest,
                         public ::testing::WithParamInterface<Case> {
 protected:
  void SetUp() override {
    Create(kDim, GetParam().metric, GetParam().index);
    Rng rng(41);
    Fill(0, kRows, [&](size_t i) {
      Record record;
      record.id = "r" + std::to_string(i);
      for (size_t d = 0; d < kDim; ++d) {
        record.vector.push_back(static_cast<float>(rng.Gaussian()));
      }
      return record;
    });
    ASSERT_OK(collection_->Optimize());
    options_with_index_.full_scan_threshold = 0;
    options_with_index_.ef_search = 16;
    options_with_index_.nprobe = 2;
  }

  Result<SearchResponse> Search(const std::vector<float>& query, const SearchOptions& options) {
    return collection_->Search(query, options);
  }

  const std::vector<float> query_ = std::vector<float>(kDim, 0.25F);
  SearchOptions options_with_index_;
};

TEST_P(SearchLimitsTest, RefusesQueriesThatAreNoVectors) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), infinity, -infinity, 1e20F, -1e20F,
        std::nextafter(kMaxComponent, infinity), std::numeric_limits<float>::max()}) {
    for (const size_t at : {size_t{0}, kDim - 1}) {
      std::vector<float> query = query_;
      query[at] = bad;
      EXPECT_THAT(Search(query, options_with_index_),
                  StatusIs(StatusCode::kInvalidArgument, "[" + std::to_string(at) + "]"))
          << bad;
      EXPECT_EQ(Search(query, options_with_index_).status().limit(), "-1e+15..1e+15");
      // One bad query refuses the batch, and is named.
      std::vector<float> batch = query_;
      batch.insert(batch.end(), query.begin(), query.end());
      EXPECT_THAT(collection_->SearchBatch({batch.data(), 2, kDim}, options_with_index_),
                  StatusIs(StatusCode::kInvalidArgument, "query 1"));
    }
  }
}

TEST_P(SearchLimitsTest, AnswersExtremeButUsableQueries) {
  for (const float value : {kMaxComponent, -kMaxComponent, std::numeric_limits<float>::min(),
                            std::numeric_limits<float>::denorm_min()}) {
    std::vector<float> query(kDim, 0.0F);
    query[3] = value;
    for (const bool exact : {false, true}) {
      SearchOptions options = options_with_index_;
      options.exact = exact;
      const Result<SearchResponse> found = Search(query, options);
      ASSERT_OK(found) << value;
      EXPECT_EQ(found->hits.size(), 10U) << value;
      for (size_t i = 0; i < found->hits.size(); ++i) {
        EXPECT_TRUE(std::isfinite(found->hits[i].score));
        if (GetParam().metric == Metric::kCosine) {
          EXPECT_LE(std::abs(found->hits[i].score), 1.0F);
        }
      }
    }
  }
}

TEST_P(SearchLimitsTest, TakesEachOptionUpToItsCapAndRefusesTheNext) {
  const auto refuses = [&](const std::string& field, const SearchOptions& options) {
    EXPECT_THAT(Search(query_, options), StatusIs(StatusCode::kInvalidArgument, "field=" + field));
  };
  SearchOptions options = options_with_index_;
  options.limit = kMaxTopK;
  ASSERT_OK_AND_ASSIGN(const SearchResponse all, Search(query_, options));
  EXPECT_EQ(all.hits.size(), kRows);
  for (const size_t bad : {size_t{0}, kMaxTopK + 1, std::numeric_limits<size_t>::max()}) {
    options.limit = bad;
    refuses("limit", options);
  }
  options = options_with_index_;
  options.ef_search = kMaxEfSearch;
  EXPECT_OK(Search(query_, options));
  for (const size_t bad : {kMaxEfSearch + 1, std::numeric_limits<size_t>::max()}) {
    options.ef_search = bad;
    refuses("ef_search", options);
  }
  options = options_with_index_;
  SearchOptions exact;
  exact.exact = true;
  ASSERT_OK_AND_ASSIGN(const SearchResponse truth, Search(query_, exact));
  options.nprobe = kMaxNprobe;
  options.ef_search = kMaxEfSearch;
  ASSERT_OK_AND_ASSIGN(const SearchResponse widest, Search(query_, options));
  ASSERT_EQ(widest.hits.size(), truth.hits.size());
  for (size_t i = 0; i < truth.hits.size(); ++i) {
    EXPECT_EQ(widest.hits[i].id, truth.hits[i].id) << "the widest search misses nothing";
    EXPECT_EQ(widest.hits[i].score, truth.hits[i].score);
  }
  options = options_with_index_;
  for (const size_t bad : {kMaxNprobe + 1, std::numeric_limits<size_t>::max()}) {
    options.nprobe = bad;
    refuses("nprobe", options);
  }
  options = options_with_index_;
  options.rescore = kMaxEfSearch;
  EXPECT_OK(Search(query_, options));
  options.rescore = kMaxEfSearch + 1;
  refuses("rescore", options);
  options = options_with_index_;
  for (const double target : {kMinTargetRecall, 0.95, kMaxTargetRecall}) {
    options.target_recall = target;
    EXPECT_OK(Search(query_, options));
  }
  for (const double bad :
       {0.0, 0.499, 0.9991, 1.0, -0.9, std::numeric_limits<double>::quiet_NaN(),
        std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()}) {
    options.target_recall = bad;
    refuses("target_recall", options);
  }
  options = options_with_index_;
  options.min_score = std::numeric_limits<float>::quiet_NaN();
  refuses("min_score", options);
  options.min_score = GetParam().metric == Metric::kL2 ? std::numeric_limits<float>::infinity()
                                                       : -std::numeric_limits<float>::infinity();
  EXPECT_EQ(Search(query_, options)->hits.size(), 10U);
  options.min_score = -*options.min_score;
  EXPECT_EQ(Search(query_, options)->hits.size(), 0U);
  options = options_with_index_;
  options.full_scan_threshold = std::numeric_limits<uint64_t>::max();
  EXPECT_OK(Search(query_, options));
}

TEST_P(SearchLimitsTest, GroupsUpToTheLargestLimit) {
  SearchOptions options = options_with_index_;
  options.group_by = "absent";
  options.limit = kMaxTopK;
  EXPECT_EQ(Search(query_, options)->hits.size(), 0U);
  options.group_by = "not a path";
  EXPECT_THAT(Search(query_, options), StatusIs(StatusCode::kInvalidArgument, "field=group_by"));
  options.group_by = "";
  options.fields = {"a", ""};
  EXPECT_THAT(Search(query_, options), StatusIs(StatusCode::kInvalidArgument, "field=fields"));
}

INSTANTIATE_TEST_SUITE_P(Indexes, SearchLimitsTest,
                         ::testing::Values(Case{IndexKind::kFlat, Metric::kL2},
                                           Case{IndexKind::kHnsw, Metric::kL2},
                                           Case{IndexKind::kHnsw, Metric::kCosine},
                                           Case{IndexKind::kIvf, Metric::kInnerProduct},
                                           Case{IndexKind::kIvf, Metric::kCosine}),
                         [](const auto& tested) {
                           return std::string(IndexKindName(tested.param.index)) + "_" +
                                  std::string(MetricName(tested.param.metric));
                         });

}  // namespace
}  // namespace leadline
