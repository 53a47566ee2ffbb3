#include "fact_check.h"

#include <algorithm>
#include <string_view>

namespace leadline::judge {
namespace {

bool HasAgreeing(const Quantity& stated, const std::vector<Quantity>& given) {
  return std::any_of(given.begin(), given.end(),
                     [&stated](const Quantity& q) { return Agrees(stated, q); });
}

// A number of the evidence that contradicts `stated`: same kind, and nothing the response says
// agrees with it.
bool HasRival(const Quantity& stated, const std::vector<Quantity>& all_stated,
              const std::vector<Quantity>& given) {
  return std::any_of(given.begin(), given.end(), [&](const Quantity& q) {
    return !q.weak && SameKind(stated, q) &&
           std::none_of(all_stated.begin(), all_stated.end(),
                        [&q](const Quantity& s) { return Agrees(s, q) || Agrees(q, s); });
  });
}

bool HasWordKey(const AnalysedText& text, const Sentence& sentence, const std::string& key) {
  const auto terms = text.Terms(sentence);
  return std::any_of(terms.begin(), terms.end(), [&key](const Term& t) { return t.key == key; });
}

struct NameWords {
  size_t absent = 0;   // content words that no context has
  size_t present = 0;  // the other content words
  bool acronym = false;
};

// Acronyms are often expansions of what the evidence spells out, so they prove no conflict.
bool IsAcronym(std::string_view written) {
  return std::none_of(written.begin(), written.end(),
                      [](char c) { return c >= 'a' && c <= 'z'; }) ||
         std::any_of(written.begin(), written.end(), [](char c) { return c >= '0' && c <= '9'; });
}

NameWords CountWords(const AnalysedText& response, const Name& name, const EvidenceIndex& index) {
  NameWords out;
  for (size_t i = name.first_word; i < name.last_word; ++i) {
    if (response.terms[i].function) {
      continue;
    }
    const bool absent = index.Find(response.terms[i].key) == EvidenceIndex::kUnknownWord;
    (absent ? out.absent : out.present) += 1;
    out.acronym = out.acronym || IsAcronym(response.Written(i));
  }
  return out;
}

// Tells whether the evidence names somebody or something that the response sentence does not.
bool HasOtherName(const AnalysedText& response, const Sentence& stated, const AnalysedText& context,
                  const Sentence& given) {
  for (const Name& name : FindNames(context, given)) {
    bool used = false;
    for (size_t i = name.first_word; i < name.last_word; ++i) {
      used = used || HasWordKey(response, stated, context.terms[i].key);
    }
    if (!used) {
      return true;
    }
  }
  return false;
}

}  // namespace

FactCheck CheckFacts(const AnalysedText& response, const Sentence& stated,
                     const EvidenceIndex& index, std::optional<size_t> evidence) {
  FactCheck out;
  const std::vector<Quantity> quantities =
      FindQuantities(response, stated.first_word, stated.last_word);
  std::vector<Quantity> given;
  if (evidence) {
    const Sentence& sentence = index.at(*evidence);
    given = FindQuantities(index.text_of(*evidence), sentence.first_word, sentence.last_word);
  }
  for (const Quantity& quantity : quantities) {
    if (quantity.weak) {
      continue;
    }
    ++out.numbers;
    if (HasAgreeing(quantity, given)) {
      continue;
    }
    out.unmatched.push_back(quantity);
    if (!index.HasQuantity(quantity)) {
      out.absent_numbers.push_back(quantity);
    }
    out.number_conflict = out.number_conflict || HasRival(quantity, quantities, given);
  }
  bool wholly_absent = false;
  for (const Name& name : FindNames(response, stated)) {
    ++out.names;
    const NameWords words = CountWords(response, name, index);
    if (words.absent > 0) {
      out.absent_names.push_back(name);
      wholly_absent = wholly_absent || (words.present == 0 && !words.acronym);
    }
  }
  if (evidence) {
    const AnalysedText& context = index.text_of(*evidence);
    const Sentence& sentence = index.at(*evidence);
    out.name_conflict = wholly_absent && HasOtherName(response, stated, context, sentence);
    out.opposition = FindOpposition(response, stated, context, sentence);
  }
  return out;
}

}  // namespace leadline::judge
