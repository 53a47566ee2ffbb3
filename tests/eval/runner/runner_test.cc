#include "leadline/eval/runner.h"

#include <atomic>
#include <bit>
#include <cmath>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "leadline/core/rng.h"
#include "status_matchers.h"
#include "temp_dir.h"

namespace leadline::eval {
namespace {

using ::leadline::testing::StatusIs;
using ::leadline::testing::TempDir;

constexpr uint32_t kDim = 8;

std::vector<float> RandomVector(Rng* rng) {
  std::vector<float> vector(kDim);
  for (float& value : vector) {
    value = static_cast<float>(rng->Gaussian());
  }
  return vector;
}

class Runner : public ::testing::Test {
 protected:
  void SetUp() override {
    DatabaseOptions options;
    options.create_if_missing = true;
    options.durability = Durability::kOs;
    ASSERT_OK_AND_ASSIGN(database_, Database::Open(dir_.file("db"), options));
    CollectionOptions collection_options;
    collection_options.vectors = {{.dim = kDim, .metric = Metric::kL2, .index = IndexKind::kHnsw}};
    ASSERT_OK_AND_ASSIGN(collection_, database_->CreateCollection("c", collection_options));
    Rng rng(11);
    WriteRows(&rng, "r", 2000);
    ASSERT_OK(collection_->Optimize());
    for (size_t i = 0; i < 60; ++i) {
      InputQuery& query = queries_.emplace_back();
      query.id = "q" + std::to_string(i);
      query.vector = RandomVector(&rng);
      query.row = i + 1;
    }
  }

  void TearDown() override {
    collection_.reset();
    ASSERT_OK(database_->Close());
  }

  void WriteRows(Rng* rng, const std::string& prefix, size_t rows) {
    std::vector<Record> records(rows);
    for (size_t i = 0; i < rows; ++i) {
      records[i].id = prefix + std::to_string(i);
      records[i].vector = RandomVector(rng);
      records[i].payload = "{\"n\":" + std::to_string(i) + "}";
    }
    ASSERT_OK(collection_->Upsert(std::move(records)).status());
  }

  Result<RunResult> Run(const RunOptions& options) {
    return RunQueries(*database_, *collection_, queries_, options);
  }

  TempDir dir_;
  std::unique_ptr<Database> database_;
  std::shared_ptr<Collection> collection_;
  std::vector<InputQuery> queries_;
};

TEST_F(Runner, SameSnapshotGivesTheSameHashOnAnyThreadsWhileAWriterGoesOn) {
  RunOptions options;
  ASSERT_OK_AND_ASSIGN(options.search.snapshot, database_->TakeSnapshot());
  ASSERT_OK_AND_ASSIGN(const RunResult first, Run(options));
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    Rng rng(12);
    for (int round = 0; !stop; ++round) {
      WriteRows(&rng, "new" + std::to_string(round) + "-", 200);
    }
  });
  for (const size_t threads : {size_t{1}, size_t{2}, size_t{8}}) {
    options.threads = threads;
    const Result<RunResult> again = Run(options);
    ASSERT_OK(again);
    EXPECT_EQ(again->hash, first.hash) << threads << " threads";
  }
  stop = true;
  writer.join();
  options.search.snapshot = nullptr;
  ASSERT_OK_AND_ASSIGN(const RunResult newest, Run(options));
  EXPECT_NE(newest.hash, first.hash);
  EXPECT_GT(newest.pins.sequence, first.pins.sequence);
}

TEST_F(Runner, ResultsAreThoseOfSingleSearches) {
  RunOptions options;
  options.search.limit = 7;
  options.threads = 3;
  ASSERT_OK_AND_ASSIGN(options.search.filter, Filter::Parse("n < 500"));
  queries_[3].filter = "n >= 100";
  ASSERT_OK_AND_ASSIGN(const RunResult run, Run(options));
  ASSERT_EQ(run.queries.size(), queries_.size());
  for (size_t q = 0; q < queries_.size(); ++q) {
    SearchOptions single;
    single.limit = 7;
    ASSERT_OK_AND_ASSIGN(single.filter, Filter::Parse(q == 3 ? "n < 500 AND n >= 100" : "n < 500"));
    ASSERT_OK_AND_ASSIGN(const SearchResponse expected,
                         collection_->Search(queries_[q].vector, single));
    ASSERT_EQ(run.queries[q].hits.size(), expected.hits.size());
    for (size_t i = 0; i < expected.hits.size(); ++i) {
      EXPECT_EQ(run.queries[q].hits[i].id, expected.hits[i].id);
      EXPECT_EQ(run.queries[q].hits[i].score, expected.hits[i].score);
    }
  }
  EXPECT_EQ(run.latency.n, queries_.size());
  EXPECT_FALSE(run.latency.p99_reliable);
}

/// Everything of a run but its times.
std::string Shown(const RunResult& run) {
  std::string text = run.hash + (run.degraded ? " degraded" : "");
  for (const QueryOutcome& query : run.queries) {
    text += "\n" + query.id + query.error;
    for (const RunHit& hit : query.hits) {
      text += " " + hit.id + "/" + hit.record + "=" +
              std::to_string(std::bit_cast<uint32_t>(hit.score));
    }
  }
  return text;
}

TEST_F(Runner, BatchesGiveWhatSingleSearchesGive) {
  // Searching such lists together finds other rows than searching them one by one.
  CollectionOptions coded;
  coded.vectors = {
      {.dim = kDim, .metric = Metric::kL2, .index = IndexKind::kIvf, .codes = CodeType::kPq4}};
  ASSERT_OK_AND_ASSIGN(collection_, database_->CreateCollection("coded", coded));
  Rng rng(14);
  WriteRows(&rng, "r", 3000);
  ASSERT_OK(collection_->Optimize());
  WriteRows(&rng, "t", 50);
  for (size_t q = 10; q < 50; ++q) {
    queries_[q].filter = q < 30 ? "n >= 20" : "n < " + std::to_string(q * 20);
  }
  RunOptions options;
  options.search.limit = 12;
  options.search.nprobe = 2;
  options.search.rescore = 1;  // what the codes say decides
  options.search.full_scan_threshold = 0;
  ASSERT_OK_AND_ASSIGN(options.search.snapshot, database_->TakeSnapshot());
  ASSERT_OK_AND_ASSIGN(const RunResult single, Run(options));
  EXPECT_EQ(single.latency.n, queries_.size());
  for (const size_t batch : {size_t{2}, size_t{7}, size_t{32}, kMaxRunBatch}) {
    for (const size_t threads : {size_t{1}, size_t{3}}) {
      options.batch = batch;
      options.threads = threads;
      size_t told = 0;
      options.progress = [&told](size_t done) { told = done; };
      ASSERT_OK_AND_ASSIGN(const RunResult run, Run(options));
      EXPECT_EQ(Shown(run), Shown(single)) << batch << " a call on " << threads << " threads";
      EXPECT_EQ(told, queries_.size());
      EXPECT_EQ(run.latency.n, 0U) << "nothing was measured of single queries";
    }
  }
  options.batch = 0;
  EXPECT_THAT(Run(options), StatusIs(StatusCode::kInvalidArgument, "batch"));
  options.batch = kMaxRunBatch + 1;
  EXPECT_THAT(Run(options), StatusIs(StatusCode::kInvalidArgument, "batch"));
}

TEST_F(Runner, AnErrorInABatchIsThatOfTheFirstQueryThatHasOne) {
  Rng rng(15);
  std::vector<Record> records(400);
  for (size_t i = 0; i < records.size(); ++i) {
    records[i].id = "doc" + std::to_string(i);
    // The first two are the nearest of one query each.
    records[i].vector = i < 2 ? queries_[30 + i].vector : RandomVector(&rng);
    records[i].payload = i < 2 ? R"({"doc":7})" : R"({"doc":"x)" + std::to_string(i) + "\"}";
  }
  ASSERT_OK(collection_->Upsert(std::move(records)));
  RunOptions options;
  options.search.limit = 1;
  options.document_key = "doc";
  options.warmup = 0;
  ASSERT_OK_AND_ASSIGN(options.search.filter, Filter::Parse("EXISTS doc"));
  const Status single = Run(options).status();
  EXPECT_THAT(single, StatusIs(StatusCode::kInvalidArgument, "query q30"));
  for (const size_t batch : {size_t{2}, size_t{16}, size_t{100}}) {
    options.batch = batch;
    EXPECT_EQ(Run(options).status().message(), single.message()) << batch;
  }
  CancelToken token;
  token.Cancel();
  options.cancel = &token;
  EXPECT_THAT(Run(options), StatusIs(StatusCode::kCancelled));
}

TEST_F(Runner, RankedRunTurnsDistancesSoThatHigherIsBetter) {
  ASSERT_OK_AND_ASSIGN(RunResult run, Run({}));
  run.queries[1].hits[0].score = 0;
  const RankedRun ranked = ToRankedRun(run);
  ASSERT_EQ(ranked.queries.size(), queries_.size());
  EXPECT_FALSE(std::signbit(ranked.queries[1].docs[0].score)) << "a file would show -0";
  EXPECT_EQ(ranked.queries[0].docs[0].score, -static_cast<double>(run.queries[0].hits[0].score));
  EXPECT_GE(ranked.queries[0].docs[0].score, ranked.queries[0].docs[1].score);
}

TEST_F(Runner, NamesTheQueryThatCannotRun) {
  queries_[4].vector.pop_back();
  EXPECT_THAT(Run({}), StatusIs(StatusCode::kInvalidArgument, "q4"));
  queries_[4].vector = queries_[5].vector;
  queries_[6].filter = "n >";
  EXPECT_THAT(Run({}), StatusIs(StatusCode::kInvalidArgument, "q6"));
  queries_[6].filter.clear();
  queries_[7].vector.clear();
  queries_[7].text = "words";
  EXPECT_THAT(Run({}), StatusIs(StatusCode::kInvalidArgument, "embedder"));
  queries_.clear();
  EXPECT_THAT(Run({}), StatusIs(StatusCode::kInvalidArgument, "queries"));
}

TEST_F(Runner, PinsTheIndexBuildOfTheSnapshot) {
  RunOptions options;
  ASSERT_OK_AND_ASSIGN(options.search.snapshot, database_->TakeSnapshot());
  ASSERT_OK_AND_ASSIGN(const RunResult first, Run(options));
  Rng rng(13);
  WriteRows(&rng, "r", 2000);  // the same ids: as many records as before
  ASSERT_OK(collection_->Optimize());
  ASSERT_OK_AND_ASSIGN(const RunResult again, Run(options));
  EXPECT_EQ(again.pins.index_build, first.pins.index_build) << "the snapshot is the same";
  EXPECT_EQ(again.hash, first.hash);
  options.search.snapshot = nullptr;
  ASSERT_OK_AND_ASSIGN(const RunResult newest, Run(options));
  EXPECT_EQ(newest.pins.rows, first.pins.rows);
  EXPECT_NE(newest.pins.index_build, first.pins.index_build);
}

TEST_F(Runner, HashOfJudgmentsKnowsNoOrder) {
  const Qrels qrels = {{{"q1", {{"a", 1}, {"b", 0}}}, {"q2", {{"a", 2}}}}};
  EXPECT_EQ(HashQrels(qrels).size(), 16U);
  EXPECT_EQ(HashQrels({{{"q2", {{"a", 2}}}, {"q1", {{"b", 0}, {"a", 1}}}}}), HashQrels(qrels));
  EXPECT_NE(HashQrels({{{"q1", {{"a", 1}, {"b", -1}}}, {"q2", {{"a", 2}}}}}), HashQrels(qrels));
  EXPECT_NE(HashQrels({{{"q1", {{"a", 1}}}, {"q2", {{"b", 0}, {"a", 2}}}}}), HashQrels(qrels));
}

TEST_F(Runner, RefusesADocumentKeyThatNoRecordHas) {
  RunOptions options;
  options.document_key = "doc_id";
  EXPECT_THAT(Run(options), StatusIs(StatusCode::kInvalidArgument, "doc_id"));
  options.document_key = "n";
  EXPECT_THAT(Run(options), StatusIs(StatusCode::kInvalidArgument, "document_key")) << "a number";
}

TEST_F(Runner, StopsWhenCancelled) {
  CancelToken token;
  token.Cancel();
  RunOptions options;
  options.cancel = &token;
  EXPECT_THAT(Run(options), StatusIs(StatusCode::kCancelled));
}

}  // namespace
}  // namespace leadline::eval
