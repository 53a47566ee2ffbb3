#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <optional>

#include "leadline/eval/metrics.h"

namespace leadline::eval {
namespace {

constexpr uint32_t kMaxCutoff = 1'000'000;
constexpr double kDefaultPersistence = 0.9;

constexpr std::array<double, 9> kDeepCutoffs = {5, 10, 15, 20, 30, 100, 200, 500, 1000};
constexpr std::array<double, 3> kSuccessCutoffs = {1, 5, 10};
constexpr std::array<double, 3> kUnjudgedCutoffs = {5, 10, 20};
constexpr std::array<double, 11> kRecallLevels = {0, .1, .2, .3, .4, .5, .6, .7, .8, .9, 1};
constexpr std::array<double, 10> kMultiples = {.2, .4, .6, .8, 1, 1.2, 1.4, 1.6, 1.8, 2};

/// What the number after a name means.
enum class Argument : uint8_t { kNone, kCutoff, kRecallLevel, kMultiple, kPersistence };

/// A word users may write. Rows with `official` carry the name that is printed; the word of a row
/// that takes an argument is printed with "_ARGUMENT".
struct Word {
  std::string_view text;      // lower case
  std::string_view official;  // trec_eval's spelling, empty for further spellings
  MeasureKind kind;
  bool bare;                         // means one measure without an argument
  Argument argument;                 // accepted after '@', and after '_' and '.' unless bare
  std::span<const double> defaults;  // of the family the bare word stands for
};

constexpr Argument kNo = Argument::kNone;
constexpr Argument kCut = Argument::kCutoff;

constexpr auto kWords = std::to_array<Word>({
    {"num_q", "num_q", MeasureKind::kNumQueries, true, kNo, {}},
    {"num_ret", "num_ret", MeasureKind::kNumRetrieved, true, kNo, {}},
    {"num_rel", "num_rel", MeasureKind::kNumRelevant, true, kNo, {}},
    {"num_rel_ret", "num_rel_ret", MeasureKind::kNumRelevantRetrieved, true, kNo, {}},
    {"num_nonrel_judged_ret",
     "num_nonrel_judged_ret",
     MeasureKind::kNumNonrelJudgedRet,
     true,
     kNo,
     {}},
    {"map", "map", MeasureKind::kAveragePrecision, true, kCut, {}},
    {"ap", "", MeasureKind::kAveragePrecision, true, kCut, {}},
    {"map_cut", "map_cut", MeasureKind::kAveragePrecision, false, kCut, kDeepCutoffs},
    {"gm_map", "gm_map", MeasureKind::kGeometricMap, true, kNo, {}},
    {"gm_bpref", "gm_bpref", MeasureKind::kGeometricBpref, true, kNo, {}},
    {"rprec", "Rprec", MeasureKind::kRPrecision, true, kNo, {}},
    {"r_prec", "", MeasureKind::kRPrecision, true, kNo, {}},
    {"rprec_mult", "Rprec_mult", MeasureKind::kRPrecisionMultiple, false, Argument::kMultiple,
     kMultiples},
    {"bpref", "bpref", MeasureKind::kBpref, true, kNo, {}},
    {"recip_rank", "recip_rank", MeasureKind::kReciprocalRank, true, kCut, {}},
    {"rr", "", MeasureKind::kReciprocalRank, true, kCut, {}},
    {"mrr", "", MeasureKind::kReciprocalRank, true, kCut, {}},
    {"recip_rank_cut", "recip_rank_cut", MeasureKind::kReciprocalRank, false, kCut, kDeepCutoffs},
    {"iprec_at_recall", "iprec_at_recall", MeasureKind::kInterpolatedPrecision, false,
     Argument::kRecallLevel, kRecallLevels},
    {"iprec", "", MeasureKind::kInterpolatedPrecision, false, Argument::kRecallLevel,
     kRecallLevels},
    {"11pt_avg", "11pt_avg", MeasureKind::kElevenPointAverage, true, kNo, {}},
    {"p", "P", MeasureKind::kPrecision, false, kCut, kDeepCutoffs},
    {"precision", "", MeasureKind::kPrecision, false, kCut, kDeepCutoffs},
    {"relative_p", "relative_P", MeasureKind::kRelativePrecision, false, kCut, kDeepCutoffs},
    {"recall", "recall", MeasureKind::kRecall, false, kCut, kDeepCutoffs},
    {"r", "", MeasureKind::kRecall, false, kCut, kDeepCutoffs},
    {"ndcg", "ndcg", MeasureKind::kNdcg, true, kCut, {}},
    {"ndcg_cut", "ndcg_cut", MeasureKind::kNdcg, false, kCut, kDeepCutoffs},
    {"success", "success", MeasureKind::kSuccess, false, kCut, kSuccessCutoffs},
    {"hit", "", MeasureKind::kSuccess, false, kCut, kSuccessCutoffs},
    {"hit_rate", "", MeasureKind::kSuccess, false, kCut, kSuccessCutoffs},
    {"infap", "infAP", MeasureKind::kInferredAp, true, kNo, {}},
    {"set_p", "set_P", MeasureKind::kSetPrecision, true, kNo, {}},
    {"set_relative_p", "set_relative_P", MeasureKind::kSetRelativePrecision, true, kNo, {}},
    {"set_recall", "set_recall", MeasureKind::kSetRecall, true, kNo, {}},
    {"set_map", "set_map", MeasureKind::kSetMap, true, kNo, {}},
    {"set_f", "set_F", MeasureKind::kSetF, true, kNo, {}},
    {"rbp", "rbp", MeasureKind::kRankBiasedPrecision, true, Argument::kPersistence, {}},
    {"rbp_resid", "rbp_resid", MeasureKind::kRankBiasedResidual, true, Argument::kPersistence, {}},
    {"unj", "unj", MeasureKind::kUnjudged, false, kCut, kUnjudgedCutoffs},
    {"judged", "judged", MeasureKind::kJudged, false, kCut, kUnjudgedCutoffs},
});

constexpr std::array<std::string_view, 11> kOfficialSet = {
    "num_q", "num_ret", "num_rel",    "num_rel_ret",     "map", "gm_map",
    "rprec", "bpref",   "recip_rank", "iprec_at_recall", "p"};

Status BadMeasure(std::string_view name, std::string_view limit) {
  return InvalidFieldError("unknown measure", "measure", name, limit);
}

Measure BareMeasure(const Word& word) {
  return {.kind = word.kind,
          .cutoff = 0,
          .parameter = word.argument == Argument::kPersistence ? kDefaultPersistence : 0};
}

/// Limits of an argument as text, and the check itself.
std::optional<std::string_view> BrokenLimit(Argument argument, double value) {
  switch (argument) {
    case Argument::kNone:
      return "takes no number";
    case Argument::kCutoff:
      if (!(value >= 1 && value <= kMaxCutoff) ||
          value != static_cast<double>(static_cast<uint32_t>(value))) {
        return "whole cutoff in [1, 1000000]";
      }
      return std::nullopt;
    case Argument::kRecallLevel:
      if (!(value >= 0 && value <= 1)) {
        return "recall level in [0, 1]";
      }
      return std::nullopt;
    case Argument::kMultiple:
      if (!(value > 0 && value <= 1000)) {
        return "multiple of R in (0, 1000]";
      }
      return std::nullopt;
    case Argument::kPersistence:
      if (!(value > 0 && value < 1)) {
        return "p in (0, 1)";
      }
      return std::nullopt;
  }
  return "takes no number";
}

Result<Measure> MakeMeasure(const Word& word, double value, std::string_view name) {
  if (const auto limit = BrokenLimit(word.argument, value)) {
    return BadMeasure(name, *limit);
  }
  Measure measure = BareMeasure(word);
  if (word.argument == Argument::kCutoff) {
    measure.cutoff = static_cast<uint32_t>(value);
  } else {
    measure.parameter = value;
  }
  return measure;
}

const Word* FindWord(std::string_view text) {
  const auto* it = std::find_if(kWords.begin(), kWords.end(),
                                [&](const Word& word) { return word.text == text; });
  return it == kWords.end() ? nullptr : it;
}

std::optional<double> ParseNumber(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

/// Reads "10" or "p=0.9", as the word demands.
std::optional<double> ParseArgument(const Word& word, std::string_view text) {
  if (word.argument == Argument::kPersistence) {
    if (!text.starts_with("p=")) {
      return std::nullopt;
    }
    text.remove_prefix(2);
  }
  return ParseNumber(text);
}

using Measures = std::vector<Measure>;

/// "word", or nothing where the text is no word.
std::optional<Measures> ParseBare(std::string_view text) {
  const Word* word = FindWord(text);
  if (word == nullptr) {
    return std::nullopt;
  }
  if (word->bare) {
    return Measures{BareMeasure(*word)};
  }
  Measures family;
  for (const double value : word->defaults) {
    Result<Measure> measure = MakeMeasure(*word, value, text);
    if (measure.ok()) {
      family.push_back(*measure);
    }
  }
  return family;
}

Result<Measures> ParseList(const Word& word, std::string_view list, std::string_view name) {
  Measures measures;
  while (true) {
    const size_t comma = list.find(',');
    const auto value = ParseArgument(word, list.substr(0, comma));
    if (!value) {
      return BadMeasure(name, "a number after the name");
    }
    LEADLINE_ASSIGN_OR_RETURN(const Measure measure, MakeMeasure(word, *value, name));
    measures.push_back(measure);
    if (comma == std::string_view::npos) {
      return measures;
    }
    list.remove_prefix(comma + 1);
  }
}

/// "word@10", "word.5,10", "word_10".
Result<Measures> ParseWithArgument(std::string_view text, std::string_view name) {
  for (const char separator : {'@', '.', '_'}) {
    // A recall level has a '.' itself, so the name ends at the first one; names contain '_'.
    size_t at = separator == '_' ? text.rfind('_') : text.find(separator);
    if (at == std::string_view::npos) {
      continue;
    }
    const Word* word = FindWord(text.substr(0, at));
    if (word == nullptr) {
      continue;
    }
    const bool persistence = word->argument == Argument::kPersistence;
    if (persistence ? separator == '@' : (separator == '_' && word->bare)) {
      continue;  // "map_10" and "rbp@10" are nobody's names
    }
    return ParseList(*word, text.substr(at + 1), name);
  }
  return BadMeasure(name, "names such as map, ndcg@10, P_5, recall_100");
}

void AppendNew(const Measures& more, Measures* all) {
  for (const Measure& measure : more) {
    if (std::find(all->begin(), all->end(), measure) == all->end()) {
      all->push_back(measure);
    }
  }
}

Measures OfficialSet() {
  Measures all;
  for (const std::string_view word : kOfficialSet) {
    AppendNew(*ParseBare(word), &all);
  }
  return all;
}

Measures AllMeasures() {
  Measures all;
  for (const Word& word : kWords) {
    // recip_rank_cut and judged are not trec_eval's.
    if (!word.official.empty() && word.text != "recip_rank_cut" && word.text != "judged") {
      AppendNew(*ParseBare(word.text), &all);
    }
  }
  return all;
}

Result<Measures> ParseOne(std::string_view name) {
  std::string text(name);
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  if (text == "official") {
    return OfficialSet();
  }
  if (text == "all_trec") {
    return AllMeasures();
  }
  if (auto bare = ParseBare(text)) {
    return *std::move(bare);
  }
  return ParseWithArgument(text, name);
}

/// The row whose official spelling prints `measure`.
const Word* OfficialWord(const Measure& measure) {
  const Word* found = nullptr;
  for (const Word& word : kWords) {
    if (word.kind == measure.kind && !word.official.empty() &&
        (found == nullptr || word.bare == (measure.cutoff == 0))) {
      found = &word;
    }
  }
  return found;
}

}  // namespace

std::string Measure::name() const {
  const Word* word = OfficialWord(*this);
  if (word == nullptr) {
    return "unknown";
  }
  std::string text(word->official);
  char number[32];
  switch (word->argument) {
    case Argument::kNone:
      break;
    case Argument::kCutoff:
      if (cutoff > 0) {
        text += "_" + std::to_string(cutoff);
      }
      break;
    case Argument::kRecallLevel:
    case Argument::kMultiple:
      std::snprintf(number, sizeof number, "_%.2f", parameter);
      text += number;
      break;
    case Argument::kPersistence:
      if (parameter != kDefaultPersistence) {
        std::snprintf(number, sizeof number, "_p=%g", parameter);
        text += number;
      }
      break;
  }
  return text;
}

bool Measure::higher_is_better() const {
  return kind != MeasureKind::kNumNonrelJudgedRet && kind != MeasureKind::kRankBiasedResidual &&
         kind != MeasureKind::kUnjudged;
}

bool Measure::is_count() const {
  return kind <= MeasureKind::kNumNonrelJudgedRet;
}

Result<std::vector<Measure>> ParseMeasures(std::span<const std::string> names) {
  Measures all;
  for (const std::string& name : names) {
    LEADLINE_ASSIGN_OR_RETURN(const Measures some, ParseOne(name));
    AppendNew(some, &all);
  }
  return all;
}

std::vector<Measure> OfficialMeasures() {
  Measures all = OfficialSet();
  all.push_back({.kind = MeasureKind::kJudged, .cutoff = 10, .parameter = 0});
  return all;
}

}  // namespace leadline::eval
