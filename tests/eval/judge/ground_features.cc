// Prints what the judge measures in every sentence of the sets its constants are picked on, one JSON
// object a response, for pick_constants.py. With "held-out" it prints the other sets instead.

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "analysed_text.h"
#include "coverage.h"
#include "evidence_index.h"
#include "fact_check.h"
#include "labelled_sets.h"
#include "refusals.h"
#include "scoring.h"

namespace leadline {
namespace {

using testing::Json;
using testing::LabelledInput;
using testing::LabelledSet;

Json SentenceFeatures(const judge::AnalysedText& response, const judge::Sentence& sentence,
                      const judge::EvidenceIndex& index, judge::CoverageMeter* meter) {
  const judge::Coverage coverage = meter->Measure(response.Terms(sentence));
  const judge::FactCheck facts =
      judge::CheckFacts(response, sentence, index, coverage.evidence);
  return {{"document", coverage.document},
          {"window", coverage.window},
          {"pairs", coverage.pairs},
          {"order", coverage.order},
          {"weight", coverage.weight},
          {"rest", judge::CoverageOfTheRest(response, coverage, facts)},
          {"number_conflict", facts.number_conflict},
          {"absent_number", !facts.absent_numbers.empty()},
          {"opposition", facts.opposition.has_value()},
          {"negation", facts.opposition && facts.opposition->negation},
          {"name_conflict", facts.name_conflict}};
}

Json ResponseFeatures(const std::string& set, const LabelledInput& one) {
  const judge::AnalysedText response = judge::Analyse(one.input.response);
  const judge::EvidenceIndex index(one.input.contexts);
  judge::CoverageMeter meter(index);
  Json sentences = Json::array();
  for (const judge::Sentence& sentence : response.sentences) {
    if (index.size() > 0 && !judge::IsRefusal(response, sentence) &&
        !judge::IsEmptyTalk(response, sentence)) {
      sentences.push_back(SentenceFeatures(response, sentence, index, &meter));
    }
  }
  return {{"set", set}, {"grounded", one.grounded}, {"sentences", std::move(sentences)}};
}

std::vector<std::pair<std::string, LabelledSet>> Sets(bool held_out) {
  if (held_out) {
    return {{"scifact-test", testing::SciFact("test")}, {"faithbench", testing::FaithBench()},
            {"factscore", testing::FactScore()},        {"frank-cnndm", testing::Frank("cnndm")},
            {"frank-bbc", testing::Frank("bbc")},       {"rgb-en", testing::Rgb("en")},
            {"rgb-zh", testing::Rgb("zh")}};
  }
  return {{"begin-wow", testing::Begin("wow")},
          {"begin-tc", testing::Begin("tc")},
          {"begin-cmu", testing::Begin("cmu")},
          {"scifact-train", testing::SciFact("train")},
          {"pubmedqa", testing::PubMedQa()}};
}

}  // namespace
}  // namespace leadline

int main(int argc, char** argv) {
  const bool held_out = argc > 1 && std::string(argv[1]) == "held-out";
  for (const auto& [name, set] : leadline::Sets(held_out)) {
    for (const leadline::testing::LabelledInput& one : set) {
      std::printf("%s\n", leadline::ResponseFeatures(name, one).dump().c_str());
    }
  }
  return 0;
}
