#pragma once

/// Groundedness: is what a response says supported by the contexts it was written from?
///
///   Result<GroundJudge> judge = GroundJudge::Create({});
///   Result<GroundReport> report = judge->Judge({"q1", response, {passage_1, passage_2},
///   question}); if (report->score.defined()) { show(*report->score.value); }
///
/// Every sentence of the response gets the best context sentence as evidence, what that sentence
/// lacks, a score and a verdict. The judge compares words, numbers, names and negations; it knows
/// no meaning: a paraphrase without common words looks ungrounded, and a false statement made of
/// the context's own words looks grounded. docs/groundedness.md has the method and the
/// measurements.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "leadline/core/status.h"

namespace leadline {

inline constexpr size_t kMaxGroundContexts = 4096;
inline constexpr size_t kMaxGroundContextBytes = size_t{8} << 20;  ///< all contexts together
inline constexpr size_t kMaxGroundResponseBytes = size_t{1} << 20;
inline constexpr size_t kMaxGroundQuestionBytes = size_t{64} << 10;
inline constexpr size_t kMaxGroundIdBytes = 512;

/// A number, or why there is none. Never NaN, and never 0 in place of "unknown".
struct GroundValue {
  std::optional<double> value;
  std::string reason;  ///< empty where defined

  [[nodiscard]] bool defined() const { return value.has_value(); }
};

/// Texts are UTF-8; ill-formed bytes count as U+FFFD.
struct GroundInput {
  std::string id;
  std::string response;
  std::vector<std::string> contexts;
  std::string question;  ///< optional; tiers 0 and 1 do not read it
};

enum class GroundVerdict : uint8_t {
  kSupported = 1,
  kContradicted = 2,  ///< the evidence says something else: a number, a date, a name, a negation
  kNotMentioned = 3,
  kAbstain = 4,  ///< nothing to judge: a refusal, a greeting, no context
};

/// "supported", "contradicted", "not_mentioned" or "abstain".
std::string_view GroundVerdictName(GroundVerdict verdict);

/// The context sentence that shares most with a response sentence, and what sets them apart.
struct GroundEvidence {
  std::optional<size_t> context;  ///< index into GroundInput::contexts; none: nothing in common
  size_t begin = 0;               ///< bytes [begin, end) of that context
  size_t end = 0;
  std::string sentence;
  /// Words of the response sentence that `sentence` lacks (function words left out), numbers first,
  /// as written in the response, each once.
  std::vector<std::string> missing;
  std::vector<std::string> missing_numbers;  ///< numbers and dates that no context has
  std::vector<std::string> missing_names;    ///< names with a word that no context has
  /// Word of the response whose negation or opposite is in `sentence`; empty: none found.
  std::string opposed;
  double word_coverage = 0;    ///< share of the words found in any context, by weight, in [0, 1]
  double bigram_coverage = 0;  ///< share of word pairs found close together, by weight, in [0, 1]
};

struct GroundSentence {
  size_t begin = 0;  ///< bytes [begin, end) of the response
  size_t end = 0;
  std::string text;
  GroundVerdict verdict = GroundVerdict::kAbstain;
  GroundValue score;  ///< in [0, 1], higher = better grounded; undefined where the judge abstains
  GroundEvidence evidence;
};

/// Trivial scores every detector must beat, over lower-cased runs of letters and digits of the
/// whole response and all contexts; higher = better grounded. Undefined like the report's score.
struct GroundBaselines {
  GroundValue word_overlap;    ///< share of response words that the contexts have, in [0, 1]
  GroundValue bigram_overlap;  ///< share of response word pairs that the contexts have, in [0, 1]
  GroundValue overlap_sum;     ///< word_overlap + bigram_overlap
  GroundValue shortness;       ///< 1 / (1 + response words): length alone
};

struct GroundReport {
  std::string id;
  /// Mean of the sentences by weight of their words; undefined when every sentence abstains. 0.5 is
  /// the verdict threshold.
  GroundValue score;
  std::vector<GroundSentence> sentences;
  size_t n_judged = 0;  ///< sentences with a score
  GroundBaselines baselines;
};

struct GroundOptions {
  /// 0: numbers, dates, units, names and negations only, abstains where a sentence has none;
  /// 1: words and word pairs as well. 2 (encoder) and 3 (LLM judge) are kUnimplemented.
  int tier = 1;
};

/// Immutable and thread-safe; copies are cheap.
class GroundJudge {
 public:
  /// Errors: kInvalidArgument (tier outside 0..3), kUnimplemented (tier 2 and 3).
  static Result<GroundJudge> Create(const GroundOptions& options);

  /// Judges one response.
  ///
  /// Errors: kInvalidArgument naming id, response, contexts or question where a cap above is
  /// passed. An empty response, no contexts or a refusal are no errors: verdicts kAbstain, score
  /// undefined. Cost: about 5 MB/s of contexts plus 5 MB/s of response; memory about 20 times the
  /// contexts.
  [[nodiscard]] Result<GroundReport> Judge(const GroundInput& input) const;

  [[nodiscard]] int tier() const { return options_.tier; }

 private:
  explicit GroundJudge(const GroundOptions& options) : options_(options) {}

  GroundOptions options_;
};

/// Quality of a score on labelled responses; each value in [0, 1], higher is better, undefined
/// where the scored responses have one label only.
struct GroundSummary {
  struct Baseline {
    std::string name;  ///< "overlap_sum", "word_overlap", "bigram_overlap" or "shortness"
    GroundValue auroc;
  };

  GroundValue
      auroc;  ///< share of (grounded, ungrounded) pairs ranked right, ties half; .5 = chance
  GroundValue pr_auc;             ///< average precision, positives = grounded, ties as one step
  GroundValue pr_auc_ungrounded;  ///< the same, positives = ungrounded: what a detector looks for
  GroundValue balanced_accuracy;  ///< of "grounded" = score >= 0.5
  GroundValue f1;                 ///< of the grounded class at that threshold
  GroundValue f1_ungrounded;      ///< of the ungrounded class at that threshold
  size_t n = 0;                   ///< labelled responses
  size_t n_scored = 0;            ///< of these, with a score: the numbers above are over these
  size_t n_grounded = 0;          ///< of n_scored, with label 1
  /// AUROC of each baseline over the same n_scored responses.
  std::vector<Baseline> baselines;
};

/// One labelled response.
struct GroundOutcome {
  bool grounded = false;  ///< the label
  GroundValue score;
  GroundBaselines baselines;
};

/// Errors: kInvalidArgument for a score that is not finite.
/// Cost: O(n log n).
Result<GroundSummary> SummariseGround(std::span<const GroundOutcome> outcomes);

}  // namespace leadline
