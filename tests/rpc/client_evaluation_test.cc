// Evaluation by the client in C++, over gRPC and over HTTP: the reports of the library for the same
// input, jobs that are waited for, cut off, found again, cancelled, and errors.

#include <cmath>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "cut_relay.h"
#include "evaluation_json.h"
#include "http_channel.h"
#include "leadline/client.h"
#include "leadline/core/rng.h"
#include "leadline/eval/ann_report.h"
#include "leadline/eval/evaluated_run.h"
#include "leadline/eval/ground_json.h"
#include "leadline/eval/judgments.h"
#include "leadline/eval/runner.h"
#include "leadline/text/embedder.h"
#include "served_database.h"

namespace leadline::rpc {
namespace {

using testing::StatusIs;
using Json = nlohmann::json;

constexpr size_t kDim = 16;
const std::string kTrecEval = std::string(LEADLINE_SOURCE_DIR) + "/tests/eval/data/trec-eval/";

std::vector<float> RandomVector(Rng* rng) {
  std::vector<float> vector(kDim);
  for (float& value : vector) {
    value = static_cast<float>(rng->Uniform(1000)) / 1000.0F;
  }
  return vector;
}

std::vector<EvaluationQuery> RandomQueries(size_t count) {
  Rng rng(9);
  std::vector<EvaluationQuery> queries(count);
  for (size_t q = 0; q < count; ++q) {
    queries[q] = {"q" + std::to_string(q), RandomVector(&rng), "", q % 5 == 3 ? "n < 900" : ""};
  }
  return queries;
}

/// As the library takes them.
std::vector<eval::InputQuery> Inputs(const std::vector<EvaluationQuery>& queries) {
  std::vector<eval::InputQuery> inputs;
  for (const EvaluationQuery& query : queries) {
    inputs.push_back({query.id, query.vector, query.text, query.filter, inputs.size() + 1});
  }
  return inputs;
}

/// Every third query has some judged documents.
eval::Qrels Judge(const std::vector<EvaluationQuery>& queries) {
  Rng rng(3);
  eval::Qrels qrels;
  for (size_t q = 0; q < queries.size(); q += 3) {
    eval::JudgedQuery& judged = qrels.queries.emplace_back();
    judged.id = queries[q].id;
    for (int d = 0; d < 40; ++d) {
      judged.docs.push_back({"r" + std::to_string(d * 7 + static_cast<int>(rng.Uniform(7))),
                             static_cast<int32_t>(rng.Uniform(4)) - 1});
    }
  }
  return qrels;
}

class ClientEvaluation : public ::testing::TestWithParam<const char*> {
 protected:
  ClientEvaluation() : database_(Connect()), evaluations_(*Evaluations::Of(*database_)) {}

  std::unique_ptr<Database> Connect() {
    return GetParam() == std::string("http") ? ConnectOverHttp(served_.http()->port())
                                             : served_.Connect();
  }

  std::shared_ptr<Collection> MakeRows(size_t rows) {
    CollectionOptions options;
    options.vectors = {{.dim = kDim, .metric = Metric::kL2, .index = IndexKind::kHnsw}};
    auto collection = served_.database()->CreateCollection("docs", options);
    EXPECT_OK(collection);
    Rng rng(5);
    std::vector<Record> records(rows);
    for (size_t i = 0; i < rows; ++i) {
      records[i].id = "r" + std::to_string(i);
      records[i].vector = RandomVector(&rng);
      records[i].payload =
          R"({"n":)" + std::to_string(i) + R"(,"doc":"d)" + std::to_string(i / 3) + "\"}";
    }
    EXPECT_OK((*collection)->Upsert(std::move(records)));
    EXPECT_OK((*collection)->Optimize());
    return *collection;
  }

  /// Takes seconds unless it is ended.
  static RunEvaluation LongRun() {
    RunEvaluation run;
    run.queries = RandomQueries(10'000);
    run.judgments = Judge({run.queries.begin(), run.queries.begin() + 1});
    run.all_queries = true;
    run.search.exact = true;
    return run;
  }

  EvaluationJob WaitForEnd(const std::string& name) {
    Result<EvaluationJob> job = evaluations_->Wait(name);
    EXPECT_OK(job);
    EXPECT_EQ(job->error, "");
    EXPECT_TRUE(job->ended());
    return *std::move(job);
  }

  ServedDatabase served_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<Evaluations> evaluations_;
};

void ExpectSame(const eval::MetricValue& value, const eval::MetricValue& expected) {
  EXPECT_EQ(value.value, expected.value);
  EXPECT_EQ(value.reason, expected.reason);
}

void ExpectSame(const eval::ScoreReport& report, const eval::ScoreReport& expected) {
  EXPECT_EQ(report.measures, expected.measures);
  ASSERT_EQ(report.means.size(), expected.means.size());
  for (size_t m = 0; m < report.means.size(); ++m) {
    SCOPED_TRACE(report.measures[m].name());
    ExpectSame(report.means[m].value, expected.means[m].value);
    EXPECT_EQ(report.means[m].n_used, expected.means[m].n_used);
    EXPECT_EQ(report.means[m].n_total, expected.means[m].n_total);
  }
  ASSERT_EQ(report.queries.size(), expected.queries.size());
  for (size_t q = 0; q < report.queries.size(); ++q) {
    SCOPED_TRACE(expected.queries[q].id);
    EXPECT_EQ(report.queries[q].id, expected.queries[q].id);
    EXPECT_EQ(report.queries[q].missing, expected.queries[q].missing);
    ASSERT_EQ(report.queries[q].values.size(), expected.queries[q].values.size());
    for (size_t m = 0; m < report.measures.size(); ++m) {
      ExpectSame(report.queries[q].values[m], expected.queries[q].values[m]);
    }
  }
  const auto counts = [](const eval::ScoreCounts& c) {
    return std::vector<size_t>{c.queries_judged,  c.queries_returned, c.queries_evaluated,
                               c.queries_missing, c.queries_extra,    c.queries_without_relevant,
                               c.docs_returned,   c.docs_unjudged};
  };
  EXPECT_EQ(counts(report.counts), counts(expected.counts));
}

TEST_P(ClientEvaluation, ScoreGivesTheReportOfTheLibrary) {
  const auto rules = eval::TrecRules::kTrec10;
  ASSERT_OK_AND_ASSIGN(eval::Qrels qrels,
                       eval::ReadQrels(FileSystem::Posix(), kTrecEval + "qrels.test", rules));
  ASSERT_OK_AND_ASSIGN(eval::RankedRun run,
                       eval::ReadRun(FileSystem::Posix(), kTrecEval + "results.test", rules));
  run.queries.erase(run.queries.begin());                   // one that is missing
  run.queries.push_back({"all", {{"x", 1, 0}}});            // one that nobody judged
  qrels.queries.push_back({"all of them", {{"x", 0, 0}}});  // nothing relevant
  qrels.queries.push_back({"judged and empty", {{"x", 1, 0}}});
  run.queries.push_back({"judged and empty", {}});
  ASSERT_OK_AND_ASSIGN(const auto measures,
                       eval::ParseMeasures(std::vector<std::string>{"all_trec", "judged@10", "rbp",
                                                                    "rbp_p=0.95", "ndcg@7"}));
  eval::ScoreOptions strict;
  strict.rules = eval::TrecRules::kTrec9;
  strict.queries = eval::QuerySet::kOnlyReturned;
  strict.relevance_level = 2;
  strict.max_docs = 20;
  strict.judged_only = true;
  eval::ScoreOptions excluding;
  excluding.exclude_without_relevant = true;
  for (const eval::ScoreOptions& options : {eval::ScoreOptions(), strict, excluding}) {
    ASSERT_OK_AND_ASSIGN(const auto expected, eval::Score(run, qrels, measures, options));
    ASSERT_OK_AND_ASSIGN(const auto report, evaluations_->Score(run, qrels, measures, options));
    ExpectSame(report, expected);
  }
}

TEST_P(ClientEvaluation, ScoreRefusesAsTheLibraryDoes) {
  const std::vector<eval::Measure> map(1);
  const eval::Qrels qrels{{{"q", {{"a", 1, 0}}}}};
  const eval::RankedRun run{"", {{"q", {{"a", 1, 0}}}}};
  const auto code = [&](const eval::RankedRun& r, const eval::Qrels& q,
                        const eval::ScoreOptions& options = {}) {
    const Status remote = evaluations_->Score(r, q, map, options).status();
    EXPECT_EQ(remote.code(), eval::Score(r, q, map, options).status().code());
    return remote.code();
  };
  EXPECT_EQ(code(run, qrels), StatusCode::kOk);
  EXPECT_EQ(code({"", {run.queries[0], run.queries[0]}}, qrels), StatusCode::kInvalidArgument);
  EXPECT_EQ(code(run, {{qrels.queries[0], qrels.queries[0]}}), StatusCode::kInvalidArgument);
  if (GetParam() != std::string("http")) {  // JSON has no such number
    EXPECT_EQ(code({"", {{"q", {{"a", NAN, 0}}}}}, qrels), StatusCode::kInvalidArgument);
  }
  eval::ScoreOptions level;
  level.relevance_level = 0;
  EXPECT_EQ(code(run, qrels, level), StatusCode::kInvalidArgument);
  level.relevance_level = -7;
  EXPECT_EQ(code(run, qrels, level), StatusCode::kInvalidArgument);
  EXPECT_THAT(evaluations_->Score(run, qrels, {}, {}),
              StatusIs(StatusCode::kInvalidArgument, "measures"));
}

TEST_P(ClientEvaluation, ARunHasTheHashAndTheReportOfTheLibrary) {
  const auto collection = MakeRows(1500);
  RunEvaluation run;
  run.queries = RandomQueries(60);
  run.judgments = Judge(run.queries);
  run.per_query = true;
  const auto expect_same = [&](const RunEvaluation& asked) {
    ASSERT_OK_AND_ASSIGN(const EvaluationJob job, evaluations_->StartRun("docs", asked));
    EXPECT_EQ(job.kind, EvaluationKind::kRun);
    EXPECT_EQ(job.collection, "docs");
    const EvaluationJob end = WaitForEnd(job.name);
    ASSERT_EQ(end.state, EvaluationState::kDone);
    ASSERT_OK_AND_ASSIGN(const EvaluationReport report, evaluations_->Report(job.name));

    eval::EvaluatedRun expected;
    expected.qrels = asked.judgments;
    expected.queries = Inputs(asked.queries);
    if (!asked.all_queries) {
      expected.queries_not_judged = eval::KeepJudged(expected.qrels, &expected.queries);
    }
    expected.rules = asked.rules == eval::TrecRules::kTrec9 ? "trec9" : "trec10";
    eval::RunOptions options;
    options.search = asked.search;
    options.search.snapshot = nullptr;
    options.document_key = asked.document_key;
    options.batch = asked.batch;
    options.warmup = asked.warmup;
    options.seed = asked.seed;
    ASSERT_OK_AND_ASSIGN(expected.run, eval::RunQueries(*served_.database(), *collection,
                                                        expected.queries, options));
    ASSERT_OK_AND_ASSIGN(
        const auto measures,
        eval::ParseMeasures(asked.measures.empty() ? eval::DefaultRunMeasures() : asked.measures));
    eval::ScoreOptions scoring;
    scoring.rules = asked.rules;
    ASSERT_OK(eval::ScoreRun(measures, scoring, nullptr, &expected));
    EXPECT_EQ(Json::parse(report.summary)["hash"], expected.run.hash);
    EXPECT_EQ(WithoutTimes(Json::parse(report.summary)),
              WithoutTimes(Json::parse(eval::RunJson(expected))));
    const std::vector<std::string> lines = eval::PerQueryJson(expected);
    ASSERT_EQ(report.lines.size(), asked.per_query ? lines.size() : 0);
    EXPECT_EQ(end.lines, report.lines.size());
    for (size_t i = 0; i < report.lines.size(); ++i) {
      EXPECT_EQ(WithoutTimes(Json::parse(report.lines[i])), WithoutTimes(Json::parse(lines[i])));
    }
    EXPECT_EQ(end.warnings, eval::Warnings(expected, {"limit", "document_key=doc_id"}));
  };
  expect_same(run);
  run.batch = 13;
  expect_same(run);
  RunEvaluation other = run;
  other.measures = {"map", "ndcg@3"};
  other.rules = eval::TrecRules::kTrec9;
  other.search.limit = 7;
  other.search.filter = *Filter::Parse("n >= 10");
  other.search.ef_search = 33;
  other.search.rescore = 50;
  other.document_key = "doc";
  other.all_queries = true;
  other.warmup = 3;
  other.seed = 7;
  other.per_query = false;
  ASSERT_OK_AND_ASSIGN(other.search.snapshot, database_->TakeSnapshot());
  expect_same(other);
  other.search.ef_search = 0;
  other.search.target_recall = 0.8;
  expect_same(other);
  other.search.exact = true;
  expect_same(other);
}

TEST_P(ClientEvaluation, TextsAreEmbeddedByTheServer) {
  CollectionOptions options;
  options.embedder = "static";
  options.text_fields = {"text"};
  options.vectors = {{.metric = Metric::kCosine}};
  ASSERT_OK_AND_ASSIGN(const auto texts, served_.database()->CreateCollection("texts", options));
  ASSERT_OK_AND_ASSIGN(const auto embedder, texts->OpenEmbedder());
  Record record;
  record.id = "cat";
  record.vector.resize(embedder->dim());
  const std::string_view text = "a warm cat";
  ASSERT_OK(embedder->Embed({&text, 1}, record.vector));
  ASSERT_OK(texts->Upsert({record}));
  RunEvaluation run;
  run.queries = {{"q", {}, "the cat is warm", ""}, {"none", {}, "", ""}};
  run.judgments.queries = {{"q", {{"cat", 1, 0}}}, {"none", {{"cat", 1, 0}}}};
  run.measures = {"recip_rank"};
  ASSERT_OK_AND_ASSIGN(const EvaluationJob job, evaluations_->StartRun("texts", run));
  EXPECT_EQ(WaitForEnd(job.name).warnings.size(), 2U) << "few queries, and one without a word";
  ASSERT_OK_AND_ASSIGN(const EvaluationReport report, evaluations_->Report(job.name));
  EXPECT_EQ(Json::parse(report.summary)["measures"]["recip_rank"]["value"], 0.5);
}

TEST_P(ClientEvaluation, ASweepHasTheRecallOfTheLibrary) {
  const auto collection = MakeRows(3000);
  AnnEvaluation ann;
  ann.queries = RandomQueries(30);
  ann.search.limit = 5;
  ann.search.filter = *Filter::Parse("n < 2500");
  ann.search.rescore = 20;
  ann.ef_search = {6, 200};
  ASSERT_OK_AND_ASSIGN(const EvaluationJob job, evaluations_->StartAnn("docs", ann));
  EXPECT_EQ(WaitForEnd(job.name).kind, EvaluationKind::kAnn);
  ASSERT_OK_AND_ASSIGN(const EvaluationReport report, evaluations_->Report(job.name));
  EXPECT_TRUE(report.lines.empty());

  const auto queries = Inputs(ann.queries);
  eval::RunOptions options;
  options.search = ann.search;
  options.warmup = eval::kAnnWarmupQueries;
  ASSERT_OK_AND_ASSIGN(options.search.snapshot, served_.database()->TakeSnapshot());
  ASSERT_OK_AND_ASSIGN(const auto truth,
                       eval::ExactTruth(*served_.database(), *collection, queries, options));
  const Json points = Json::parse(report.summary)["points"];
  ASSERT_EQ(points.size(), 2U);
  for (size_t p = 0; p < points.size(); ++p) {
    ASSERT_OK_AND_ASSIGN(const auto point,
                         eval::MeasureAnn(*served_.database(), *collection, queries, truth,
                                          {.value = ann.ef_search[p]}, options));
    EXPECT_EQ(points[p]["ef_search"], ann.ef_search[p]);
    EXPECT_EQ(points[p]["recall"]["id"], point.recall.id.mean.value);
  }
  ann.nprobe = {2};
  EXPECT_THAT(evaluations_->StartAnn("docs", ann), StatusIs(StatusCode::kInvalidArgument, "sweep"));
}

TEST_P(ClientEvaluation, GroundHasTheReportsOfTheJudge) {
  GroundEvaluation ground;
  ground.responses = {
      {"a", "The bridge opened in 1932.", {"The bridge opened in 1932, in March."}, ""},
      {"b", "The bridge opened in 1933.", {"The bridge opened in 1932, in March."}, "When?"},
      {"c", "I don't know.", {}, ""}};
  for (const int tier : {0, 1}) {
    for (const bool labelled : {false, true}) {
      ground.options.tier = tier;
      ground.labels.clear();
      if (labelled) {
        ground.labels = {true, false, std::nullopt};
      }
      ASSERT_OK_AND_ASSIGN(const EvaluationJob job, evaluations_->StartGround(ground));
      EXPECT_EQ(WaitForEnd(job.name).collection, "");
      ASSERT_OK_AND_ASSIGN(const EvaluationReport report, evaluations_->Report(job.name));
      EXPECT_EQ(report.kind, EvaluationKind::kGround);
      ASSERT_OK_AND_ASSIGN(const GroundJudge judge, GroundJudge::Create(ground.options));
      ASSERT_EQ(report.lines.size(), 3U);
      for (size_t i = 0; i < 3; ++i) {
        ASSERT_OK_AND_ASSIGN(const GroundReport expected, judge.Judge(ground.responses[i]));
        EXPECT_EQ(Json::parse(report.lines[i]), Json::parse(eval::GroundReportJson(expected)));
      }
      EXPECT_EQ(report.summary.empty(), !labelled);
      EXPECT_TRUE(!labelled || Json::parse(report.summary)["n"] == 2);
    }
  }
  ground.labels.pop_back();
  EXPECT_THAT(evaluations_->StartGround(ground),
              StatusIs(StatusCode::kInvalidArgument, "field=labels"));
  ground.labels.clear();
  ground.options.tier = 2;
  EXPECT_THAT(evaluations_->StartGround(ground), StatusIs(StatusCode::kUnimplemented));
  ground.options.tier = -1;
  EXPECT_THAT(evaluations_->StartGround(ground), StatusIs(StatusCode::kInvalidArgument, "tier"));
}

TEST_P(ClientEvaluation, AJobTellsItsProgressAndIsFoundAgainByAnotherClient) {
  MakeRows(3000);
  ASSERT_OK_AND_ASSIGN(const EvaluationJob job, evaluations_->StartRun("docs", LongRun()));
  // Whoever stops waiting stops nothing.
  CancelToken enough;
  CallOptions until_half;
  double share = 0;
  until_half.cancel = &enough;
  until_half.progress = [&](std::string_view step, double done) {
    EXPECT_TRUE(step != "search" || done >= share);
    share = step == "search" ? done : share;
    if (share > 0) {
      enough.Cancel();
    }
  };
  EXPECT_THAT(evaluations_->Wait(job.name, until_half), StatusIs(StatusCode::kCancelled));
  EXPECT_GT(share, 0);
  EXPECT_LT(share, 1);
  CallOptions hurried;
  hurried.timeout_ms = 1;
  EXPECT_THAT(evaluations_->Wait(job.name, hurried), StatusIs(StatusCode::kDeadlineExceeded));
  database_.reset();  // its connection lasts as long as what uses it

  const std::unique_ptr<Database> other = Connect();
  ASSERT_OK_AND_ASSIGN(const auto again, Evaluations::Of(*other));
  ASSERT_OK_AND_ASSIGN(const EvaluationJob there, again->Get(job.name));
  EXPECT_FALSE(there.ended());
  EXPECT_FALSE(there.expires_in_ms.has_value());
  EXPECT_THAT(again->Report(job.name), StatusIs(StatusCode::kFailedPrecondition));
  ASSERT_OK_AND_ASSIGN(const EvaluationJob waiting, again->StartRun("docs", LongRun()));
  EXPECT_EQ(waiting.state, EvaluationState::kWaiting);
  ASSERT_OK_AND_ASSIGN(const std::vector<EvaluationJob> jobs, again->List());
  ASSERT_EQ(jobs.size(), 2U);
  EXPECT_EQ(jobs[0].name, waiting.name);
  EXPECT_EQ(jobs[1].name, job.name);
  ASSERT_OK(again->Cancel(job.name));
  ASSERT_OK(again->Cancel(waiting.name));
  ASSERT_OK_AND_ASSIGN(const EvaluationJob end, evaluations_->Wait(job.name));
  EXPECT_EQ(end.state, EvaluationState::kCancelled);
  EXPECT_EQ(end.error_code, StatusCode::kCancelled);
  EXPECT_NE(end.error, "");
  EXPECT_GT(end.expires_in_ms.value_or(0), 3'000'000);
  ASSERT_OK(again->Cancel(job.name));
  EXPECT_THAT(again->Report(job.name), StatusIs(StatusCode::kFailedPrecondition));
}

TEST_P(ClientEvaluation, AReportOfAnyLengthComesWhole) {
  MakeRows(200);
  RunEvaluation run;
  run.queries = RandomQueries(9000);  // more than a page of 4 MiB
  run.judgments = Judge(run.queries);
  run.all_queries = true;
  run.per_query = true;
  run.search.limit = 20;
  run.batch = 64;
  ASSERT_OK_AND_ASSIGN(const EvaluationJob job, evaluations_->StartRun("docs", run));
  WaitForEnd(job.name);
  ASSERT_OK_AND_ASSIGN(const EvaluationReport report, evaluations_->Report(job.name));
  ASSERT_EQ(report.lines.size(), 9000U);
  size_t bytes = 0;
  for (size_t i = 0; i < report.lines.size(); ++i) {
    bytes += report.lines[i].size();
    EXPECT_EQ(Json::parse(report.lines[i])["query"], run.queries[i].id);
  }
  EXPECT_GT(bytes, 4U << 20);
}

TEST_P(ClientEvaluation, WhatCannotBeEvaluatedSaysWhy) {
  MakeRows(50);
  RunEvaluation run;
  run.queries = RandomQueries(3);
  run.judgments = Judge(run.queries);
  const auto refusal = [&](const std::function<void(RunEvaluation*)>& edit) {
    RunEvaluation edited = run;
    edit(&edited);
    return evaluations_->StartRun("docs", edited).status();
  };
  const auto invalid = StatusCode::kInvalidArgument;
  EXPECT_OK(refusal([](RunEvaluation*) {}));
  EXPECT_THAT(refusal([](auto* r) { r->queries.clear(); }), StatusIs(invalid, "queries"));
  EXPECT_THAT(refusal([](auto* r) { r->judgments = {}; }), StatusIs(invalid, "judgments"));
  EXPECT_THAT(refusal([](auto* r) { r->batch = 0; }), StatusIs(invalid, "field=batch"));
  EXPECT_THAT(refusal([](auto* r) { r->batch = 4097; }), StatusIs(invalid, "field=batch"));
  EXPECT_THAT(refusal([](auto* r) { r->search.limit = 0; }), StatusIs(invalid, "field=limit"));
  EXPECT_THAT(refusal([](auto* r) { r->search.group_by = "n"; }), StatusIs(invalid, "group_by"));
  EXPECT_THAT(refusal([](auto* r) { r->search.min_score = 1; }), StatusIs(invalid, "min_score"));
  EXPECT_THAT(refusal([](auto* r) { r->search.full_scan_threshold = 1; }),
              StatusIs(invalid, "full_scan_threshold"));
  EXPECT_THAT(refusal([](auto* r) { r->search.vector_field = "none"; }),
              StatusIs(invalid, "vector_field"));
  EXPECT_THAT(refusal([&](auto* r) { r->search.snapshot = *served_.database()->TakeSnapshot(); }),
              StatusIs(invalid, "snapshot"));
  EXPECT_THAT(evaluations_->StartRun("none", run), StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(evaluations_->Get("none"), StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(evaluations_->Wait("none"), StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(evaluations_->Cancel("none"), StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(evaluations_->Report("none"), StatusIs(StatusCode::kNotFound));
  CallOptions backwards;
  backwards.timeout_ms = -1;
  EXPECT_THAT(evaluations_->Wait("none", backwards), StatusIs(invalid, "timeout_ms"));
  EXPECT_THAT(Evaluations::Of(*served_.database()), StatusIs(invalid, "database"));
  run.queries[0].vector.pop_back();  // only the search finds out
  ASSERT_OK_AND_ASSIGN(const EvaluationJob job, evaluations_->StartRun("docs", run));
  ASSERT_OK_AND_ASSIGN(const EvaluationJob failed, evaluations_->Wait(job.name));
  EXPECT_EQ(failed.state, EvaluationState::kFailed);
  EXPECT_EQ(failed.error_code, invalid);
  EXPECT_NE(failed.error.find("q0"), std::string::npos) << failed.error;
  ASSERT_OK(database_->Close());
  EXPECT_THAT(evaluations_->List(), StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_THAT(evaluations_->Wait(job.name), StatusIs(StatusCode::kFailedPrecondition));
}

INSTANTIATE_TEST_SUITE_P(Transports, ClientEvaluation, ::testing::Values("grpc", "http"),
                         [](const auto& transport) { return std::string(transport.param); });

class ClientEvaluationOverABadNetwork : public ClientEvaluation {};

TEST_P(ClientEvaluationOverABadNetwork, WaitingAttachesAgainAndGivesUpWhereNobodyIsLeft) {
  MakeRows(15'000);  // so many that the run is at work when the client comes back
  CutRelay relay(served_.server()->port());
  ClientOptions options;
  options.max_retries = 20;
  ASSERT_OK_AND_ASSIGN(const auto far, Client::Connect(relay.address(), options));
  ASSERT_OK_AND_ASSIGN(const auto evaluations, Evaluations::Of(*far));
  ASSERT_OK_AND_ASSIGN(const EvaluationJob job, evaluations->StartRun("docs", LongRun()));
  uint64_t cuts = 0;
  CallOptions cutting;
  cutting.progress = [&](std::string_view, double) {
    if (relay.connections() <= cuts) {
      return;  // what had come before the last cut
    }
    if (cuts < 3) {
      ++cuts;
      relay.Cut();
    } else if (cuts == 3) {
      ++cuts;
      EXPECT_OK(evaluations_->Cancel(job.name));
    }
  };
  ASSERT_OK_AND_ASSIGN(const EvaluationJob end, evaluations->Wait(job.name, cutting));
  EXPECT_EQ(end.state, EvaluationState::kCancelled);
  EXPECT_EQ(cuts, 4U);
  EXPECT_GE(relay.connections(), 4U);

  options.max_retries = 0;
  ASSERT_OK_AND_ASSIGN(const auto impatient, Client::Connect(relay.address(), options));
  ASSERT_OK_AND_ASSIGN(const auto once, Evaluations::Of(*impatient));
  ASSERT_OK_AND_ASSIGN(const EvaluationJob another, evaluations_->StartRun("docs", LongRun()));
  cutting.progress = [&](std::string_view, double) { relay.Cut(); };
  EXPECT_THAT(once->Wait(another.name, cutting), StatusIs(StatusCode::kUnavailable));
  ASSERT_OK(evaluations_->Cancel(another.name));
}

INSTANTIATE_TEST_SUITE_P(Grpc, ClientEvaluationOverABadNetwork, ::testing::Values("grpc"));

}  // namespace
}  // namespace leadline::rpc
