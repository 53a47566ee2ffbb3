// Measures the judge on the labelled sets kept beside the repository. Prints the table of
// docs/groundedness.md. Skips, saying so, where the sets are absent.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "labelled_set.h"
#include "leadline/eval/ground.h"
#include "status_matchers.h"

namespace leadline {
namespace {

using Json = nlohmann::json;
using testing::LabelledInput;
using Set = std::vector<LabelledInput>;

const std::string kData = std::string(LEADLINE_SOURCE_DIR) + "/../shared/data/";

std::vector<Json> Lines(const std::string& file) {
  std::ifstream in(kData + file);
  std::vector<Json> out;
  for (std::string line; std::getline(in, line);) {
    out.push_back(Json::parse(line));
  }
  return out;
}

bool Present() {
  return std::ifstream(kData + "faithbench/faithbench_dev.jsonl").good();
}

std::string First(const Json& value) {
  return value.is_array() ? First(value.at(0)) : value.get<std::string>();
}

Set Begin(const std::string& part) {
  Set set;
  for (const Json& line : Lines("begin/begin_dev_" + part + ".jsonl")) {
    set.push_back({{"", line["response"], {line["knowledge"].get<std::string>()}, line["message"]},
                   line["begin_label"] == "Fully attributable"});
  }
  return set;
}

Set FaithBench() {
  Set set;
  for (const Json& line : Lines("faithbench/faithbench_dev.jsonl")) {
    const std::string worst = line["worst_label"];
    set.push_back({{"", line["summary"], {line["source"].get<std::string>()}, ""},
                   worst == "Benign" || worst == "Consistent"});
  }
  return set;
}

Set FactScore() {
  Set set;
  for (const Json& line : Lines("factscore/factscore_chatgpt.jsonl")) {
    for (const Json& fact : line["facts"]) {
      set.push_back({{"", fact["fact"], {line["knowledge"].get<std::string>()}, ""},
                     fact["label"] == "supported"});
    }
  }
  return set;
}

Set Frank(const std::string& dataset) {
  std::map<std::string, std::string> articles;
  for (const Json& line : Lines("frank/frank_validation_articles.jsonl")) {
    articles[line["hash"]] = line["article"];
  }
  Set set;
  for (const Json& line : Lines("frank/frank_validation.jsonl")) {
    if (line["dataset"] == dataset) {
      set.push_back({{"", line["summary"], {articles[line["hash"]]}, ""},
                     line["Factuality"].get<double>() > 0.999});
    }
  }
  return set;
}

Set SciFact(const std::string& split) {
  std::map<std::string, std::string> documents;
  for (const Json& line : Lines("scifact/corpus.jsonl")) {
    documents[line["_id"]] =
        line["title"].get<std::string>() + "\n" + line["text"].get<std::string>();
  }
  Set set;
  for (const Json& claim : Lines("scifact/claims_" + split + ".jsonl")) {
    for (const Json& document : claim["cited_doc_ids"]) {
      bool supported = false;
      bool contradicted = false;
      for (const Json& evidence : claim["evidence"]) {
        if (evidence["doc"] == document) {
          supported = supported || evidence["label"] == "SUPPORT";
          contradicted = contradicted || evidence["label"] == "CONTRADICT";
        }
      }
      set.push_back({{"", claim["claim"], {documents[document]}, ""}, supported, contradicted});
    }
  }
  return set;
}

// The right answer with its passages and the fake one with the edited passages are grounded.
Set Rgb(const std::string& language) {
  Set set;
  for (const Json& line : Lines("rgb/" + language + "_fact.jsonl")) {
    const std::string answers[2] = {First(line["answer"]), First(line["fakeanswer"])};
    const char* passages[2] = {"positive", "positive_wrong"};
    for (int answer = 0; answer < 2; ++answer) {
      for (int passage = 0; passage < 2; ++passage) {
        set.push_back(
            {{"", answers[answer], line[passages[passage]], line["query"]}, answer == passage});
      }
    }
  }
  return set;
}

Set HaluEval() {
  Set set;
  for (const Json& line : Lines("halueval/qa_dev.jsonl")) {
    const std::vector<std::string> contexts = {line["knowledge"]};
    set.push_back({{"", line["right_answer"], contexts, line["question"]}, true});
    set.push_back({{"", line["hallucinated_answer"], contexts, line["question"]}, false});
  }
  return set;
}

// Made here: conclusions against their own abstract and against the next one.
Set PubMedQa() {
  const std::vector<Json> lines = Lines("pubmedqa/pqal_dev.jsonl");
  Set set;
  for (size_t i = 0; i < lines.size(); ++i) {
    const Json& other = lines[(i + 1) % lines.size()];
    set.push_back({{"", lines[i]["long_answer"], lines[i]["contexts"], ""}, true});
    set.push_back({{"", other["long_answer"], lines[i]["contexts"], ""}, false});
  }
  return set;
}

enum class Use { kTuning, kHeldOut };

struct Row {
  std::string name;
  Set set;
  Use use;
  bool judged;  // counts in the mean: human labels and no trivial solution
};

std::vector<Row> AllSets() {
  std::vector<Row> rows;
  rows.push_back({"begin wow", Begin("wow"), Use::kTuning, true});
  rows.push_back({"begin tc", Begin("tc"), Use::kTuning, true});
  rows.push_back({"begin cmu", Begin("cmu"), Use::kTuning, true});
  rows.push_back({"scifact train", SciFact("train"), Use::kTuning, true});
  rows.push_back({"scifact test", SciFact("test"), Use::kHeldOut, true});
  rows.push_back({"faithbench", FaithBench(), Use::kHeldOut, true});
  rows.push_back({"factscore", FactScore(), Use::kHeldOut, true});
  rows.push_back({"frank cnndm", Frank("cnndm"), Use::kHeldOut, true});
  rows.push_back({"frank bbc", Frank("bbc"), Use::kHeldOut, true});
  rows.push_back({"rgb en", Rgb("en"), Use::kHeldOut, true});
  rows.push_back({"rgb zh", Rgb("zh"), Use::kHeldOut, true});
  rows.push_back({"pubmedqa", PubMedQa(), Use::kTuning, false});
  rows.push_back({"halueval qa", HaluEval(), Use::kHeldOut, false});
  return rows;
}

struct Mean {
  double ours = 0;
  double theirs = 0;
  double worst = 1;  // smallest difference
  double count = 0;

  void Add(double score, double sum) {
    ours += score;
    theirs += sum;
    worst = std::min(worst, score - sum);
    ++count;
  }

  void Print(const char* of) const {
    std::printf("mean of %.0f %s: score %.4f, sum of overlaps %.4f, worst difference %.3f\n", count,
                of, ours / count, theirs / count, worst);
  }
};

TEST(GroundSets, BeatsTheSumOfOverlapsOnAverage) {
  if (!Present()) {
    GTEST_SKIP() << "labelled sets not found in " << kData;
  }
  std::printf("%-14s %5s %5s %7s %7s %7s %7s %7s %7s %7s %7s\n", "set", "n", "judged", "score",
              "sum", "word", "bigram", "short", "bal.acc", "f1", "f1-ung");
  Mean all;
  Mean held_out;
  for (const Row& row : AllSets()) {
    ASSERT_OK_AND_ASSIGN(const GroundSummary s, testing::SummariseSet(row.set));
    ASSERT_TRUE(s.auroc.defined()) << row.name << ": " << s.auroc.reason;
    const double sum = testing::BaselineOf(s, "overlap_sum");
    std::printf("%-14s %5zu %5zu %7.3f %7.3f %7.3f %7.3f %7.3f %7.3f %7.3f %7.3f\n",
                row.name.c_str(), s.n, s.n_scored, *s.auroc.value, sum,
                testing::BaselineOf(s, "word_overlap"), testing::BaselineOf(s, "bigram_overlap"),
                testing::BaselineOf(s, "shortness"), *s.balanced_accuracy.value, *s.f1.value,
                *s.f1_ungrounded.value);
    std::fflush(stdout);
    EXPECT_GE(s.n_scored * 100, s.n * 90) << row.name << ": abstains too often";
    if (row.judged) {
      all.Add(*s.auroc.value, sum);
    }
    if (row.judged && row.use == Use::kHeldOut) {
      held_out.Add(*s.auroc.value, sum);
    }
  }
  all.Print("sets");
  held_out.Print("held-out sets");
  EXPECT_GE(all.ours, all.theirs + 0.02 * all.count);
  EXPECT_GE(held_out.ours, held_out.theirs);
  EXPECT_GE(all.worst, -0.01) << "some set is judged worse than by the sum of overlaps";
}

// Mean distance of score and share of grounded responses over ten bins.
double CalibrationError(const Set& set, const std::vector<GroundReport>& reports) {
  struct Bin {
    double n = 0;
    double score = 0;
    double grounded = 0;
  };

  std::array<Bin, 10> bins;
  double n = 0;
  for (size_t i = 0; i < set.size(); ++i) {
    if (reports[i].score.defined()) {
      Bin& bin = bins[std::min(bins.size() - 1, static_cast<size_t>(*reports[i].score.value * 10))];
      bin.n += 1;
      bin.score += *reports[i].score.value;
      bin.grounded += set[i].grounded ? 1 : 0;
      n += 1;
    }
  }
  double error = 0;
  for (const Bin& bin : bins) {
    error += std::abs(bin.score - bin.grounded) / n;
  }
  return error;
}

// Verdicts over responses of one sentence.
struct Contradictions {
  size_t given = 0;
  size_t on_grounded = 0;
  size_t right = 0;     // labelled contradicted
  size_t labelled = 0;  // of these
};

Contradictions CountContradictions(const Set& set, const std::vector<GroundReport>& reports) {
  Contradictions out;
  for (size_t i = 0; i < set.size(); ++i) {
    const auto& sentences = reports[i].sentences;
    const bool given =
        sentences.size() == 1 && sentences[0].verdict == GroundVerdict::kContradicted;
    out.given += given ? 1 : 0;
    out.on_grounded += given && set[i].grounded ? 1 : 0;
    out.right += given && set[i].contradicted ? 1 : 0;
    out.labelled += set[i].contradicted ? 1 : 0;
  }
  return out;
}

TEST(GroundSets, ContradictsMostlyUngroundedResponses) {
  if (!Present()) {
    GTEST_SKIP() << "labelled sets not found in " << kData;
  }
  size_t given = 0;
  size_t on_grounded = 0;
  for (const Row& row : AllSets()) {
    ASSERT_OK_AND_ASSIGN(const auto reports, testing::JudgeSet(row.set));
    const Contradictions c = CountContradictions(row.set, reports);
    std::printf(
        "%-14s calibration error %.3f, contradicted %4zu, of these grounded %3zu, labelled "
        "contradicted %3zu of %3zu\n",
        row.name.c_str(), CalibrationError(row.set, reports), c.given, c.on_grounded, c.right,
        c.labelled);
    if (row.judged) {
      given += c.given;
      on_grounded += c.on_grounded;
    }
  }
  std::printf("contradicted %zu, of these grounded %zu\n", given, on_grounded);
  EXPECT_GE(given, 150U);
  EXPECT_LE(on_grounded * 3, given) << "more than a third of the contradictions are wrong";
}

TEST(GroundSets, RulesAloneBeatChanceOnAverage) {
  if (!Present()) {
    GTEST_SKIP() << "labelled sets not found in " << kData;
  }
  double sum = 0;
  size_t count = 0;
  for (const Row& row : AllSets()) {
    ASSERT_OK_AND_ASSIGN(const GroundSummary s, testing::SummariseSet(row.set, 0));
    std::printf("tier 0 %-14s n %5zu judged %5zu auroc %.3f\n", row.name.c_str(), s.n, s.n_scored,
                s.auroc.value.value_or(-1));
    if (row.judged && s.auroc.defined()) {
      sum += *s.auroc.value;
      ++count;
    }
  }
  EXPECT_GT(sum / static_cast<double>(count), 0.65);
}

}  // namespace
}  // namespace leadline
