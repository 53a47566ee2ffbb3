#include "leadline/eval/ground.h"

#include <algorithm>
#include <string>
#include <utility>

#include "analysed_text.h"
#include "baselines.h"
#include "coverage.h"
#include "evidence_index.h"
#include "fact_check.h"
#include "refusals.h"
#include "scoring.h"

namespace leadline {
namespace {

using judge::AnalysedText;
using judge::Coverage;
using judge::FactCheck;
using judge::Sentence;

constexpr int kMaxTier = 3;
constexpr std::string_view kEmptyResponse = "the response is empty";
constexpr std::string_view kNoContexts = "there are no contexts with words";
constexpr std::string_view kRefusal = "the sentence declines to answer";
constexpr std::string_view kEmptyTalk = "the sentence has no word to check";
constexpr std::string_view kNothingToCheck =
    "the sentence has no number, date, name or negation to check";

Status CheckSize(std::string_view field, size_t size, size_t limit) {
  if (size <= limit) {
    return OkStatus();
  }
  return InvalidFieldError("groundedness input is too large", field, std::to_string(size),
                           std::to_string(limit));
}

Status CheckInput(const GroundInput& input) {
  LEADLINE_RETURN_IF_ERROR(CheckSize("id", input.id.size(), kMaxGroundIdBytes));
  LEADLINE_RETURN_IF_ERROR(CheckSize("response", input.response.size(), kMaxGroundResponseBytes));
  LEADLINE_RETURN_IF_ERROR(CheckSize("question", input.question.size(), kMaxGroundQuestionBytes));
  LEADLINE_RETURN_IF_ERROR(CheckSize("contexts", input.contexts.size(), kMaxGroundContexts));
  size_t bytes = 0;
  for (const std::string& context : input.contexts) {
    // Each context is checked before it is added, so the sum cannot wrap.
    LEADLINE_RETURN_IF_ERROR(CheckSize("contexts", context.size(), kMaxGroundContextBytes));
    bytes += context.size();
    LEADLINE_RETURN_IF_ERROR(CheckSize("contexts", bytes, kMaxGroundContextBytes));
  }
  return OkStatus();
}

void AddOnce(std::string word, std::vector<std::string>* words) {
  if (std::find(words->begin(), words->end(), word) == words->end()) {
    words->push_back(std::move(word));
  }
}

/// Judges the sentences of one response against one set of contexts.
class ResponseJudge {
 public:
  ResponseJudge(int tier, const GroundInput& input)
      : tier_(tier),
        response_(judge::Analyse(input.response, judge::CitationMarks::kAreLeftOut)),
        index_(input.contexts),
        meter_(index_) {}

  GroundReport Run() {
    GroundReport report;
    double sum = 0;
    double weight = 0;
    for (const Sentence& sentence : response_.sentences) {
      GroundSentence& judged = report.sentences.emplace_back();
      judged.begin = sentence.begin;
      judged.end = sentence.end;
      judged.text = response_.Written(sentence);
      const Outcome outcome = JudgeSentence(sentence, &judged);
      sum += outcome.raw * outcome.weight;
      weight += outcome.weight;
      report.n_judged += judged.score.defined() ? 1 : 0;
    }
    if (report.n_judged > 0) {
      report.score.value = judge::Calibrate(sum / weight);
    } else {
      report.score.reason =
          report.sentences.empty() ? std::string(kEmptyResponse) : report.sentences[0].score.reason;
    }
    return report;
  }

 private:
  struct Outcome {
    double raw = 0;
    double weight = 0;  // 0: not judged
  };

  Outcome JudgeSentence(const Sentence& sentence, GroundSentence* judged) {
    const std::string_view reason = index_.size() == 0                        ? kNoContexts
                                    : judge::IsRefusal(response_, sentence)   ? kRefusal
                                    : judge::IsEmptyTalk(response_, sentence) ? kEmptyTalk
                                                                              : std::string_view();
    if (!reason.empty()) {
      judged->score.reason = reason;
      return {};
    }
    const Coverage coverage = meter_.Measure(response_.Terms(sentence));
    const FactCheck facts = judge::CheckFacts(response_, sentence, index_, coverage.evidence);
    Describe(sentence, coverage, facts, &judged->evidence);
    const double rest = judge::CoverageOfTheRest(response_, coverage, facts);
    const judge::Judgement judgement = tier_ == 0 ? judge::JudgeByFacts(coverage, facts, rest)
                                                  : judge::JudgeByCoverage(coverage, facts, rest);
    judged->verdict = judgement.verdict;
    if (judgement.verdict == GroundVerdict::kAbstain) {
      judged->score.reason = kNothingToCheck;
      return {};
    }
    judged->score.value = judge::Calibrate(judgement.raw);
    return {judgement.raw, coverage.weight};
  }

  void Describe(const Sentence& sentence, const Coverage& coverage, const FactCheck& facts,
                GroundEvidence* out) const {
    out->word_coverage = coverage.document;
    out->bigram_coverage = coverage.pairs;
    if (coverage.evidence) {
      const Sentence& found = index_.at(*coverage.evidence);
      out->context = index_.context_of(*coverage.evidence);
      out->begin = found.begin;
      out->end = found.end;
      out->sentence = index_.text_of(*coverage.evidence).Written(found);
    }
    for (const judge::Quantity& quantity : facts.absent_numbers) {
      AddOnce(judge::WrittenQuantity(response_, quantity), &out->missing_numbers);
    }
    for (const judge::Name& name : facts.absent_names) {
      const size_t begin = response_.words[name.first_word].begin;
      const size_t end = response_.words[name.last_word - 1].end;
      AddOnce(std::string(response_.text.substr(begin, end - begin)), &out->missing_names);
    }
    if (facts.opposition) {
      out->opposed = response_.Written(facts.opposition->word);
    }
    ListMissing(sentence, coverage, facts, &out->missing);
  }

  void ListMissing(const Sentence& sentence, const Coverage& coverage, const FactCheck& facts,
                   std::vector<std::string>* missing) const {
    std::vector<bool> listed(sentence.last_word - sentence.first_word, false);
    for (const judge::Quantity& quantity : facts.unmatched) {
      AddOnce(judge::WrittenQuantity(response_, quantity), missing);
      for (size_t i = quantity.first_word; i < quantity.last_word; ++i) {
        listed[i - sentence.first_word] = true;
      }
    }
    std::vector<judge::EvidenceIndex::WordId> present;
    if (coverage.evidence) {
      const auto words = index_.Words(*coverage.evidence);
      present.assign(words.begin(), words.end());
      std::sort(present.begin(), present.end());
    }
    for (size_t i = sentence.first_word; i < sentence.last_word; ++i) {
      const judge::Term& term = response_.terms[i];
      // Numbers were compared by value above.
      if (term.function || listed[i - sentence.first_word] ||
          response_.words[i].kind == text::WordKind::kNumber) {
        continue;
      }
      if (!std::binary_search(present.begin(), present.end(), index_.Find(term.key))) {
        AddOnce(std::string(response_.Written(i)), missing);
      }
    }
  }

  int tier_;
  AnalysedText response_;
  judge::EvidenceIndex index_;
  judge::CoverageMeter meter_;
};

}  // namespace

std::string_view GroundVerdictName(GroundVerdict verdict) {
  switch (verdict) {
    case GroundVerdict::kSupported:
      return "supported";
    case GroundVerdict::kContradicted:
      return "contradicted";
    case GroundVerdict::kNotMentioned:
      return "not_mentioned";
    case GroundVerdict::kAbstain:
      return "abstain";
  }
  return "abstain";
}

Result<GroundJudge> GroundJudge::Create(const GroundOptions& options) {
  if (options.tier < 0 || options.tier > kMaxTier) {
    return InvalidFieldError("no such groundedness tier", "tier", std::to_string(options.tier),
                             "0..3");
  }
  if (options.tier > 1) {
    Status error = UnimplementedError(
        "this build has groundedness tiers 0 (rules) and 1 (lexical) only: tier=" +
        std::to_string(options.tier));
    error.WithField("tier", "0..1");
    return error;
  }
  return GroundJudge(options);
}

Result<GroundReport> GroundJudge::Judge(const GroundInput& input) const {
  LEADLINE_RETURN_IF_ERROR(CheckInput(input));
  GroundReport report = ResponseJudge(options_.tier, input).Run();
  report.id = input.id;
  report.baselines = report.score.defined() ? judge::MeasureBaselines(input)
                                            : judge::UndefinedBaselines(report.score.reason);
  return report;
}

}  // namespace leadline
