#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <sstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "program_runner.h"
#include "temp_dir.h"

namespace leadline::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// "measure query" -> value of `eval score --json`.
std::map<std::string, double> Values(const std::vector<Json>& lines) {
  std::map<std::string, double> values;
  for (const Json& line : lines) {
    values[line["measure"].get<std::string>() + " " + line["query"].get<std::string>()] =
        line["value"].get<double>();
  }
  return values;
}

TEST(EvalScore, ScoresARunFileAndCountsWhatIsMissing) {
  const TempDir dir;
  WriteFile(dir.file("qrels"), "q1 0 a 1\nq1 0 b 2\nq2 0 c 1\nq3 0 d 0\n");
  WriteFile(dir.file("run"),
            "q1 Q0 a 1 0.9 t\nq1 Q0 x 2 0.8 t\nq1 Q0 b 3 0.7 t\nq9 Q0 a 1 1.0 t\n");
  const ProgramOutput json = Leadline({"eval", "score", dir.file("run"), dir.file("qrels"), "-m",
                                       "ndcg@10", "-m", "P_5", "-m", "map", "-q", "--json"});
  ASSERT_EQ(json.exit_code, 0) << json.err;
  std::map<std::string, double> values = Values(json.JsonLines());
  const double ndcg = (1 + 2 / 2.0) / (2 + 1 / std::log2(3.0));
  EXPECT_NEAR(values["ndcg_cut_10 q1"], ndcg, 1e-12);
  EXPECT_NEAR(values["ndcg_cut_10 all"], ndcg / 3, 1e-12);
  EXPECT_NEAR(values["P_5 q1"], 0.4, 1e-12);
  EXPECT_NEAR(values["map q1"], (1 + 2.0 / 3) / 2, 1e-12);
  EXPECT_EQ(values["map q2"], 0);
  EXPECT_EQ(values["queries_missing all"], 2);
  EXPECT_EQ(values["queries_extra all"], 1);
  EXPECT_EQ(values["docs_unjudged all"], 1);

  const ProgramOutput text =
      Leadline({"eval", "score", dir.file("run"), dir.file("qrels"), "-m", "map"});
  EXPECT_EQ(text.out, "map\tall\t0.2778\n");
  EXPECT_THAT(text.err, HasSubstr("queries_missing=2"));
  const ProgramOutput returned = Leadline(
      {"eval", "score", dir.file("run"), dir.file("qrels"), "-m", "map", "--only-returned"});
  EXPECT_EQ(returned.out, "map\tall\t0.8333\n");
}

TEST(EvalScore, SaysOverHowManyQueriesAMeasureIsDefined) {
  const TempDir dir;
  WriteFile(dir.file("qrels"), "q1 0 a 1\nq2 0 c 1\nq3 0 d 1\n");
  WriteFile(dir.file("run"), "q1 Q0 a 1 0.9 t\nq2 Q0 a 1 0.9 t\n");
  const ProgramOutput score = Leadline({"eval", "score", dir.file("run"), dir.file("qrels"), "-m",
                                        "judged@10", "-m", "map", "-q", "--json"});
  ASSERT_EQ(score.exit_code, 0) << score.err;
  size_t summaries = 0;
  for (const Json& line : score.JsonLines()) {
    if (line["query"] != "all" || !line.contains("n_total")) {
      EXPECT_FALSE(line.contains("n_used")) << line;
      continue;
    }
    ++summaries;
    EXPECT_EQ(line["n_total"], 3);
    EXPECT_EQ(line["n_used"], line["measure"] == "map" ? 3 : 2);
  }
  EXPECT_EQ(summaries, 2U);
  EXPECT_THAT(score.err, HasSubstr("judged_10 is defined for 2 of 3 queries"));
  EXPECT_THAT(score.err, Not(HasSubstr("map is defined")));
}

TEST(EvalScore, IdsOfForeignFilesAreTakenAsTheyAre) {
  const TempDir dir;
  WriteFile(dir.file("qrels"), "q%201 0 100% 1\n");
  WriteFile(dir.file("run"), "q%201 Q0 100% 1 0.9 t\n");
  EXPECT_EQ(Leadline({"eval", "score", dir.file("run"), dir.file("qrels"), "-m", "map"}).out,
            "map\tall\t1.0000\n");
  WriteFile(dir.file("run.trec"), "q%201 Q0 100% 1 0.9 t\n");
  const ProgramOutput damaged =
      Leadline({"eval", "score", dir.path(), dir.file("qrels"), "-m", "map"});
  EXPECT_EQ(damaged.exit_code, 2) << "the file of a directory is ours, and we do not write this";
  EXPECT_THAT(damaged.err, HasSubstr("100%"));
}

TEST(EvalScore, RulesDecideTiesOfNearlyEqualScores) {
  const TempDir dir;
  WriteFile(dir.file("qrels"), "q 0 a 1\n");
  WriteFile(dir.file("run"), "q Q0 a 1 0.123456789 t\nq Q0 b 2 0.123456788 t\n");
  const std::vector<std::string> words = {"eval", "score", dir.file("run"), dir.file("qrels"),
                                          "-m",   "rr",    "--rules"};
  std::vector<std::string> nine = words;
  nine.emplace_back("trec9");
  std::vector<std::string> ten = words;
  ten.emplace_back("trec10");
  EXPECT_EQ(Leadline(nine).out, "recip_rank\tall\t0.5000\n");
  EXPECT_EQ(Leadline(ten).out, "recip_rank\tall\t1.0000\n");
}

TEST(EvalScore, BadFilesAndMeasuresAreInvalidInput) {
  const TempDir dir;
  WriteFile(dir.file("qrels"), "q 0 a 1\n");
  WriteFile(dir.file("run"), "q Q0 a 1 0.5 t\nq Q0 a 2 nonsense t\n");
  const ProgramOutput bad = Leadline({"eval", "score", dir.file("run"), dir.file("qrels")});
  EXPECT_EQ(bad.exit_code, 2);
  EXPECT_THAT(bad.err, HasSubstr("2"));
  WriteFile(dir.file("run"), "q Q0 a 1 0.5 t\n");
  EXPECT_EQ(
      Leadline({"eval", "score", dir.file("run"), dir.file("qrels"), "-m", "magic"}).exit_code, 2);
  EXPECT_EQ(Leadline({"eval", "score", dir.file("db") + "#r", dir.file("qrels")}).exit_code, 2);
  WriteFile(dir.file("none"), "\n");
  const ProgramOutput unjudged = Leadline({"eval", "score", dir.file("run"), dir.file("none")});
  EXPECT_EQ(unjudged.exit_code, 2);
  EXPECT_THAT(unjudged.err, HasSubstr("the file has no judgments: field=qrels"));
}

/// 400 random vectors of 8 dimensions in collection "c"; query qI is record I slightly moved, and
/// its judgments name record I.
class EvalOnVectors : public ::testing::Test {
 protected:
  void SetUp() override {
    db_ = dir_.file("db");
    const auto vectors = RandomVectors(400, 8, 7);
    WriteFile(dir_.file("base.fvecs"), FvecsBytes(vectors));
    std::string queries;
    std::string qrels;
    for (size_t i = 0; i < 40; ++i) {
      std::vector<float> moved = vectors[i];
      moved[0] += 0.01F;
      queries += Json({{"id", "q" + std::to_string(i)}, {"vector", moved}}).dump() + "\n";
      qrels += "q" + std::to_string(i) + " 0 " + std::to_string(i) + " 1\n";
    }
    queries += Json({{"id", "unjudged"}, {"vector", vectors[0]}}).dump() + "\n";
    qrels += "missing 0 3 1\n";
    WriteFile(dir_.file("queries.jsonl"), queries);
    WriteFile(dir_.file("qrels"), qrels);
    ASSERT_EQ(Leadline({"create", db_, "c", "--dim", "8", "--metric", "cosine", "--index", "hnsw"})
                  .exit_code,
              0);
    ASSERT_EQ(Leadline({"ingest", db_, "c", dir_.file("base.fvecs")}).exit_code, 0);
    ASSERT_EQ(Leadline({"optimize", db_}).exit_code, 0);
  }

  [[nodiscard]] ProgramOutput EvalRun(const std::vector<std::string>& more) const {
    std::vector<std::string> words = {"eval",      "run",
                                      db_,         "c",
                                      "--queries", dir_.file("queries.jsonl"),
                                      "--qrels",   dir_.file("qrels"),
                                      "-k",        "20",
                                      "--json"};
    words.insert(words.end(), more.begin(), more.end());
    return Leadline(words);
  }

  TempDir dir_;
  std::string db_;
};

TEST_F(EvalOnVectors, ARunIsNotSilentlyShallowerThanItsMeasures) {
  EXPECT_THAT(EvalRun({"-m", "recall@100", "-m", "p@20"}).err,
              HasSubstr("returned -k 20 results, fewer than these measures look at: recall_100\n"));
  EXPECT_THAT(EvalRun({"-m", "recall@20", "-m", "map"}).err, Not(HasSubstr("-k 20")));
  WriteFile(dir_.file("file"), "x");
  const ProgramOutput on_file = EvalRun({"-m", "map", "--out", dir_.file("file")});
  EXPECT_NE(on_file.exit_code, 0);
  EXPECT_EQ(on_file.err.find(".tmp"), std::string::npos) << on_file.err;
}

TEST_F(EvalOnVectors, RunHashIsTheSameOnAnyNumberOfThreads) {
  const Json one = EvalRun({"--threads", "1"}).OneJson();
  EXPECT_EQ(one["hash"].get<std::string>().size(), 16U);
  EXPECT_EQ(EvalRun({"--threads", "2"}).OneJson()["hash"], one["hash"]);
  EXPECT_EQ(EvalRun({"--threads", "7"}).OneJson()["hash"], one["hash"]);
  EXPECT_NE(EvalRun({"--seed", "1"}).OneJson()["hash"], one["hash"]);
  EXPECT_NE(EvalRun({"--ef-search", "99"}).OneJson()["hash"], one["hash"]);
  EXPECT_EQ(one["counts"]["queries_missing"], 1);
  EXPECT_EQ(one["counts"]["queries_not_judged"], 1);
  EXPECT_NEAR(one["measures"]["recip_rank"]["value"].get<double>(), 40.0 / 41, 1e-9);
  EXPECT_LE(one["measures"]["recip_rank"]["lower"].get<double>(), 40.0 / 41);
  EXPECT_GE(one["measures"]["recip_rank"]["upper"].get<double>(), 40.0 / 41);
}

TEST_F(EvalOnVectors, BatchesWriteTheSameRun) {
  const std::string one = dir_.file("one");
  const std::string many = dir_.file("many");
  const Json single = EvalRun({"--out", one}).OneJson();
  const Json batched = EvalRun({"--out", many, "--batch", "16"}).OneJson();
  EXPECT_EQ(ReadFile(many + "/run.trec"), ReadFile(one + "/run.trec"));
  EXPECT_EQ(batched["hash"], single["hash"]);
  EXPECT_EQ(batched["measures"], single["measures"]);
  EXPECT_EQ(batched["batch"], 16);
  EXPECT_TRUE(single.contains("latency_us"));
  EXPECT_FALSE(batched.contains("latency_us"));
  EXPECT_GT(batched["ann"]["points"][0]["latency_us"]["n"], 0) << "recall is measured one by one";
  EXPECT_EQ(ReadFile(many + "/per_query.jsonl").find("took_us"), std::string::npos);
  EXPECT_THAT(ReadFile(many + "/report.html"), Not(HasSubstr("p50 latency")));
  EXPECT_EQ(EvalRun({"--batch", "5000"}).exit_code, 2);
}

TEST_F(EvalOnVectors, AQueryThatCannotRunIsNamedOnce) {
  WriteFile(dir_.file("queries.jsonl"), "{\"id\":\"q0\",\"vector\":[0,0,0,0,0,0,0,0]}\n");
  const ProgramOutput zero = EvalRun({});
  EXPECT_EQ(zero.exit_code, 2);
  EXPECT_THAT(zero.err, HasSubstr("query q0 (row 1): a zero vector has no cosine"));
}

TEST_F(EvalOnVectors, RunHashChangesWhenTheIndexIsBuiltAgain) {
  const Json before = EvalRun({}).OneJson();
  EXPECT_EQ(before["pins"]["index_build"].get<std::string>().size(), 16U);
  // The same records in another segment: one comes and goes, and the segment is built again.
  ASSERT_EQ(Leadline({"ingest", db_, "c", dir_.file("base.fvecs")}).exit_code, 0);
  ASSERT_EQ(Leadline({"optimize", db_}).exit_code, 0);
  const Json after = EvalRun({}).OneJson();
  EXPECT_NE(after["pins"]["index_build"], before["pins"]["index_build"]);
  EXPECT_NE(after["hash"], before["hash"]);
}

TEST_F(EvalOnVectors, JudgmentsArePinnedBesideTheMeasures) {
  const Json before = EvalRun({}).OneJson();
  EXPECT_EQ(before["judgments"]["queries"], 41);
  EXPECT_EQ(before["judgments"]["judgments"], 41);
  std::string qrels = ReadFile(dir_.file("qrels"));
  WriteFile(dir_.file("qrels"), "missing 0 3 1\n" + qrels.substr(0, qrels.find("missing")));
  EXPECT_EQ(EvalRun({}).OneJson()["judgments"], before["judgments"]) << "order says nothing";
  WriteFile(dir_.file("qrels"), "missing 0 3 2\n" + qrels.substr(0, qrels.find("missing")));
  const Json other = EvalRun({}).OneJson();
  EXPECT_NE(other["judgments"]["hash"], before["judgments"]["hash"]);
  EXPECT_EQ(other["hash"], before["hash"]) << "the results are the same";
}

TEST_F(EvalOnVectors, OnlyMeansOverQueriesHaveIntervals) {
  const Json run =
      EvalRun({"-m", "num_rel_ret", "-m", "gm_map", "-m", "map", "--out", dir_.file("out")})
          .OneJson();
  EXPECT_TRUE(run["measures"]["map"].contains("lower"));
  EXPECT_TRUE(run["measures"]["map"].contains("upper"));
  for (const char* name : {"num_rel_ret", "gm_map"}) {
    EXPECT_GT(run["measures"][name]["value"].get<double>(), 0) << name;
    EXPECT_FALSE(run["measures"][name].contains("lower")) << name;
    EXPECT_FALSE(run["measures"][name].contains("upper")) << name;
  }
  EXPECT_THAT(ReadFile(dir_.file("out") + "/report.html"),
              HasSubstr("gm_map is no mean over queries"));
}

TEST_F(EvalOnVectors, FilesOfARunListJudgedQueriesThatWereNotRun) {
  ASSERT_EQ(EvalRun({"--out", dir_.file("out")}).exit_code, 0);
  std::istringstream lines(ReadFile(dir_.file("out") + "/per_query.jsonl"));
  double sum = 0;
  size_t count = 0;
  Json last;
  for (std::string line; std::getline(lines, line); ++count) {
    last = Json::parse(line);
    sum += last["values"]["recip_rank"].get<double>();
    EXPECT_EQ(last.contains("missing"), last["query"] == "missing");
  }
  EXPECT_EQ(last["query"], "missing");
  EXPECT_EQ(last["missing"], true);
  const Json run = Json::parse(ReadFile(dir_.file("out") + "/run.json"));
  EXPECT_NEAR(sum / static_cast<double>(count),
              run["measures"]["recip_rank"]["value"].get<double>(), 1e-12);
  EXPECT_THAT(ReadFile(dir_.file("out") + "/report.html"),
              HasSubstr("judged, but not in the query file"));
}

TEST_F(EvalOnVectors, IdsWithBlanksPercentAndHashComeBackFromASavedRun) {
  const std::vector<std::string> ids = {"a b", "a%20b", "#c"};
  std::string records;
  std::string queries;
  std::string qrels = "query-id\tcorpus-id\tscore\n";
  for (size_t i = 0; i < ids.size(); ++i) {
    std::vector<float> vector(8, 0.0F);
    vector[i] = 1;
    records += Json({{"id", ids[i]}, {"vector", vector}}).dump() + "\n";
    queries += Json({{"id", ids[i]}, {"vector", vector}}).dump() + "\n";
    qrels += ids[i] + "\t" + ids[i] + "\t1\n";
  }
  ASSERT_EQ(Leadline({"create", db_, "odd", "--dim", "8", "--metric", "cosine"}).exit_code, 0);
  WriteFile(dir_.file("records.jsonl"), records);
  WriteFile(dir_.file("odd.jsonl"), queries);
  WriteFile(dir_.file("odd.tsv"), qrels);
  ASSERT_EQ(Leadline({"ingest", db_, "odd", dir_.file("records.jsonl")}).exit_code, 0);
  const ProgramOutput run =
      Leadline({"eval", "run", db_, "odd", "--queries", dir_.file("odd.jsonl"), "--qrels",
                dir_.file("odd.tsv"), "-k", "1", "-m", "map", "--out", dir_.file("out"), "--save",
                "odd", "--sweep", "none", "--all-queries"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  for (const std::string& source : {dir_.file("out"), db_ + "#odd"}) {
    for (const char* rules : {"trec9", "trec10"}) {
      EXPECT_EQ(
          Leadline({"eval", "score", source, dir_.file("odd.tsv"), "-m", "map", "--rules", rules})
              .out,
          "map\tall\t1.0000\n")
          << source;
    }
  }
}

TEST_F(EvalOnVectors, OutWritesFourFilesThatScoreTheSame) {
  const std::string out = dir_.file("out");
  const Json run = EvalRun({"--out", out, "--save", "first"}).OneJson();
  for (const char* name : {"run.json", "run.trec", "per_query.jsonl", "report.html"}) {
    EXPECT_FALSE(ReadFile(out + "/" + name).empty()) << name;
  }
  const Json stored = Json::parse(ReadFile(out + "/run.json"));
  EXPECT_EQ(stored["hash"], run["hash"]);
  EXPECT_TRUE(stored["ann"]["points"][0]["recall"].contains("id"));
  for (const std::string& source : {out, out + "/run.trec", db_ + "#first"}) {
    const ProgramOutput score = Leadline({"eval", "score", source, dir_.file("qrels"), "-m",
                                          "ndcg@10", "-m", "recall@10", "--json"});
    ASSERT_EQ(score.exit_code, 0) << score.err;
    std::map<std::string, double> values = Values(score.JsonLines());
    EXPECT_EQ(values["ndcg_cut_10 all"], run["measures"]["ndcg_cut_10"]["value"].get<double>());
    EXPECT_EQ(values["recall_10 all"], run["measures"]["recall_10"]["value"].get<double>());
  }
  EXPECT_EQ(EvalRun({"--save", "first"}).exit_code, 2) << "a saved run is not overwritten silently";
  EXPECT_EQ(EvalRun({"--save", "first", "--replace"}).exit_code, 0);
  EXPECT_EQ(EvalRun({"--save", "../x"}).exit_code, 2);
  EXPECT_EQ(Leadline({"check", db_}).exit_code, 0) << "saved runs do not disturb the database";
  EXPECT_THAT(ReadFile(out + "/report.html"), Not(HasSubstr("http://")));
}

TEST_F(EvalOnVectors, ReportEscapesHostileQueries) {
  WriteFile(dir_.file("queries.jsonl"), Json({{"id", "q0"},
                                              {"text", "</script><script>alert(1)</script>"},
                                              {"vector", {1, 0, 0, 0, 0, 0, 0, 1}}})
                                                .dump() +
                                            "\n");
  ASSERT_EQ(EvalRun({"--out", dir_.file("out")}).exit_code, 0);
  EXPECT_THAT(ReadFile(dir_.file("out") + "/report.html"), Not(HasSubstr("<script>alert")));
}

TEST_F(EvalOnVectors, AnnMeasuresRecallAgainstExactSearch) {
  const Json exact = Leadline({"eval", "ann", db_, "c", "--queries", dir_.file("queries.jsonl"),
                               "-k", "5", "--sweep", "ef_search=5,200", "--json"})
                         .OneJson();
  ASSERT_EQ(exact["points"].size(), 2U);
  EXPECT_EQ(exact["points"][0]["ef_search"], 5);
  EXPECT_GT(exact["points"][1]["recall"]["id"].get<double>(), 0.99);
  for (const char* name : {"id", "tie", "epsilon", "inverse_ratio", "id_p5", "id_min"}) {
    EXPECT_TRUE(exact["points"][0]["recall"].contains(name)) << name;
  }
  for (const char* name : {"p50", "p95", "p99"}) {
    EXPECT_GT(exact["points"][0]["latency_us"][name].get<double>(), 0) << name;
  }
  EXPECT_GT(exact["points"][0]["qps"].get<double>(), 0);
  const ProgramOutput table =
      Leadline({"eval", "ann", db_, "c", "--queries", dir_.file("queries.jsonl"), "-k", "5",
                "--sweep", "ef_search=5"});
  EXPECT_THAT(table.out, HasSubstr("  ~")) << "41 queries say little about p99";
  EXPECT_THAT(table.out, HasSubstr("(n<1000)"));
  EXPECT_EQ(Leadline({"eval", "ann", db_, "c", "--queries", dir_.file("queries.jsonl"), "--sweep",
                      "ef_search=0"})
                .exit_code,
            2);
}

TEST_F(EvalOnVectors, ARecallThatIsNullComesWithItsReason) {
  const Json recall = Leadline({"eval", "ann", db_, "c", "--queries", dir_.file("queries.jsonl"),
                                "--filter", "nobody = 1", "--json"})
                          .OneJson()["points"][0]["recall"];
  for (const char* name : {"id", "id_min", "tie", "epsilon", "inverse_ratio"}) {
    EXPECT_TRUE(recall[name].is_null()) << name;
    EXPECT_EQ(recall["undefined"][name], "no_queries") << name;
  }
}

TEST_F(EvalOnVectors, BenchBuildsMeasuresAndCleansUp) {
  std::filesystem::create_directory(dir_.file("scratch"));
  std::vector<std::vector<float>> queries = RandomVectors(20, 8, 9);
  WriteFile(dir_.file("queries.fvecs"), FvecsBytes(queries));
  const ProgramOutput bench = Leadline({"bench",
                                        "ann",
                                        "--base",
                                        dir_.file("base.fvecs"),
                                        "--queries",
                                        dir_.file("queries.fvecs"),
                                        "--truth",
                                        "exact",
                                        "--metric",
                                        "l2",
                                        "--index",
                                        "hnsw",
                                        "--sweep",
                                        "ef_search=10,100",
                                        "--filter-selectivity",
                                        "0.5,0.05",
                                        "--batch",
                                        "7",
                                        "--scaling",
                                        "3",
                                        "--dir",
                                        dir_.file("scratch"),
                                        "--json"});
  ASSERT_EQ(bench.exit_code, 0) << bench.err;
  const Json result = bench.OneJson();
  EXPECT_EQ(result["rows"], 400);
  EXPECT_GT(result["points"][1]["recall"]["id"].get<double>(), 0.99);
  EXPECT_EQ(result["batch"]["queries"], 7);
  ASSERT_EQ(result["batch"]["points"].size(), 2U);
  EXPECT_EQ(result["batch"]["points"][1]["ef_search"], 100);
  EXPECT_GT(result["batch"]["points"][1]["qps"].get<double>(), 0);
  EXPECT_EQ(result["scaling"]["ef_search"], 10);
  ASSERT_EQ(result["scaling"]["points"].size(), 3U);
  for (const size_t i : {size_t{0}, size_t{1}, size_t{2}}) {
    EXPECT_EQ(result["scaling"]["points"][i]["threads"], i + 1);
    EXPECT_GT(result["scaling"]["points"][i]["qps"].get<double>(), 0);
  }
  EXPECT_EQ(result["scaling"]["points"][0]["speedup"], 1.0);
  ASSERT_EQ(result["filtered"].size(), 2U);
  EXPECT_GT(result["filtered"][1]["points"][1]["recall"]["id"].get<double>(), 0.99);
  for (const char* name : {"build_s", "resident_bytes", "disk_bytes", "open_ms", "simd"}) {
    EXPECT_TRUE(result.contains(name)) << name;
  }
  EXPECT_GT(result["disk_bytes"].get<uint64_t>(), 400U * 8 * 4);
  EXPECT_GT(result["resident_bytes"].get<uint64_t>(), 400U * 8 * 4);
  EXPECT_LE(result["resident_bytes"].get<uint64_t>(), result["disk_bytes"].get<uint64_t>());
  EXPECT_EQ(std::system(("test -z \"$(ls -A " + dir_.file("scratch") + ")\"").c_str()), 0);
}

TEST_F(EvalOnVectors, SweepsRefuseWhatNoIndexReads) {
  const auto ann = [this](const std::string& collection, const std::string& sweep) {
    return Leadline({"eval", "ann", db_, collection, "--queries", dir_.file("queries.jsonl"),
                     "--sweep", sweep, "--json"});
  };
  const ProgramOutput hnsw = ann("c", "nprobe=1,4");
  EXPECT_EQ(hnsw.exit_code, 2);
  EXPECT_THAT(hnsw.err, HasSubstr("field=--sweep value=nprobe=1 limit=ef_search, index hnsw"));
  for (const char* index : {"flat", "auto", "ivf"}) {
    ASSERT_EQ(Leadline({"create", db_, index, "--dim", "8", "--metric", "l2", "--index", index})
                  .exit_code,
              0);
    ASSERT_EQ(Leadline({"ingest", db_, index, dir_.file("base.fvecs")}).exit_code, 0);
  }
  ASSERT_EQ(Leadline({"optimize", db_}).exit_code, 0);
  EXPECT_THAT(ann("ivf", "ef_search=16").err, HasSubstr("limit=nprobe, index ivf"));
  EXPECT_EQ(ann("ivf", "nprobe=2").exit_code, 0);
  for (const char* scanned : {"flat", "auto"}) {
    for (const char* sweep : {"ef_search=16,32", "nprobe=1"}) {
      SCOPED_TRACE(std::string(scanned) + " " + sweep);
      const ProgramOutput exact = ann(scanned, sweep);
      ASSERT_EQ(exact.exit_code, 0) << exact.err;
      EXPECT_THAT(exact.err, HasSubstr("every row is compared exactly"));
      EXPECT_EQ(exact.OneJson()["points"][0]["recall"]["id"], 1.0);
    }
    EXPECT_THAT(ann(scanned, "nprobe=1").err,
                HasSubstr(scanned == std::string("flat") ? "the index is flat" : "too few"));
    const ProgramOutput plain =
        Leadline({"eval", "ann", db_, scanned, "--queries", dir_.file("queries.jsonl"), "--json"});
    EXPECT_EQ(plain.OneJson()["points"].size(), 1U);
    EXPECT_THAT(plain.err, HasSubstr("every row is compared exactly"));
  }
  WriteFile(dir_.file("none.jsonl"), "");
  EXPECT_EQ(Leadline({"eval", "ann", db_, "c", "--queries", dir_.file("none.jsonl")}).err,
            "leadline: the file has no queries: field=--queries value=" + dir_.file("none.jsonl") +
                " limit=at least 1\n");
  EXPECT_EQ(EvalRun({"--out", dir_.file("out"), "--sweep", "nprobe=4"}).exit_code, 2);
  EXPECT_FALSE(std::filesystem::exists(dir_.file("out")));
}

TEST_F(EvalOnVectors, AnnAndRunSayThatADamagedIndexWasNotUsed) {
  size_t damaged = 0;
  for (const auto& file : std::filesystem::directory_iterator(db_ + "/segments")) {
    std::filesystem::resize_file(file, file.file_size() / 2);
    ++damaged;
  }
  ASSERT_GE(damaged, 1U);
  const ProgramOutput ann =
      Leadline({"eval", "ann", db_, "c", "--queries", dir_.file("queries.jsonl"), "--sweep",
                "ef_search=10", "--json"});
  ASSERT_EQ(ann.exit_code, 0) << ann.err;
  EXPECT_THAT(ann.err, HasSubstr("the collection is degraded"));
  EXPECT_THAT(ann.err, HasSubstr("a segment cannot be read"));
  EXPECT_EQ(ann.OneJson()["degraded"], true);
  EXPECT_EQ(ann.OneJson()["points"][0]["recall"]["id"], 1.0) << "the store answers exactly";
  const ProgramOutput run = EvalRun({"--out", dir_.file("out"), "--json"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr("the database is degraded"));
  EXPECT_EQ(run.OneJson()["degraded"], true);
}

TEST_F(EvalOnVectors, BenchRefusesWhatDoesNotFitBeforeItBuilds) {
  const std::string longer = dir_.file("longer.fvecs");
  WriteFile(longer, FvecsBytes(RandomVectors(3, 9, 1)));
  const auto int_rows = [](size_t rows, int32_t k) {
    std::string bytes;
    for (size_t row = 0; row < rows; ++row) {
      bytes.append(reinterpret_cast<const char*>(&k), sizeof(k));
      for (int32_t i = 0; i < k; ++i) {
        bytes.append(reinterpret_cast<const char*>(&i), sizeof(i));
      }
    }
    return bytes;
  };
  const std::string none = dir_.file("none.jsonl");
  WriteFile(none, "");
  WriteFile(dir_.file("few.ivecs"), int_rows(399, 10));
  WriteFile(dir_.file("narrow.ivecs"), int_rows(400, 9));

  struct Case {
    std::vector<std::string> more;
    std::string expected;
  };

  const std::string base = dir_.file("base.fvecs");
  for (const Case& wrong : std::vector<Case>{
           {{"--queries", none, "--truth", "exact"}, "the file has no queries: field=--queries"},
           {{"--queries", longer, "--truth", "exact"}, "field=--queries value=9 numbers limit=8"},
           {{"--queries", base, "--truth", dir_.file("few.ivecs")},
            "field=--truth value=399 limit=400"},
           {{"--queries", base, "--truth", dir_.file("narrow.ivecs")}, "field=-k value=10 limit=9"},
           {{"--queries", base, "--truth", "exact", "--index", "hnsw", "--sweep", "nprobe=1"},
            "field=--sweep value=nprobe=1"}}) {
    // A scratch directory that is not there would be refused next: it was not reached.
    std::vector<std::string> words = {"bench",    "ann", "--base", base,
                                      "--metric", "l2",  "--dir",  dir_.file("absent")};
    words.insert(words.end(), wrong.more.begin(), wrong.more.end());
    const ProgramOutput bench = Leadline(words);
    EXPECT_EQ(bench.exit_code, 2);
    EXPECT_THAT(bench.err, HasSubstr(wrong.expected));
  }
}

TEST_F(EvalOnVectors, BenchRefusesADirectoryThatIsNotThere) {
  const ProgramOutput bench = Leadline({"bench", "ann", "--base", dir_.file("base.fvecs"),
                                        "--queries", dir_.file("base.fvecs"), "--truth", "exact",
                                        "--metric", "l2", "--dir", dir_.file("absent")});
  EXPECT_EQ(bench.exit_code, 2);
  EXPECT_THAT(bench.err, HasSubstr("field=--dir"));
  EXPECT_FALSE(std::filesystem::exists(dir_.file("absent")));
}

TEST_F(EvalOnVectors, BenchTakesATruthFile) {
  std::filesystem::create_directory(dir_.file("scratch"));
  // Brute force in the test: the independent oracle of ids.
  const auto base = RandomVectors(400, 8, 7);
  const auto queries = RandomVectors(20, 8, 9);
  WriteFile(dir_.file("queries.fvecs"), FvecsBytes(queries));
  std::string truth;
  for (const std::vector<float>& query : queries) {
    std::vector<std::pair<double, int32_t>> order;
    for (size_t row = 0; row < base.size(); ++row) {
      double distance = 0;
      for (size_t d = 0; d < query.size(); ++d) {
        distance += (query[d] - base[row][d]) * (query[d] - base[row][d]);
      }
      order.emplace_back(distance, static_cast<int32_t>(row));
    }
    std::sort(order.begin(), order.end());
    const int32_t k = 10;
    truth.append(reinterpret_cast<const char*>(&k), sizeof(k));
    for (size_t i = 0; i < 10; ++i) {
      truth.append(reinterpret_cast<const char*>(&order[i].second), sizeof(int32_t));
    }
  }
  WriteFile(dir_.file("truth.ivecs"), truth);
  const ProgramOutput bench =
      Leadline({"bench", "ann", "--base", dir_.file("base.fvecs"), "--queries",
                dir_.file("queries.fvecs"), "--truth", dir_.file("truth.ivecs"), "--metric", "l2",
                "--index", "flat", "--dir", dir_.file("scratch"), "--json"});
  ASSERT_EQ(bench.exit_code, 0) << bench.err;
  EXPECT_FALSE(bench.OneJson().contains("batch"));
  const Json recall = bench.OneJson()["points"][0]["recall"];
  for (const char* name : {"id", "tie", "epsilon", "inverse_ratio", "id_min"}) {
    EXPECT_EQ(recall[name].get<double>(), 1) << name;
  }
  const int32_t beyond = 400;
  truth.replace(truth.size() - sizeof(beyond), sizeof(beyond),
                reinterpret_cast<const char*>(&beyond), sizeof(beyond));
  WriteFile(dir_.file("truth.ivecs"), truth);
  const ProgramOutput wrong =
      Leadline({"bench", "ann", "--base", dir_.file("base.fvecs"), "--queries",
                dir_.file("queries.fvecs"), "--truth", dir_.file("truth.ivecs"), "--metric", "l2",
                "--index", "flat", "--dir", dir_.file("scratch")});
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("field=--truth value=400"));

  // The last row names its first neighbour twice.
  truth.replace(truth.size() - sizeof(int32_t), sizeof(int32_t), truth,
                truth.size() - 10 * sizeof(int32_t), sizeof(int32_t));
  WriteFile(dir_.file("truth.ivecs"), truth);
  const ProgramOutput twice =
      Leadline({"bench", "ann", "--base", dir_.file("base.fvecs"), "--queries",
                dir_.file("queries.fvecs"), "--truth", dir_.file("truth.ivecs"), "--metric", "l2",
                "--index", "flat", "--dir", dir_.file("scratch")});
  EXPECT_EQ(twice.exit_code, 2);
  EXPECT_THAT(twice.err, HasSubstr("query 19, row 20 of the truth: exact neighbour given twice"));
}

TEST(EvalRun, ScoresTextQueriesAndFoldsChunks) {
  const TempDir dir;
  const std::string db = dir.file("db");
  ASSERT_EQ(Leadline({"create", db, "docs", "--embedder", "static"}).exit_code, 0);
  WriteFile(dir.file("corpus.jsonl"),
            "{\"_id\":\"cats\",\"title\":\"Cats\",\"text\":\"Cats sleep. They purr.\"}\n"
            "{\"_id\":\"law\",\"title\":\"Law\",\"text\":\"Courts rule. Lawyers argue.\"}\n");
  ASSERT_EQ(Leadline({"ingest", db, "docs", dir.file("corpus.jsonl"), "--chunk", "sentences:1"})
                .exit_code,
            0);
  WriteFile(dir.file("queries.jsonl"),
            "{\"_id\":\"1\",\"text\":\"purring cat\"}\n{\"_id\":\"2\",\"text\":\"judges\"}\n"
            "{\"_id\":\"3\",\"text\":\"\\u0001\\u0002\"}\n");
  WriteFile(dir.file("qrels.tsv"),
            "query-id\tcorpus-id\tscore\n1\tcats\t1\n2\tlaw\t1\n3\tlaw\t1\n");
  const ProgramOutput result =
      Leadline({"eval", "run", db, "docs", "--queries", dir.file("queries.jsonl"), "--qrels",
                dir.file("qrels.tsv"), "--doc-key", "doc_id", "-m", "rr", "--out", dir.file("out"),
                "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json run = result.OneJson();
  EXPECT_EQ(run["counts"]["queries_failed"], 1);
  EXPECT_NEAR(run["measures"]["recip_rank"]["value"].get<double>(), 2.0 / 3, 1e-9);
  EXPECT_THAT(result.err, HasSubstr("could not be searched"));
  const std::string trec = ReadFile(dir.file("out") + "/run.trec");
  EXPECT_THAT(trec, HasSubstr("1 Q0 cats 1 "));
  EXPECT_THAT(trec, Not(HasSubstr("cats#")));
  const std::string report = ReadFile(dir.file("out") + "/report.html");
  EXPECT_THAT(report, HasSubstr("They purr.")) << "no snippet of the chunk that was found";
  EXPECT_THAT(report, HasSubstr("2 queries, 1 at a time")) << "the failed query has no latency";

  const ProgramOutput unfolded =
      Leadline({"eval", "run", db, "docs", "--queries", dir.file("queries.jsonl"), "--qrels",
                dir.file("qrels.tsv")});
  EXPECT_EQ(unfolded.exit_code, 0);
  EXPECT_THAT(unfolded.err, HasSubstr("no document that was found is judged"));
  EXPECT_THAT(result.err, Not(HasSubstr("no document that was found is judged")));

  const ProgramOutput wrong =
      Leadline({"eval", "run", db, "docs", "--queries", dir.file("queries.jsonl"), "--qrels",
                dir.file("qrels.tsv"), "--doc-key", "document"});
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("--doc-key"));
  EXPECT_THAT(wrong.err, HasSubstr("document"));
  const ProgramOutput number =
      Leadline({"eval", "run", db, "docs", "--queries", dir.file("queries.jsonl"), "--qrels",
                dir.file("qrels.tsv"), "--doc-key", "chunk"});
  EXPECT_EQ(number.exit_code, 2);
  EXPECT_THAT(number.err, HasSubstr("--doc-key"));
}

/// A BEIR folder with four queries, the second empty and the fourth without a known word, over a
/// collection "docs" of two texts.
class QueriesWithoutWords : public ::testing::Test {
 protected:
  void SetUp() override {
    db_ = dir_.file("db");
    ASSERT_EQ(Leadline({"create", db_, "docs", "--embedder", "static"}).exit_code, 0);
    WriteFile(dir_.file("corpus.jsonl"),
              "{\"_id\":\"0\",\"title\":\"Cats\",\"text\":\"Cats sleep and purr.\"}\n"
              "{\"_id\":\"1\",\"title\":\"Law\",\"text\":\"Courts rule, lawyers argue.\"}\n");
    ASSERT_EQ(Leadline({"ingest", db_, "docs", dir_.file("corpus.jsonl")}).exit_code, 0);
    WriteFile(dir_.file("queries.jsonl"),
              "{\"_id\":\"cat\",\"text\":\"purring cat\"}\n{\"_id\":\"empty\",\"text\":\"\"}\n"
              "{\"_id\":\"judge\",\"text\":\"judges\"}\n"
              "{\"_id\":\"control\",\"text\":\"\\u0001\\u0002\"}\n");
    std::filesystem::create_directory(dir_.file("qrels"));
    WriteFile(dir_.file("qrels") + "/test.tsv",
              "query-id\tcorpus-id\tscore\ncat\t0\t1\nempty\t0\t1\njudge\t1\t1\n"
              "control\t1\t1\n");
  }

  TempDir dir_;
  std::string db_;
};

TEST_F(QueriesWithoutWords, CountAsZeroInARunAndAreNamed) {
  const ProgramOutput result = Leadline({"eval", "run", db_, "docs", "--queries", dir_.path(),
                                         "--qrels", dir_.path(), "-m", "rr", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json run = result.OneJson();
  EXPECT_EQ(run["counts"]["queries_failed"], 2);
  EXPECT_EQ(run["counts"]["queries_missing"], 2);
  EXPECT_EQ(run["failed_queries"][0]["query"], "empty");
  EXPECT_NEAR(run["measures"]["recip_rank"]["value"].get<double>(), 2.0 / 4, 1e-9);
  EXPECT_THAT(result.err, HasSubstr("2 queries could not be searched: empty, control"));
  const Json batched = Leadline({"eval", "run", db_, "docs", "--queries", dir_.path(), "--qrels",
                                 dir_.path(), "-m", "rr", "--json", "--batch", "3"})
                           .OneJson();
  EXPECT_EQ(batched["hash"], run["hash"]);
  EXPECT_EQ(batched["failed_queries"], run["failed_queries"]);
}

TEST_F(QueriesWithoutWords, AreLeftOutOfRecallAndNamed) {
  // Row numbers of the exact neighbours: four queries of one neighbour each.
  std::string truth;
  for (const int32_t row : {0, 0, 1, 1}) {
    const int32_t k = 1;
    truth.append(reinterpret_cast<const char*>(&k), sizeof(k));
    truth.append(reinterpret_cast<const char*>(&row), sizeof(row));
  }
  WriteFile(dir_.file("truth.ivecs"), truth);
  for (const std::string& given : {std::string("exact"), dir_.file("truth.ivecs")}) {
    const std::vector<std::string> words = {"eval",      "ann",     db_,   "docs", "--queries",
                                            dir_.path(), "--truth", given, "-k",   "1"};
    std::vector<std::string> as_json = words;
    as_json.emplace_back("--json");
    const ProgramOutput json = Leadline(as_json);
    ASSERT_EQ(json.exit_code, 0) << json.err;
    const Json ann = json.OneJson();
    EXPECT_EQ(ann["points"][0]["recall"]["id"], 1);
    EXPECT_EQ(ann["points"][0]["recall"]["n_used"], 2);
    EXPECT_EQ(ann["points"][0]["recall"]["n_total"], 4);
    EXPECT_EQ(ann["points"][0]["latency_us"]["n"], 2);
    ASSERT_EQ(ann["failed_queries"].size(), 2U);
    EXPECT_EQ(ann["failed_queries"][1]["query"], "control");
    const ProgramOutput table = Leadline(words);
    EXPECT_THAT(table.out, HasSubstr("2/4"));
    EXPECT_THAT(table.err,
                HasSubstr("2 queries could not be searched and are left out: empty, control"));
  }
}

TEST_F(QueriesWithoutWords, StopASearchOfTheFileUnlessTheyAreSkipped) {
  const std::vector<std::string> words = {"search",    db_,  "docs", "--queries",
                                          dir_.path(), "-k", "1",    "--json"};
  const ProgramOutput stop = Leadline(words);
  EXPECT_EQ(stop.exit_code, 2);
  EXPECT_EQ(stop.out, "");
  EXPECT_THAT(stop.err, HasSubstr("query empty: "));
  std::vector<std::string> skipping = words;
  skipping.insert(skipping.end(), {"--on-error", "skip"});
  const ProgramOutput skip = Leadline(skipping);
  EXPECT_EQ(skip.exit_code, 0) << skip.err;
  const std::vector<Json> lines = skip.JsonLines();
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines[0]["hits"][0]["id"], "0");
  EXPECT_TRUE(lines[1].contains("error"));
  EXPECT_EQ(lines[2]["hits"][0]["id"], "1");
  EXPECT_THAT(skip.err, HasSubstr("skipped 2 of 4 queries: empty, control"));
}

TEST(EvalGround, ANullInTheSummaryComesWithItsReason) {
  const TempDir dir;
  WriteFile(dir.file("g.jsonl"),
            "{\"id\":\"a\",\"response\":\"Aspirin relieves pain.\",\"contexts\":"
            "[\"Sydney harbour.\"],\"label\":0}\n");
  const std::vector<Json> lines =
      Leadline({"eval", "ground", dir.file("g.jsonl"), "--json"}).JsonLines();
  ASSERT_EQ(lines.size(), 2U);
  const Json evidence = lines[0]["sentences"][0]["evidence"];
  EXPECT_TRUE(evidence["context"].is_null());
  EXPECT_FALSE(evidence["undefined"]["context"].get<std::string>().empty());
  const Json summary = lines[1]["summary"];
  EXPECT_TRUE(summary["auroc"].is_null());
  EXPECT_FALSE(summary["undefined"]["auroc"].get<std::string>().empty());
  for (const auto& [name, value] : summary["baselines"].items()) {
    EXPECT_EQ(summary["undefined"].contains("baselines." + name), value.is_null()) << name;
  }
}

TEST(EvalGround, JudgesSentencesAndSummarisesLabels) {
  const TempDir dir;
  WriteFile(dir.file("g.jsonl"),
            "{\"id\":\"a\",\"response\":\"The bridge opened in 1932 in Sydney.\",\"contexts\":"
            "[\"The Sydney harbour bridge opened in 1932.\"],\"label\":1}\n"
            "{\"id\":\"b\",\"response\":\"Aspirin was discovered on Mars by robots.\",\"contexts\":"
            "[\"The Sydney harbour bridge opened in 1932.\"],\"label\":0}\n");
  const ProgramOutput result = Leadline({"eval", "ground", dir.file("g.jsonl"), "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const std::vector<Json> lines = result.JsonLines();
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_GT(lines[0]["score"].get<double>(), lines[1]["score"].get<double>());
  EXPECT_EQ(lines[0]["sentences"][0]["evidence"]["context"], 0);
  EXPECT_TRUE(lines[0]["sentences"][0]["evidence"]["missing"].is_array());
  EXPECT_EQ(lines[2]["summary"]["auroc"], 1);
  EXPECT_EQ(lines[2]["summary"]["n"], 2);
  EXPECT_TRUE(lines[2]["summary"]["baselines"].is_object());
  EXPECT_EQ(lines[2]["summary"]["pr_auc_ungrounded"], 1);
  EXPECT_TRUE(lines[2]["summary"]["f1_ungrounded"].is_number());
  EXPECT_FALSE(lines[2]["summary"].contains("undefined"));
  WriteFile(
      dir.file("refusal.jsonl"),
      "{\"id\":\"a\",\"response\":\"I don't know.\",\"contexts\":[\"The bridge opened.\"]}\n");
  const Json refusal = Leadline({"eval", "ground", dir.file("refusal.jsonl"), "--json"}).OneJson();
  EXPECT_TRUE(refusal["sentences"][0]["score"].is_null());
  EXPECT_THAT(refusal["sentences"][0]["reason"].get<std::string>(), HasSubstr("declines"));
  WriteFile(dir.file("bad.jsonl"), "{\"id\":\"a\"}\n");
  const ProgramOutput bad = Leadline({"eval", "ground", dir.file("bad.jsonl")});
  EXPECT_EQ(bad.exit_code, 2);
  EXPECT_THAT(bad.err, HasSubstr(":1:"));
}

}  // namespace
}  // namespace leadline::testing
