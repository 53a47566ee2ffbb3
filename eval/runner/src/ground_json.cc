#include "leadline/eval/ground_json.h"

#include <utility>

#include "json_text.h"
#include "undefined_values.h"

namespace leadline::eval {
namespace {

/// A value, or null.
Json ValueJson(const GroundValue& value) {
  return value.defined() ? Json(*value.value) : Json(nullptr);
}

Json EvidenceJson(const GroundSentence& sentence) {
  const GroundEvidence& evidence = sentence.evidence;
  Json object;
  object["context"] = evidence.context ? Json(*evidence.context) : Json(nullptr);
  object["begin"] = evidence.begin;
  object["end"] = evidence.end;
  object["sentence"] = evidence.sentence;
  object["missing"] = evidence.missing;
  object["missing_numbers"] = evidence.missing_numbers;
  object["missing_names"] = evidence.missing_names;
  if (!evidence.opposed.empty()) {
    object["opposed"] = evidence.opposed;
  }
  object["word_coverage"] = evidence.word_coverage;
  object["bigram_coverage"] = evidence.bigram_coverage;
  if (!evidence.context) {
    object["undefined"] = {{"context", sentence.score.defined()
                                           ? "no sentence of a context has a word in common"
                                           : sentence.score.reason}};
  }
  return object;
}

}  // namespace

std::string GroundReportJson(const GroundReport& report) {
  Json sentences = Json::array();
  for (const GroundSentence& sentence : report.sentences) {
    Json entry = {{"text", sentence.text},
                  {"verdict", GroundVerdictName(sentence.verdict)},
                  {"score", ValueJson(sentence.score)},
                  {"evidence", EvidenceJson(sentence)}};
    if (!sentence.score.defined()) {
      entry["reason"] = sentence.score.reason;
    }
    sentences.push_back(std::move(entry));
  }
  Json object = {{"id", report.id}, {"score", ValueJson(report.score)}};
  if (!report.score.defined()) {
    object["reason"] = report.score.reason;
  }
  object["sentences"] = std::move(sentences);
  return JsonText(object);
}

std::string GroundSummaryJson(const GroundSummary& summary) {
  Json object;
  UndefinedValues undefined;
  const auto value = [&undefined](const std::string& name, const GroundValue& given) {
    return undefined.Of(name, given.value, given.reason);
  };
  object["auroc"] = value("auroc", summary.auroc);
  object["pr_auc"] = value("pr_auc", summary.pr_auc);
  object["pr_auc_ungrounded"] = value("pr_auc_ungrounded", summary.pr_auc_ungrounded);
  object["balanced_accuracy"] = value("balanced_accuracy", summary.balanced_accuracy);
  object["f1"] = value("f1", summary.f1);
  object["f1_ungrounded"] = value("f1_ungrounded", summary.f1_ungrounded);
  object["n"] = summary.n;
  object["n_scored"] = summary.n_scored;
  object["n_grounded"] = summary.n_grounded;
  object["baselines"] = Json::object();
  for (const GroundSummary::Baseline& baseline : summary.baselines) {
    object["baselines"][baseline.name] = value("baselines." + baseline.name, baseline.auroc);
  }
  undefined.AddTo(&object);
  return JsonText(object);
}

}  // namespace leadline::eval
