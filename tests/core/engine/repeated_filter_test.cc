// Filters that searches repeat, over segments that keep what they made of them: rows that were
// deleted, replaced or merged meanwhile, snapshots, batches and threads all get the same answers as
// if the filter were new.

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <thread>

#include "leadline/core/rng.h"
#include "quiet_engine.h"

namespace leadline {
namespace {

constexpr uint64_t kSeed = 20261129;
constexpr size_t kDim = 24;
constexpr size_t kRows = 9000;
constexpr size_t kQueries = 40;

class RepeatedFilterTest : public testing::QuietEngineTest,
                           public ::testing::WithParamInterface<CodeType> {
 protected:
  void SetUp() override {
    VectorField field = Field("vector", kDim, Metric::kL2, kind());
    field.codes = GetParam();
    CollectionOptions options;
    options.vectors.push_back(field);
    Create(options);
    for (size_t i = 0; i < kClusters * kDim; ++i) {
      centres_.push_back(static_cast<float>(rng_.Gaussian()));
    }
    std::vector<Record> records;
    for (size_t i = 0; i < kRows; ++i) {
      records.push_back(NewRecord(i));
    }
    ASSERT_OK(collection_->Upsert(std::move(records)));
    ASSERT_OK(collection_->Optimize());
    for (size_t q = 0; q < kQueries; ++q) {
      const std::vector<float> query = NewVector();
      queries_.insert(queries_.end(), query.begin(), query.end());
    }
  }

  [[nodiscard]] virtual IndexKind kind() const { return IndexKind::kIvf; }

  /// Around a random one of a few centres.
  std::vector<float> NewVector() {
    const size_t cluster = rng_.Uniform(kClusters);
    std::vector<float> vector(kDim);
    for (size_t d = 0; d < kDim; ++d) {
      vector[d] = centres_[cluster * kDim + d] + 0.4F * static_cast<float>(rng_.Gaussian());
    }
    return vector;
  }

  /// Payload {"x": a thousandfold of the first value}: what lies near has similar ones.
  Record NewRecord(size_t i) {
    Record record;
    record.id = "r" + std::to_string(i);
    record.vector = NewVector();
    record.payload = "{\"x\":" + std::to_string(static_cast<int>(1000 * record.vector[0])) + "}";
    model_[record.id] = record.vector;
    return record;
  }

  [[nodiscard]] VectorView Query(size_t q) const { return {queries_.data() + q * kDim, kDim}; }

  /// The rows at the end that the query is not at.
  [[nodiscard]] Filter FilterOf(size_t q) const {
    return Filter::Parse(Query(q)[0] < 0 ? "x >= 0" : "x < 0").value();
  }

  [[nodiscard]] SearchOptions Options(size_t q) const {
    SearchOptions options;
    options.limit = 10;
    options.target_recall = 0.95;
    options.filter = FilterOf(q);
    return options;
  }

  using Ids = std::vector<std::string>;

  Ids Search(size_t q, const SearchOptions& options) const {
    const auto found = collection_->Search(Query(q), options);
    EXPECT_OK(found);
    Ids ids;
    for (const Hit& hit : found->hits) {
      ids.push_back(hit.id);
    }
    return ids;
  }

  /// What the model says of the rows whose x passes, nearest first.
  template <class Passes>
  [[nodiscard]] Ids Nearest(size_t q, const Passes& passes) const {
    std::vector<std::pair<double, std::string>> all;
    for (const auto& [id, vector] : model_) {
      if (!passes(static_cast<int>(1000 * vector[0]))) {
        continue;
      }
      double distance = 0;
      for (size_t d = 0; d < kDim; ++d) {
        distance += (vector[d] - Query(q)[d]) * (vector[d] - Query(q)[d]);
      }
      all.emplace_back(distance, id);
    }
    EXPECT_GT(all.size(), 60U);
    std::sort(all.begin(), all.end());
    Ids ids;
    for (size_t i = 0; i < 10 && i < all.size(); ++i) {
      ids.push_back(all[i].second);
    }
    return ids;
  }

  /// The same of the rows of FilterOf.
  [[nodiscard]] Ids Nearest(size_t q) const {
    const bool upper = Query(q)[0] < 0;
    return Nearest(q, [upper](int x) { return (x >= 0) == upper; });
  }

  /// Searches every query twice: ten hits that live and match, the same ones, nearly all of the
  /// nearest.
  void ExpectSoundAnswers(const std::string& when) const {
    double recall = 0;
    for (size_t q = 0; q < kQueries; ++q) {
      const Ids found = Search(q, Options(q));
      EXPECT_EQ(found.size(), 10U) << when;
      EXPECT_EQ(Search(q, Options(q)), found) << when << ", again";
      const Ids nearest = Nearest(q);
      for (const std::string& id : found) {
        ASSERT_TRUE(model_.contains(id)) << when << ": " << id << " is gone";
        const int x = static_cast<int>(1000 * model_.at(id)[0]);
        EXPECT_EQ(Query(q)[0] < 0, x >= 0) << when << ": " << id << " does not match";
        recall += std::count(nearest.begin(), nearest.end(), id) != 0 ? 0.1 / kQueries : 0;
      }
    }
    std::printf("[ recall] %s: %.3f\n", when.c_str(), recall);
    EXPECT_GE(recall, 0.95) << when;
  }

  /// Of what searches find now, half is deleted.
  void DeleteFound() {
    std::set<std::string> gone;
    for (size_t q = 0; q < kQueries; ++q) {
      const Ids found = Search(q, Options(q));
      gone.insert(found.begin(), found.begin() + 5);
    }
    for (const std::string& id : gone) {
      model_.erase(id);
    }
    ASSERT_OK(collection_->Delete(Ids(gone.begin(), gone.end())));
  }

  /// Under a filter of which the index compares every match, before and after changes.
  void ExpectFewFoundExactly() {
    constexpr int kBound = 1400;
    const auto nearest = [&](size_t q) { return Nearest(q, [](int x) { return x >= kBound; }); };
    SearchOptions options = Options(0);
    options.filter = Filter::Parse("x >= " + std::to_string(kBound)).value();
    const auto expect_exact = [&](const std::string& when) {
      for (size_t q = 0; q < kQueries; ++q) {
        ASSERT_EQ(Search(q, options), nearest(q)) << when << ", query " << q;
      }
    };
    expect_exact("at first");
    for (int round = 0; round < 3; ++round) {
      const Ids gone = nearest(static_cast<size_t>(round));
      for (const std::string& id : gone) {
        model_.erase(id);
      }
      ASSERT_OK(collection_->Delete(gone));
      expect_exact("after deletes");
    }
    std::vector<Record> moved;
    for (size_t i = 0; i < 600; ++i) {
      moved.push_back(NewRecord(i * 15));
    }
    ASSERT_OK(collection_->Upsert(std::move(moved)));
    expect_exact("after some moved");
    ASSERT_OK(collection_->Optimize());
    expect_exact("after a merge");
  }

  static constexpr size_t kClusters = 40;
  Rng rng_{kSeed};
  std::vector<float> centres_;
  std::vector<float> queries_;
  std::map<std::string, std::vector<float>> model_;
};

TEST_P(RepeatedFilterTest, DeletedRowsStayAwayAndOthersTakeTheirPlaces) {
  ExpectSoundAnswers("at first");
  for (int round = 0; round < 3; ++round) {
    DeleteFound();
    ExpectSoundAnswers("after deletes");
  }
  std::vector<Record> moved;
  for (size_t i = 0; i < 600; ++i) {
    moved.push_back(NewRecord(i * 15));
  }
  ASSERT_OK(collection_->Upsert(std::move(moved)));
  ExpectSoundAnswers("after some moved");
  ASSERT_OK(collection_->Optimize());
  ExpectSoundAnswers("after a merge");
  Reopen();
  ExpectSoundAnswers("opened again");
}

TEST_P(RepeatedFilterTest, ASnapshotKeepsItsAnswers) {
  std::vector<Ids> before;
  ASSERT_OK_AND_ASSIGN(const auto snapshot, database_->TakeSnapshot());
  const auto at_snapshot = [&](size_t q) {
    SearchOptions options = Options(q);
    options.snapshot = snapshot;
    return Search(q, options);
  };
  for (size_t q = 0; q < kQueries; ++q) {
    before.push_back(at_snapshot(q));
  }
  DeleteFound();
  ExpectSoundAnswers("after deletes");
  for (size_t q = 0; q < kQueries; ++q) {
    EXPECT_EQ(at_snapshot(q), before[q]);
  }
}

TEST_P(RepeatedFilterTest, BatchesAndThreadsAnswerAsSingleSearchesDo) {
  const Filter filter = Filter::Parse("x >= 0").value();
  SearchOptions options = Options(0);
  options.filter = filter;
  options.as_single = true;
  const MatrixView all{queries_.data(), kQueries, kDim};
  std::array<std::vector<SearchResponse>, 3> found;
  std::vector<std::thread> threads;
  threads.reserve(found.size());
  for (auto& own : found) {
    threads.emplace_back([&] {
      auto answers = collection_->SearchBatch(all, options);
      EXPECT_OK(answers);
      own = std::move(answers).value();
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (size_t q = 0; q < kQueries; ++q) {
    const Ids alone = Search(q, options);
    for (const auto& own : found) {
      Ids ids;
      for (const Hit& hit : own[q].hits) {
        ids.push_back(hit.id);
      }
      EXPECT_EQ(ids, alone) << "query " << q;
    }
  }
}

TEST_P(RepeatedFilterTest, FewMatchesAreFoundExactlyWhateverChanges) {
  ExpectFewFoundExactly();
}

TEST_P(RepeatedFilterTest, AThresholdOfZeroKeepsToTheLists) {
  for (size_t q = 0; q < kQueries; ++q) {
    SearchOptions options = Options(q);
    options.full_scan_threshold = 0;
    options.explain = true;
    ASSERT_OK_AND_ASSIGN(const SearchResponse found, collection_->Search(Query(q), options));
    ASSERT_EQ(found.hits.size(), 10U);
    ASSERT_EQ(found.plan->steps.size(), 1U);
    EXPECT_EQ(found.plan->steps[0].strategy, "ivf");
    EXPECT_FALSE(found.plan->steps[0].fallback);
  }
}

class RepeatedFilterOfGraphTest : public RepeatedFilterTest {
 protected:
  [[nodiscard]] IndexKind kind() const override { return IndexKind::kHnsw; }
};

TEST_P(RepeatedFilterOfGraphTest, FewMatchesAreFoundExactlyWhateverChanges) {
  ExpectFewFoundExactly();
}

class RepeatedFilterOfScanTest : public RepeatedFilterTest {
 protected:
  [[nodiscard]] IndexKind kind() const override { return IndexKind::kFlat; }
};

TEST_P(RepeatedFilterOfScanTest, FewMatchesAreFoundExactlyWhateverChanges) {
  ExpectFewFoundExactly();
}

INSTANTIATE_TEST_SUITE_P(Codes, RepeatedFilterOfGraphTest, ::testing::Values(CodeType::kSq8),
                         [](const auto& tested) {
                           return std::string(CodeTypeName(tested.param));
                         });

INSTANTIATE_TEST_SUITE_P(Codes, RepeatedFilterOfScanTest, ::testing::Values(CodeType::kSq8),
                         [](const auto& tested) {
                           return std::string(CodeTypeName(tested.param));
                         });

INSTANTIATE_TEST_SUITE_P(Codes, RepeatedFilterTest,
                         ::testing::Values(CodeType::kPq4, CodeType::kRabitq, CodeType::kSq8),
                         [](const auto& tested) {
                           return std::string(CodeTypeName(tested.param));
                         });

}  // namespace
}  // namespace leadline
