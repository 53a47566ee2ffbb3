#include "polarity.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace leadline::judge {
namespace {

constexpr size_t kNegationReach = 2;  // content words a negator denies
constexpr size_t kMaxGap = 5;         // words between them

bool IsNegator(std::string_view folded) {
  static const std::unordered_set<std::string_view> table = {
      "not",  "no",    "never",  "none", "neither", "nor",   "without", "cannot", "nicht",
      "kein", "keine", "keinen", "nie",  "ohne",    "nunca", "sin",     "jamais", "sans",
      "nao",  "sem",   "не",     "нет",  "без",     "degil", "khong",   "chua",   "ไม่",
      "มิ",    "ไร้",    "不",     "没",   "没有",    "未",    "无",      "非",     "不是",
      "不会", "并非",  "不能",   "从未", "ない",    "ません"};
  return table.contains(folded) || folded.ends_with("n't") || folded.ends_with("n\u2019t");
}

struct Antonyms {
  std::string_view one;
  std::string_view other;
};

// Beginnings of English words; "increas" stands for increase, increases, increased, increasing.
constexpr std::array kAntonyms = {Antonyms{"increas", "decreas"},
                                  Antonyms{"increas", "reduc"},
                                  Antonyms{"increas", "declin"},
                                  Antonyms{"increas", "lower"},
                                  Antonyms{"higher", "lower"},
                                  Antonyms{"high", "low"},
                                  Antonyms{"more", "less"},
                                  Antonyms{"more", "fewer"},
                                  Antonyms{"most", "least"},
                                  Antonyms{"promot", "inhibit"},
                                  Antonyms{"activat", "inhibit"},
                                  Antonyms{"activat", "suppress"},
                                  Antonyms{"activat", "repress"},
                                  Antonyms{"enhanc", "reduc"},
                                  Antonyms{"enhanc", "impair"},
                                  Antonyms{"enhanc", "inhibit"},
                                  Antonyms{"stimulat", "inhibit"},
                                  Antonyms{"induc", "inhibit"},
                                  Antonyms{"induc", "prevent"},
                                  Antonyms{"caus", "prevent"},
                                  Antonyms{"positiv", "negativ"},
                                  Antonyms{"upregulat", "downregulat"},
                                  Antonyms{"gain", "loss"},
                                  Antonyms{"improv", "worsen"},
                                  Antonyms{"improv", "impair"},
                                  Antonyms{"accelerat", "delay"},
                                  Antonyms{"presence", "absence"},
                                  Antonyms{"present", "absent"},
                                  Antonyms{"better", "worse"},
                                  Antonyms{"best", "worst"},
                                  Antonyms{"faster", "slower"},
                                  Antonyms{"stronger", "weaker"},
                                  Antonyms{"older", "younger"},
                                  Antonyms{"longer", "shorter"},
                                  Antonyms{"larger", "smaller"},
                                  Antonyms{"earlier", "later"},
                                  Antonyms{"rise", "fall"},
                                  Antonyms{"rose", "fell"},
                                  Antonyms{"win", "lose"},
                                  Antonyms{"won", "lost"},
                                  Antonyms{"approv", "reject"},
                                  Antonyms{"accept", "reject"},
                                  Antonyms{"allow", "forbid"},
                                  Antonyms{"protect", "harm"},
                                  Antonyms{"benefi", "harm"},
                                  Antonyms{"major", "minor"},
                                  Antonyms{"success", "fail"},
                                  Antonyms{"dependent", "independent"},
                                  Antonyms{"sufficient", "insufficient"},
                                  Antonyms{"stable", "unstable"},
                                  Antonyms{"sensitiv", "resistan"},
                                  Antonyms{"male", "female"},
                                  Antonyms{"men", "women"}};

// Short words must match in full: "low" is not "lower".
bool Matches(std::string_view word, std::string_view beginning) {
  constexpr size_t kShort = 4;
  return beginning.size() <= kShort ? word == beginning : word.starts_with(beginning);
}

bool StopsNegation(std::string_view gap) {
  return gap.find_first_of(",;:.()") != std::string_view::npos;
}

// "X but not Y" contrasts, "not only X" affirms.
bool IsContrast(const AnalysedText& text, const Sentence& sentence, size_t at) {
  const bool after_but = at > sentence.first_word && text.words[at - 1].folded == "but";
  const std::string_view next =
      at + 1 < sentence.last_word ? std::string_view(text.words[at + 1].folded) : "";
  return after_but || next == "only" || next == "just" || next == "merely" || next == "solely";
}

// Polarity of the words of one sentence.
struct Polarity {
  std::unordered_map<std::string_view, bool> denied;  // by key; a key said both ways is left out
  std::unordered_set<std::string_view> both;
};

Polarity Read(const AnalysedText& text, const Sentence& sentence) {
  Polarity out;
  size_t reach = 0;
  size_t since = 0;
  for (size_t i = sentence.first_word; i < sentence.last_word; ++i) {
    const Term& term = text.terms[i];
    const bool cut = i > sentence.first_word && StopsNegation(text.Gap(i - 1));
    if (cut || ++since > kMaxGap) {
      reach = 0;
    }
    if (IsNegator(text.words[i].folded)) {
      reach = IsContrast(text, sentence, i) ? 0 : kNegationReach;
      since = 0;
      continue;
    }
    if (term.function) {
      continue;
    }
    const bool denied = reach > 0;
    reach -= denied ? 1 : 0;
    const auto [found, added] = out.denied.emplace(term.key, denied);
    if (!added && found->second != denied) {
      out.both.insert(term.key);
    }
  }
  return out;
}

bool HasWord(const AnalysedText& text, const Sentence& sentence, std::string_view beginning) {
  for (size_t i = sentence.first_word; i < sentence.last_word; ++i) {
    if (Matches(text.words[i].folded, beginning)) {
      return true;
    }
  }
  return false;
}

// Antonym pair split over the two sentences, each having one side only.
std::optional<Opposition> FindAntonym(const AnalysedText& response, const Sentence& stated,
                                      const AnalysedText& context, const Sentence& given,
                                      const Polarity& ours, const Polarity& theirs) {
  for (const Antonyms& pair : kAntonyms) {
    for (const auto& [mine, other] : {std::pair(pair.one, pair.other), {pair.other, pair.one}}) {
      if (!HasWord(context, given, other) || HasWord(context, given, mine) ||
          HasWord(response, stated, other)) {
        continue;
      }
      for (size_t i = stated.first_word; i < stated.last_word; ++i) {
        if (!Matches(response.words[i].folded, mine)) {
          continue;
        }
        // "does not increase" agrees with "reduces" well enough.
        const auto own = ours.denied.find(response.terms[i].key);
        bool flipped = own != ours.denied.end() && own->second;
        for (const auto& [key, denied] : theirs.denied) {
          flipped = flipped != (denied && Matches(key, other.substr(0, kKeyRunes)));
        }
        if (!flipped) {
          return Opposition{i, false};
        }
      }
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<Opposition> FindOpposition(const AnalysedText& response, const Sentence& stated,
                                         const AnalysedText& context, const Sentence& given) {
  const Polarity ours = Read(response, stated);
  const Polarity theirs = Read(context, given);
  for (size_t i = stated.first_word; i < stated.last_word; ++i) {
    const std::string_view key = response.terms[i].key;
    const auto mine = ours.denied.find(key);
    const auto other = theirs.denied.find(key);
    if (mine == ours.denied.end() || other == theirs.denied.end() || ours.both.contains(key) ||
        theirs.both.contains(key)) {
      continue;
    }
    if (mine->second != other->second) {
      return Opposition{i, true};
    }
  }
  return FindAntonym(response, stated, context, given, ours, theirs);
}

}  // namespace leadline::judge
