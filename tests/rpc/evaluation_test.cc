// Evaluation over the service: the numbers of the library and of the program, on SciFact and on
// trec_eval's own files; jobs that are watched, cut off, attached to again, cancelled and
// forgotten.

#include <atomic>
#include <chrono>
#include <cmath>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "evaluation_json.h"
#include "http_channel.h"
#include "leadline/core/rng.h"
#include "leadline/eval/ann_report.h"
#include "leadline/eval/evaluated_run.h"
#include "leadline/eval/judgments.h"
#include "leadline/eval/query_reader.h"
#include "leadline/eval/runner.h"
#include "leadline/text/embedder.h"
#include "leadline/v1/evaluation.pb.h"
#include "program_runner.h"
#include "raw_call.h"
#include "served_database.h"
#include "test_clock.h"
#include "watch_stream.h"

namespace leadline::rpc {
namespace {

using testing::Json;
using testing::Leadline;
using testing::StatusIs;

constexpr int64_t kTimeoutMs = 60'000;
constexpr size_t kDocuments = 600;
constexpr char kService[] = "/leadline.v1.Evaluation/";
const std::string kSciFact = std::string(LEADLINE_SOURCE_DIR) + "/examples/scifact/";
const std::string kTrecEval = std::string(LEADLINE_SOURCE_DIR) + "/tests/eval/data/trec-eval/";

std::vector<Json> JsonLinesOf(const std::string& path, size_t most) {
  std::ifstream file(path);
  std::vector<Json> lines;
  for (std::string line; lines.size() < most && std::getline(file, line);) {
    lines.push_back(Json::parse(line));
  }
  return lines;
}

void AddJudgments(const eval::Qrels& qrels,
                  google::protobuf::RepeatedPtrField<v1::QueryJudgments>* out) {
  for (const eval::JudgedQuery& query : qrels.queries) {
    v1::QueryJudgments* judged = out->Add();
    judged->set_query(query.id);
    for (const eval::JudgedDoc& doc : query.docs) {
      v1::JudgedDocument* one = judged->add_docs();
      one->set_id(doc.id);
      one->set_relevance(doc.relevance);
    }
  }
}

void AddQueries(const std::vector<eval::InputQuery>& queries,
                google::protobuf::RepeatedPtrField<v1::EvaluationQuery>* out) {
  for (const eval::InputQuery& query : queries) {
    v1::EvaluationQuery* one = out->Add();
    one->set_id(query.id);
    one->set_filter(query.filter);
    if (query.vector.empty()) {
      one->set_text(query.text);
    }
    for (const float value : query.vector) {
      one->add_vector(value);
    }
  }
}

bool Ended(const v1::Job& job) {
  return job.state() != v1::JOB_STATE_WAITING && job.state() != v1::JOB_STATE_RUNNING;
}

class Evaluation : public ::testing::Test {
 protected:
  explicit Evaluation(ServiceOptions options = {}) : served_(std::move(options)) {}

  Status Call(const std::string& method, const google::protobuf::Message& request,
              google::protobuf::Message* response, const std::string& token = "") {
    Channel channel(served_.address(), token, kTimeoutMs);
    return channel.Call(kService + method, request, response, {});
  }

  Status CallHttp(const std::string& method, const google::protobuf::Message& request,
                  google::protobuf::Message* response) {
    HttpChannel channel(served_.http()->port());
    return channel.Call(kService + method, request, response, {});
  }

  v1::Job Get(const std::string& name) {
    v1::GetJobRequest request;
    request.set_job(name);
    v1::Job job;
    EXPECT_OK(Call("Get", request, &job));
    return job;
  }

  /// Waits until `done` says so.
  v1::Job WaitFor(const std::string& name, const std::function<bool(const v1::Job&)>& done) {
    v1::Job job = Get(name);
    while (!done(job) && !Ended(job)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      job = Get(name);
    }
    return job;
  }

  v1::Job WaitForEnd(const std::string& name) {
    v1::Job job = WaitFor(name, Ended);
    EXPECT_EQ(job.error().message(), "");
    return job;
  }

  v1::Report ReportOf(const std::string& name) {
    v1::GetReportRequest request;
    request.set_job(name);
    v1::Report report;
    EXPECT_OK(Call("GetReport", request, &report));
    return report;
  }

  v1::Job Cancel(const std::string& name) {
    v1::CancelJobRequest request;
    request.set_job(name);
    v1::Job job;
    EXPECT_OK(Call("Cancel", request, &job));
    return job;
  }

  std::string Token(v1::Role role, std::vector<std::string> collections = {}) {
    Result<std::string> token = served_.tokens()->Create({role, std::move(collections), "", {}});
    EXPECT_OK(token);
    return *std::move(token);
  }

  /// The first documents of SciFact with their embeddings.
  std::shared_ptr<Collection> MakeSciFact() {
    CollectionOptions options;
    options.embedder = "static";
    options.text_fields = {"title", "text"};
    options.vectors = {{.metric = Metric::kCosine}};
    auto collection = served_.database()->CreateCollection("scifact", options);
    EXPECT_OK(collection);
    const auto embedder = *(*collection)->OpenEmbedder();
    WriteBatch batch;
    for (const Json& line : JsonLinesOf(kSciFact + "corpus.jsonl", kDocuments)) {
      Record record;
      record.id = line["_id"];
      const std::string text =
          line["title"].get<std::string>() + " " + line["text"].get<std::string>();
      record.payload = Json{{"title", line["title"]}, {"doc", line["_id"]}}.dump();
      record.vector.resize(embedder->dim());
      const std::string_view view = text;
      EXPECT_OK(embedder->Embed({&view, 1}, record.vector));
      batch.Upsert(std::move(record));
    }
    EXPECT_OK((*collection)->Write(batch));
    return *collection;
  }

  /// Random vectors of 32 dimensions, indexed.
  std::shared_ptr<Collection> MakeVectors(const std::string& name, size_t rows) {
    CollectionOptions options;
    options.vectors = {{.dim = 32, .metric = Metric::kL2, .index = IndexKind::kHnsw}};
    auto collection = served_.database()->CreateCollection(name, options);
    EXPECT_OK(collection);
    Rng rng(5);
    WriteBatch batch;
    for (size_t i = 0; i < rows; ++i) {
      Record record;
      record.id = std::to_string(i);
      record.payload = R"({"n":)" + std::to_string(i) + "}";
      for (int d = 0; d < 32; ++d) {
        record.vector.push_back(static_cast<float>(rng.Uniform(1000)) / 1000.0F);
      }
      batch.Upsert(std::move(record));
    }
    EXPECT_OK((*collection)->Write(batch));
    EXPECT_OK((*collection)->Optimize());
    return *collection;
  }

  static std::vector<eval::InputQuery> RandomQueries(size_t count) {
    Rng rng(9);
    std::vector<eval::InputQuery> queries(count);
    for (size_t q = 0; q < count; ++q) {
      queries[q].id = "q" + std::to_string(q);
      for (int d = 0; d < 32; ++d) {
        queries[q].vector.push_back(static_cast<float>(rng.Uniform(1000)) / 1000.0F);
      }
    }
    return queries;
  }

  /// A run that takes seconds unless it is ended: exact searches, 10,000 of them.
  v1::StartRunRequest LongRun(const std::string& collection) {
    v1::StartRunRequest request;
    request.set_collection(collection);
    AddQueries(RandomQueries(10'000), request.mutable_queries());
    v1::QueryJudgments* judged = request.add_judgments();
    judged->set_query("q0");
    judged->add_docs()->set_id("0");
    request.set_all_queries(true);
    request.set_exact(true);
    request.set_limit(100);
    return request;
  }

  std::string Start(const std::string& method, const google::protobuf::Message& request,
                    const std::string& token = "") {
    v1::Job job;
    EXPECT_OK(Call(method, request, &job, token));
    EXPECT_EQ(job.job().size(), 32U);
    return job.job();
  }

  ServedDatabase served_;
};

v1::ScoreRequest TrecEvalScore() {
  v1::ScoreRequest request;
  const auto rules = eval::TrecRules::kTrec10;
  const auto qrels = eval::ReadQrels(FileSystem::Posix(), kTrecEval + "qrels.test", rules);
  const auto run = eval::ReadRun(FileSystem::Posix(), kTrecEval + "results.test", rules);
  EXPECT_OK(qrels);
  EXPECT_OK(run);
  AddJudgments(*qrels, request.mutable_judgments());
  for (const eval::RankedQuery& query : run->queries) {
    v1::QueryResults* results = request.add_run();
    results->set_query(query.id);
    for (const eval::ScoredDoc& doc : query.docs) {
      v1::ScoredDocument* one = results->add_docs();
      one->set_id(doc.id);
      one->set_score(doc.score);
    }
  }
  return request;
}

TEST_F(Evaluation, ScoreGivesTheLinesOfTheProgram) {
  v1::ScoreRequest request = TrecEvalScore();
  for (const char* measure : {"all_trec", "judged@10", "rbp", "ndcg@7"}) {
    request.add_measures(measure);
  }
  request.set_per_query(true);
  const auto program =
      Leadline({"eval", "score", kTrecEval + "results.test", kTrecEval + "qrels.test", "-q", "-m",
                "all_trec", "-m", "judged@10", "-m", "rbp", "-m", "ndcg@7", "--json"});
  ASSERT_EQ(program.exit_code, 0) << program.err;
  const std::vector<Json> lines = program.JsonLines();
  ASSERT_GT(lines.size(), 300U);

  v1::ScoreResponse response;
  ASSERT_OK(Call("Score", request, &response));
  v1::ScoreResponse over_http;
  ASSERT_OK(CallHttp("Score", request, &over_http));
  for (const v1::ScoreResponse* one : {&response, &over_http}) {
    ASSERT_EQ(static_cast<size_t>(one->values_size()), lines.size());
    for (size_t i = 0; i < lines.size(); ++i) {
      const v1::MeasureValue& value = one->values(static_cast<int>(i));
      SCOPED_TRACE(lines[i].dump());
      EXPECT_EQ(value.measure(), lines[i]["measure"]);
      EXPECT_EQ(value.query(), lines[i]["query"]);
      ASSERT_EQ(value.has_value(), lines[i]["value"].is_number());
      EXPECT_TRUE(!value.has_value() || value.value() == lines[i]["value"].get<double>());
      EXPECT_EQ(value.undefined(), lines[i].value("undefined", ""));
      EXPECT_EQ(value.has_n_used(), lines[i].contains("n_used"));
      EXPECT_EQ(value.n_total(), lines[i].value("n_total", 0U));
    }
  }
}

TEST_F(Evaluation, ScoreTakesTheProgramsOptions) {
  v1::ScoreRequest request = TrecEvalScore();
  request.set_rules(v1::TREC_RULES_TREC9);
  request.set_only_returned(true);
  request.set_relevance_level(2);
  request.set_depth(20);
  request.set_judged_only(true);
  v1::ScoreResponse response;
  ASSERT_OK(Call("Score", request, &response));
  const auto program = Leadline(
      {"eval", "score", kTrecEval + "results.test", kTrecEval + "qrels.test", "--rules", "trec9",
       "--only-returned", "--relevance-level", "2", "--depth", "20", "--judged-only", "--json"});
  const std::vector<Json> lines = program.JsonLines();
  ASSERT_EQ(static_cast<size_t>(response.values_size()), lines.size());
  for (size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(Json(response.values(static_cast<int>(i)).value()), lines[i]["value"])
        << lines[i].dump();
  }
}

TEST_F(Evaluation, AnUndefinedMeasureSaysWhy) {
  RawHttp http(served_.http()->port());
  const HttpAnswer answer =
      http.Ask("POST", "/v1/evaluations:score",
               R"({"judgments":[{"query":"q","docs":[{"id":"a","relevance":1}]}],)"
               R"("run":[],"measures":["judged@10","map"],"per_query":true})");
  ASSERT_EQ(answer.status, 200) << answer.body;
  const Json values = answer.Json()["values"];
  EXPECT_EQ(values[0],
            Json({{"measure", "judged_10"}, {"query", "q"}, {"undefined", "nothing_returned"}}));
  EXPECT_EQ(values[1], Json({{"measure", "map"}, {"query", "q"}, {"value", 0}}));
  EXPECT_FALSE(values[2].contains("value")) << "the mean over nothing";
  EXPECT_EQ(values[2]["undefined"], "no_queries");
  EXPECT_EQ(values[2]["n_used"], 0);
  EXPECT_EQ(answer.body.find("nan"), std::string::npos);
  EXPECT_EQ(answer.body.find("null"), std::string::npos);
}

TEST_F(Evaluation, ScoreRefusesWhatItCannotScore) {
  const auto refusal = [this](const std::function<void(v1::ScoreRequest*)>& edit) {
    v1::ScoreRequest request;
    v1::QueryJudgments* judged = request.add_judgments();
    judged->set_query("q");
    judged->add_docs()->set_id("a");
    v1::QueryResults* results = request.add_run();
    results->set_query("q");
    results->add_docs()->set_id("a");
    edit(&request);
    v1::ScoreResponse response;
    return Call("Score", request, &response);
  };
  EXPECT_OK(refusal([](v1::ScoreRequest*) {}));
  const auto invalid = StatusCode::kInvalidArgument;
  EXPECT_THAT(refusal([](auto* r) { r->clear_judgments(); }), StatusIs(invalid, "judgments"));
  EXPECT_THAT(refusal([](auto* r) { r->add_measures("ndgc"); }), StatusIs(invalid, "ndgc"));
  EXPECT_THAT(refusal([](auto* r) { *r->add_judgments() = r->judgments(0); }),
              StatusIs(invalid, "q"));
  EXPECT_THAT(refusal([](auto* r) { *r->add_run() = r->run(0); }), StatusIs(invalid, "q"));
  EXPECT_THAT(refusal([](auto* r) { r->mutable_run(0)->mutable_docs(0)->set_score(NAN); }),
              StatusIs(invalid, "run[0].docs[0].score"));
  EXPECT_THAT(refusal([](auto* r) { r->mutable_run(0)->mutable_docs(0)->set_score(INFINITY); }),
              StatusIs(invalid, "run[0].docs[0].score"));
  EXPECT_THAT(refusal([](auto* r) { r->mutable_run(0)->mutable_docs(0)->clear_id(); }),
              StatusIs(invalid, "run[0].docs[0].id"));
}

TEST_F(Evaluation, ARunHasTheHashAndTheReportOfTheLibrary) {
  const auto collection = MakeSciFact();
  ASSERT_OK_AND_ASSIGN(auto qrels, eval::ReadQrels(FileSystem::Posix(), kSciFact + "qrels/test.tsv",
                                                   eval::TrecRules::kTrec10));
  ASSERT_OK_AND_ASSIGN(auto queries,
                       eval::ReadQueries(FileSystem::Posix(), kSciFact + "queries.jsonl",
                                         eval::FileFormat::kBeir, {}));
  v1::StartRunRequest request;
  request.set_collection("scifact");
  AddQueries(queries, request.mutable_queries());
  AddJudgments(qrels, request.mutable_judgments());
  request.set_per_query(true);
  request.set_filter("doc >= '1'");
  const std::string name = Start("StartRun", request);
  const v1::Job job = WaitForEnd(name);
  ASSERT_EQ(job.state(), v1::JOB_STATE_DONE);
  EXPECT_EQ(job.kind(), v1::JOB_KIND_RUN);
  EXPECT_EQ(job.collection(), "scifact");
  EXPECT_EQ(job.lines(), 300U);

  eval::EvaluatedRun expected;
  expected.qrels = qrels;
  expected.queries = queries;
  expected.queries_not_judged = eval::KeepJudged(qrels, &expected.queries);
  expected.rules = "trec10";
  eval::RunOptions options;
  options.search.limit = 100;
  options.search.filter = *Filter::Parse("doc >= '1'");
  ASSERT_OK_AND_ASSIGN(
      expected.run, eval::RunQueries(*served_.database(), *collection, expected.queries, options));
  ASSERT_OK_AND_ASSIGN(const auto measures, eval::ParseMeasures(eval::DefaultRunMeasures()));
  ASSERT_OK(eval::ScoreRun(measures, {}, nullptr, &expected));
  const v1::Report report = ReportOf(name);
  const Json summary = Json::parse(report.summary());
  EXPECT_EQ(summary["hash"], expected.run.hash);
  EXPECT_GT(summary["measures"]["ndcg_cut_10"]["value"].get<double>(), 0.01);
  EXPECT_EQ(WithoutTimes(summary), WithoutTimes(Json::parse(eval::RunJson(expected))));
  const std::vector<std::string> lines = eval::PerQueryJson(expected);
  ASSERT_EQ(static_cast<size_t>(report.lines_size()), lines.size());
  for (size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(WithoutTimes(Json::parse(report.lines(static_cast<int>(i)).value())),
              WithoutTimes(Json::parse(lines[i])));
  }
  const auto warnings = eval::Warnings(expected, {"limit", "document_key=doc_id"});
  EXPECT_EQ(std::vector<std::string>(job.warnings().begin(), job.warnings().end()), warnings);
}

TEST_F(Evaluation, ARunInBatchesHasTheSameHashAndNoLatency) {
  MakeVectors("docs", 2000);
  v1::StartRunRequest request;
  request.set_collection("docs");
  AddQueries(RandomQueries(60), request.mutable_queries());
  for (int q = 0; q < 60; q += 7) {
    request.mutable_queries(q)->set_filter("n < 700");
  }
  request.add_judgments()->set_query("q0");
  request.mutable_judgments(0)->add_docs()->set_id("0");
  request.set_all_queries(true);
  request.set_per_query(true);
  const v1::Report alone = [&] {
    const std::string name = Start("StartRun", request);
    WaitForEnd(name);
    return ReportOf(name);
  }();
  const Json one = Json::parse(alone.summary());
  EXPECT_TRUE(one.contains("latency_us"));
  for (const uint32_t batch : {1U, 7U, 4096U}) {
    SCOPED_TRACE(batch);
    request.set_batch(batch);
    const std::string name = Start("StartRun", request);
    ASSERT_EQ(WaitForEnd(name).state(), v1::JOB_STATE_DONE);
    const v1::Report report = ReportOf(name);
    Json summary = Json::parse(report.summary());
    EXPECT_EQ(summary["batch"], batch);
    EXPECT_EQ(summary["hash"], one["hash"]);
    EXPECT_EQ(summary.contains("latency_us"), batch == 1);
    summary["batch"] = 1;
    EXPECT_EQ(WithoutTimes(summary), WithoutTimes(one));
    ASSERT_EQ(report.lines_size(), 60);
    for (int i = 0; i < 60; ++i) {
      EXPECT_EQ(WithoutTimes(Json::parse(report.lines(i).value())),
                WithoutTimes(Json::parse(alone.lines(i).value())));
    }
  }
  for (const uint32_t batch : {0U, 4097U}) {
    request.set_batch(batch);
    v1::Job job;
    EXPECT_THAT(Call("StartRun", request, &job),
                StatusIs(StatusCode::kInvalidArgument, "field=batch"));
    EXPECT_THAT(CallHttp("StartRun", request, &job),
                StatusIs(StatusCode::kInvalidArgument, "field=batch"));
  }
}

TEST_F(Evaluation, ARunOverHttpIsStartedLookedAtAndFetchedWithCurlsMeans) {
  MakeVectors("docs", 300);
  RawHttp http(served_.http()->port());
  std::string vector = "[1";
  for (int d = 1; d < 32; ++d) {
    vector += ",0.5";
  }
  vector += "]";
  const HttpAnswer started = http.Ask(
      "POST", "/v1/collections/docs/evaluations:run",
      R"({"queries":[{"id":"q1","vector":)" + vector + R"(},{"id":"q2","vector":)" + vector +
          R"(,"filter":"n < 10"}],"judgments":[{"query":"q1","docs":[{"id":"7","relevance":1}]},)" +
          R"({"query":"q2","docs":[{"id":"3","relevance":2}]}],"measures":["recall@300"],)" +
          R"("limit":300,"rules":"trec9","per_query":true})");
  ASSERT_EQ(started.status, 200) << started.body;
  const std::string name = started.Json()["job"];
  EXPECT_EQ(started.Json()["kind"], "run");
  Json job;
  do {
    const HttpAnswer got = http.Ask("GET", "/v1/evaluations/" + name);
    ASSERT_EQ(got.status, 200) << got.body;
    job = got.Json();
  } while (job["state"] == "waiting" || job["state"] == "running");
  EXPECT_EQ(job["state"], "done") << job.dump();
  EXPECT_EQ(job["lines"], 2);
  const Json report = http.Ask("POST", "/v1/evaluations/" + name + ":report").Json();
  EXPECT_EQ(report["summary"]["measures"]["recall_300"]["value"], 1);
  EXPECT_EQ(report["summary"]["rules"], "trec9");
  EXPECT_EQ(report["lines"][1]["value"]["hits"].size(), 10U);
  const Json page =
      http.Ask("POST", "/v1/evaluations/" + name + ":report", R"({"offset":1,"limit":1})").Json();
  EXPECT_FALSE(page.contains("summary"));
  EXPECT_EQ(page["lines"], Json::array({report["lines"][1]}));
  EXPECT_EQ(http.Ask("GET", "/v1/evaluations").Json()["jobs"][0]["job"], name);
  EXPECT_EQ(http.Ask("POST", "/v1/evaluations/" + name + ":cancel").Json()["state"], "done");
  EXPECT_EQ(http.Ask("GET", "/v1/evaluations/nothing").status, 404);
}

TEST_F(Evaluation, AMomentCanBeNamed) {
  const auto collection = MakeVectors("docs", 50);
  ASSERT_OK_AND_ASSIGN(const auto snapshot, served_.Connect()->TakeSnapshot());
  v1::StartRunRequest request = LongRun("docs");
  request.mutable_queries()->DeleteSubrange(10, request.queries_size() - 10);
  const std::string now = Start("StartRun", request);
  ASSERT_OK(collection->Delete({"1", "2", "3"}));
  const std::string later = Start("StartRun", request);
  WaitForEnd(now);
  WaitForEnd(later);
  EXPECT_EQ(Json::parse(ReportOf(now).summary())["pins"]["rows"], "50");
  EXPECT_EQ(Json::parse(ReportOf(later).summary())["pins"]["rows"], "47");
  request.set_snapshot("nothing");
  v1::Job job;
  EXPECT_THAT(Call("StartRun", request, &job), StatusIs(StatusCode::kNotFound, "snapshot"));
}

TEST_F(Evaluation, ASweepHasTheRecallOfTheLibrary) {
  const auto collection = MakeVectors("docs", 3000);
  const auto queries = RandomQueries(50);
  v1::StartAnnRequest request;
  request.set_collection("docs");
  AddQueries(queries, request.mutable_queries());
  for (const uint32_t ef : {10U, 200U}) {
    request.add_sweep()->set_ef_search(ef);
  }
  request.set_filter("n < 2500");
  const std::string name = Start("StartAnn", request);
  ASSERT_EQ(WaitForEnd(name).state(), v1::JOB_STATE_DONE);

  eval::RunOptions options;
  options.search.filter = *Filter::Parse("n < 2500");
  ASSERT_OK_AND_ASSIGN(options.search.snapshot, served_.database()->TakeSnapshot());
  options.warmup = eval::kAnnWarmupQueries;
  ASSERT_OK_AND_ASSIGN(const auto truth,
                       eval::ExactTruth(*served_.database(), *collection, queries, options));
  eval::AnnReport expected;
  expected.k = 10;
  expected.queries = 50;
  expected.warmup = 50;
  expected.filter = "n < 2500";
  expected.sequence = options.search.snapshot->sequence();
  for (const size_t ef : {10U, 200U}) {
    ASSERT_OK_AND_ASSIGN(auto point, eval::MeasureAnn(*served_.database(), *collection, queries,
                                                      truth, {.value = ef}, options));
    expected.points.push_back(std::move(point));
  }
  const v1::Report report = ReportOf(name);
  EXPECT_EQ(report.lines_size(), 0);
  EXPECT_EQ(WithoutTimes(Json::parse(report.summary())),
            WithoutTimes(Json::parse(eval::AnnReportJson(expected))));
  EXPECT_LT(expected.points[0].recall.id.mean.value, expected.points[1].recall.id.mean.value);

  request.clear_sweep();
  const std::string fitted = Start("StartAnn", request);
  WaitForEnd(fitted);
  EXPECT_EQ(Json::parse(ReportOf(fitted).summary())["points"].size(), 4U);
}

TEST_F(Evaluation, ASweepThatTheIndexDoesNotReadIsRefusedAndOneWithoutAnIndexWarns) {
  MakeVectors("docs", 3000);
  v1::StartAnnRequest request;
  request.set_collection("docs");
  AddQueries(RandomQueries(2), request.mutable_queries());
  v1::Job job;
  request.add_sweep();
  EXPECT_THAT(Call("StartAnn", request, &job), StatusIs(StatusCode::kInvalidArgument, "sweep[0]"));
  request.mutable_sweep(0)->set_nprobe(4);
  EXPECT_THAT(Call("StartAnn", request, &job),
              StatusIs(StatusCode::kInvalidArgument, "field=sweep value=nprobe=4"));
  MakeVectors("few", 20);
  request.set_collection("few");
  request.clear_sweep();
  const v1::Job done = WaitForEnd(Start("StartAnn", request));
  ASSERT_GE(done.warnings_size(), 1);
  EXPECT_NE(done.warnings(0).find("every row is compared exactly"), std::string::npos);
}

/// Claims of SciFact with the abstracts they cite, as `eval ground` reads them.
std::vector<Json> GroundLines(size_t most) {
  std::map<std::string, std::string> abstracts;
  for (const Json& doc : JsonLinesOf(kSciFact + "corpus.jsonl", SIZE_MAX)) {
    abstracts[doc["_id"]] = doc["text"];
  }
  std::vector<Json> lines;
  for (const Json& claim : JsonLinesOf(kSciFact + "claims_test.jsonl", most)) {
    Json line = {
        {"id", claim["claim_id"]}, {"response", claim["claim"]}, {"contexts", Json::array()}};
    for (const Json& doc : claim["cited_doc_ids"]) {
      line["contexts"].push_back(abstracts[doc]);
    }
    if (!claim["evidence"].empty()) {
      line["label"] = claim["evidence"][0]["label"] == "SUPPORT" ? 1 : 0;
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

TEST_F(Evaluation, GroundGivesTheLinesOfTheProgram) {
  v1::StartGroundRequest request;
  std::string file;
  for (const Json& line : GroundLines(60)) {
    file += line.dump() + "\n";
    v1::GroundText* text = request.add_responses();
    text->set_id(line["id"]);
    text->set_response(line["response"]);
    for (const Json& context : line["contexts"]) {
      text->add_contexts(context);
    }
    if (line.contains("label")) {
      text->set_label(line["label"] == 1);
    }
  }
  testing::WriteFile(served_.path("g.jsonl"), file);
  for (const uint32_t tier : {0U, 1U}) {
    const auto program = Leadline(
        {"eval", "ground", served_.path("g.jsonl"), "--tier", std::to_string(tier), "--json"});
    ASSERT_EQ(program.exit_code, 0) << program.err;
    const std::vector<Json> lines = program.JsonLines();
    ASSERT_EQ(lines.size(), 61U);
    request.set_tier(tier);
    const std::string name = Start("StartGround", request);
    ASSERT_EQ(WaitForEnd(name).state(), v1::JOB_STATE_DONE);
    const v1::Report report = ReportOf(name);
    ASSERT_EQ(report.lines_size(), 60);
    for (int i = 0; i < 60; ++i) {
      EXPECT_EQ(Json::parse(report.lines(i).value()), lines[static_cast<size_t>(i)]);
    }
    EXPECT_EQ(Json::parse(report.summary()), lines[60]["summary"]);
  }
  request.set_tier(2);
  v1::Job job;
  EXPECT_THAT(Call("StartGround", request, &job), StatusIs(StatusCode::kUnimplemented, "tier=2"));
}

TEST_F(Evaluation, WithoutLabelsThereIsNoSummaryAndNothingToJudgeSaysWhy) {
  v1::StartGroundRequest request;
  v1::GroundText* text = request.add_responses();
  text->set_id("a");
  text->set_response("I don't know.");
  text->add_contexts("The bridge opened.");
  const std::string name = Start("StartGround", request);
  WaitForEnd(name);
  const v1::Report report = ReportOf(name);
  EXPECT_EQ(report.summary(), "");
  const Json line = Json::parse(report.lines(0).value());
  EXPECT_TRUE(line["score"].is_null());
  EXPECT_NE(line["reason"].get<std::string>().find("declines"), std::string::npos);
  text->set_label(true);
  const std::string labelled = Start("StartGround", request);
  WaitForEnd(labelled);
  const Json summary = Json::parse(ReportOf(labelled).summary());
  EXPECT_TRUE(summary["auroc"].is_null());
  EXPECT_TRUE(summary["undefined"].contains("auroc"));
}

TEST_F(Evaluation, AResponseWhoseEvidenceWouldFillTheMemoryFails) {
  v1::StartGroundRequest request;
  v1::GroundText* text = request.add_responses();
  text->set_id("a");
  for (int i = 0; i < 20'000; ++i) {
    text->mutable_response()->append("Aspirin helps.\n");
  }
  std::string context = "Aspirin helps";
  while (context.size() < 1'000'000) {
    context += " many people";
  }
  text->add_contexts(context);
  const v1::Job job = WaitFor(Start("StartGround", request), Ended);
  EXPECT_EQ(job.state(), v1::JOB_STATE_FAILED);
  EXPECT_EQ(job.error().code(), "INVALID_ARGUMENT");
  EXPECT_NE(job.error().message().find("responses[0]"), std::string::npos);
}

TEST_F(Evaluation, AWatchedJobTellsItsProgressToItsEndAndAgainToWhoComesLater) {
  MakeVectors("docs", 3000);
  const std::string name = Start("StartRun", LongRun("docs"));
  WatchStream watch(served_.address(), name);
  uint64_t before = 0;
  int progress = 0;
  v1::Job last;
  last.set_state(v1::JOB_STATE_WAITING);
  while (const auto job = watch.Next()) {
    EXPECT_EQ(job->job(), name);
    EXPECT_FALSE(Ended(last)) << "nothing follows the end";
    if (job->step() == "search") {
      EXPECT_GE(job->done(), before);
      progress += job->done() > before && job->done() < 10'000 ? 1 : 0;
      before = job->done();
      EXPECT_EQ(job->total(), 10'000U);
    }
    last = *job;
  }
  EXPECT_TRUE(watch.End().ok());
  EXPECT_EQ(last.state(), v1::JOB_STATE_DONE);
  EXPECT_GE(progress, 1);
  for (int again = 0; again < 2; ++again) {
    WatchStream later(served_.address(), name);
    const auto only = later.Next();
    ASSERT_TRUE(only.has_value());
    EXPECT_EQ(only->state(), v1::JOB_STATE_DONE);
    EXPECT_FALSE(later.Next().has_value());
    EXPECT_TRUE(later.End().ok());
  }
}

TEST_F(Evaluation, AJobOutlivesTheStreamThatWatchedItAndCanBeAttachedToAgain) {
  MakeVectors("docs", 3000);
  const std::string name = Start("StartRun", LongRun("docs"));
  {
    WatchStream cut(served_.address(), name);
    ASSERT_TRUE(cut.Next().has_value());
  }
  const v1::Job there = Get(name);
  EXPECT_FALSE(Ended(there));
  WatchStream one(served_.address(), name);
  WatchStream other(served_.address(), name);
  ASSERT_TRUE(one.Next().has_value());
  ASSERT_TRUE(other.Next().has_value());
  Cancel(name);
  for (WatchStream* watch : {&one, &other}) {
    v1::Job last;
    while (const auto job = watch->Next()) {
      last = *job;
    }
    EXPECT_EQ(last.state(), v1::JOB_STATE_CANCELLED);
    EXPECT_TRUE(watch->End().ok());
  }
}

TEST_F(Evaluation, WatchersOfAJobThatRestsHearFromItWithEveryTick) {
  MakeVectors("docs", 3000);
  const std::string running = Start("StartRun", LongRun("docs"));
  const std::string waiting = Start("StartRun", LongRun("docs"));
  WatchStream watch(served_.address(), waiting);
  ASSERT_EQ(watch.Next()->state(), v1::JOB_STATE_WAITING);
  std::atomic<bool> heard{false};
  std::thread ticking([this, &heard] {
    while (!heard.load()) {
      served_.service()->Tick();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  EXPECT_EQ(watch.Next()->state(), v1::JOB_STATE_WAITING);
  heard = true;
  ticking.join();
  EXPECT_EQ(Cancel(waiting).state(), v1::JOB_STATE_CANCELLED) << "it had not begun";
  Cancel(running);
  v1::Job last;
  while (const auto job = watch.Next()) {
    last = *job;
  }
  EXPECT_EQ(last.state(), v1::JOB_STATE_CANCELLED);
}

TEST_F(Evaluation, CancelEndsAJobInItsMiddleAndLeavesNoReport) {
  MakeVectors("docs", 3000);
  const std::string name = Start("StartRun", LongRun("docs"));
  WaitFor(name, [](const v1::Job& job) { return job.done() > 0; });
  Cancel(name);
  const v1::Job job = WaitFor(name, Ended);
  EXPECT_EQ(job.state(), v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(job.error().code(), "CANCELLED");
  EXPECT_GT(job.done(), 0U);
  EXPECT_LT(job.done(), 10'000U);
  v1::GetReportRequest request;
  request.set_job(name);
  v1::Report report;
  EXPECT_THAT(Call("GetReport", request, &report), StatusIs(StatusCode::kFailedPrecondition));
}

TEST_F(Evaluation, AServerThatStopsEndsJobsAndStreams) {
  MakeVectors("docs", 3000);
  const std::string name = Start("StartRun", LongRun("docs"));
  WatchStream watch(served_.address(), name);
  ASSERT_TRUE(watch.Next().has_value());
  served_.service()->Drain();
  served_.service()->FinishJobs();
  while (watch.Next()) {
  }
  EXPECT_EQ(watch.End().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(Evaluation, AServerEndsWhileSomebodyWatches) {
  MakeVectors("docs", 3000);
  const std::string running = Start("StartRun", LongRun("docs"));
  const std::string waiting = Start("StartRun", LongRun("docs"));
  WatchStream watch(served_.address(), waiting);
  ASSERT_TRUE(watch.Next().has_value());
  served_.server()->Shutdown(0);
  while (watch.Next()) {
  }
  EXPECT_FALSE(watch.End().ok());
}

TEST_F(Evaluation, AJobIsForItsTokenAndWithinItsCollections) {
  MakeVectors("mine", 100);
  MakeVectors("other", 100);
  v1::StartRunRequest request = LongRun("mine");
  request.mutable_queries()->DeleteSubrange(2, request.queries_size() - 2);
  const std::string mine = Token(v1::ROLE_READ, {"mine"});
  const std::string also_mine = Token(v1::ROLE_READ, {"mine"});
  const std::string others = Token(v1::ROLE_ADMIN, {"other"});
  const std::string admin = Token(v1::ROLE_ADMIN);
  const std::string name = Start("StartRun", request, mine);
  v1::Job job;
  request.set_collection("other");
  EXPECT_THAT(Call("StartRun", request, &job, mine), StatusIs(StatusCode::kPermissionDenied));
  v1::StartAnnRequest sweep;
  sweep.set_collection("other");
  EXPECT_THAT(Call("StartAnn", sweep, &job, mine), StatusIs(StatusCode::kPermissionDenied));

  const auto seen = [&](const std::string& token) {
    v1::GetJobRequest get;
    get.set_job(name);
    v1::CancelJobRequest cancel;
    cancel.set_job(name);
    v1::ListJobsResponse list;
    EXPECT_OK(Call("List", v1::ListJobsRequest(), &list, token));
    const Status got = Call("Get", get, &job, token);
    const Status cancelled = Call("Cancel", cancel, &job, token);
    WatchStream watch(served_.address(), name, token);
    const bool watched = watch.Next().has_value();
    RawHttp http(served_.http()->port());
    const int over_http = http.Ask("GET", "/v1/evaluations/" + name, "", token).status;
    EXPECT_EQ(got.code(), cancelled.code());
    EXPECT_EQ(got.ok(), watched);
    EXPECT_EQ(over_http, got.ok() ? 200 : 404);
    EXPECT_EQ(list.jobs_size(), got.ok() ? 1 : 0);
    EXPECT_TRUE(got.ok() || got.code() == StatusCode::kNotFound);
    return got.ok();
  };
  EXPECT_TRUE(seen(mine));
  EXPECT_FALSE(seen(also_mine));
  EXPECT_FALSE(seen(others));
  EXPECT_TRUE(seen(admin));
}

TEST_F(Evaluation, StartRefusesWhatCannotBeEvaluated) {
  MakeVectors("docs", 100);
  const auto refusal = [this](const std::function<void(v1::StartRunRequest*)>& edit) {
    v1::StartRunRequest request = LongRun("docs");
    request.mutable_queries()->DeleteSubrange(2, request.queries_size() - 2);
    edit(&request);
    v1::Job job;
    return Call("StartRun", request, &job);
  };
  const auto invalid = StatusCode::kInvalidArgument;
  EXPECT_OK(refusal([](auto*) {}));
  EXPECT_THAT(refusal([](auto* r) { r->set_collection("none"); }), StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(refusal([](auto* r) { r->clear_queries(); }), StatusIs(invalid, "field=queries"));
  EXPECT_THAT(refusal([](auto* r) { r->clear_judgments(); }), StatusIs(invalid, "judgments"));
  EXPECT_THAT(refusal([](auto* r) { *r->add_queries() = r->queries(0); }),
              StatusIs(invalid, "queries[2].id"));
  EXPECT_THAT(refusal([](auto* r) { r->mutable_queries(1)->clear_vector(); }),
              StatusIs(invalid, "queries[1]"));
  EXPECT_THAT(refusal([](auto* r) { r->mutable_queries(1)->set_vector_f32("12345"); }),
              StatusIs(invalid, "queries[1].vector"));
  EXPECT_THAT(refusal([](auto* r) { r->set_filter("n <"); }), StatusIs(invalid));
  EXPECT_THAT(refusal([](auto* r) { r->set_vector_field("none"); }),
              StatusIs(invalid, "vector_field"));
  EXPECT_THAT(refusal([](auto* r) { r->add_measures("nothing"); }), StatusIs(invalid, "nothing"));
  EXPECT_THAT(refusal([](auto* r) {
                r->set_all_queries(false);
                r->mutable_judgments(0)->set_query("somebody else's");
              }),
              StatusIs(invalid, "all_queries"));
  EXPECT_THAT(refusal([](auto* r) {
                for (int q = 0; q < 60; ++q) {
                  v1::EvaluationQuery query = r->queries(0);
                  query.set_id("more" + std::to_string(q));
                  *r->add_queries() = query;
                }
                r->set_limit(16'384);
              }),
              StatusIs(invalid, "limit=1000000 hits together"));
}

TEST_F(Evaluation, WhatOnlyTheSearchFindsOutIsTheErrorOfTheJob) {
  MakeVectors("docs", 100);
  v1::StartRunRequest request = LongRun("docs");
  request.mutable_queries()->DeleteSubrange(2, request.queries_size() - 2);
  request.mutable_queries(1)->add_vector(1);
  const v1::Job dim = WaitFor(Start("StartRun", request), Ended);
  EXPECT_EQ(dim.state(), v1::JOB_STATE_FAILED);
  EXPECT_EQ(dim.error().code(), "INVALID_ARGUMENT");
  EXPECT_NE(dim.error().message().find("q1"), std::string::npos);
  request.mutable_queries()->DeleteSubrange(1, 1);
  request.set_document_key("nothing");
  const v1::Job key = WaitFor(Start("StartRun", request), Ended);
  EXPECT_EQ(key.error().field(), "document_key");
}

ServiceOptions OnTestClock() {
  static testing::TestClock* const kClock = new testing::TestClock();
  ServiceOptions options;
  options.clock = kClock;
  options.evaluation_queue = 1;
  return options;
}

class EvaluationInTime : public Evaluation {
 protected:
  EvaluationInTime() : Evaluation(OnTestClock()) {}

  testing::TestClock* const clock_ = static_cast<testing::TestClock*>(OnTestClock().clock);
};

TEST_F(EvaluationInTime, AJobIsForgottenAnHourAfterItsEnd) {
  MakeVectors("docs", 100);
  v1::StartRunRequest request = LongRun("docs");
  request.mutable_queries()->DeleteSubrange(2, request.queries_size() - 2);
  const std::string name = Start("StartRun", request);
  const v1::Job job = WaitForEnd(name);
  EXPECT_GT(job.expires_in_ms(), 3'500'000);
  EXPECT_LE(job.expires_in_ms(), 3'600'000);
  clock_->monotonic_nanos += int64_t{3'599'000} * 1'000'000;
  served_.service()->Tick();
  EXPECT_EQ(ReportOf(name).job(), name);
  clock_->monotonic_nanos += int64_t{1'001} * 1'000'000;
  served_.service()->Tick();
  v1::GetJobRequest get;
  get.set_job(name);
  v1::Job gone;
  EXPECT_THAT(Call("Get", get, &gone), StatusIs(StatusCode::kNotFound, "forgotten"));
  WatchStream watch(served_.address(), name);
  EXPECT_FALSE(watch.Next().has_value());
  EXPECT_EQ(watch.End().error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(EvaluationInTime, MoreThanMayWaitAreTurnedAwayWithAdvice) {
  MakeVectors("docs", 3000);
  const std::string running = Start("StartRun", LongRun("docs"));
  WaitFor(running, [](const v1::Job& job) { return job.state() == v1::JOB_STATE_RUNNING; });
  const std::string waiting = Start("StartRun", LongRun("docs"));
  const RawAnswer answer =
      CallRaw(served_.address(), std::string(kService) + "StartRun", LongRun("docs"), {});
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(answer.error().retryable());
  EXPECT_GT(answer.error().retry_after_ms(), 0);
  Cancel(waiting);
  Cancel(running);
}

}  // namespace
}  // namespace leadline::rpc
