#include "baselines.h"

#include <cstdint>
#include <unordered_set>

#include <unicode/uchar.h>

#include "leadline/core/hash.h"
#include "leadline/text/utf8.h"

namespace leadline::judge {
namespace {

// Hashes of the lower-cased runs of letters, marks, digits and '_': the \w+ of most regex engines.
std::vector<uint64_t> PlainTokens(std::string_view utf8) {
  std::vector<uint64_t> tokens;
  std::string token;
  const auto finish = [&] {
    if (!token.empty()) {
      tokens.push_back(Hash64(token));
      token.clear();
    }
  };
  for (size_t at = 0; at < utf8.size();) {
    const text::DecodedRune next = text::DecodeRune(utf8, at);
    at += next.size;
    const auto rune = static_cast<UChar32>(next.rune);
    const bool mark = (U_GET_GC_MASK(rune) & U_GC_M_MASK) != 0;
    if (u_isalnum(rune) != 0 || mark || rune == '_') {
      text::AppendRune(&token, static_cast<char32_t>(u_tolower(rune)));
    } else {
      finish();
    }
  }
  finish();
  return tokens;
}

uint64_t PairHash(uint64_t a, uint64_t b) {
  const uint64_t both[2] = {a, b};
  return Hash64(both, sizeof both);
}

double Share(size_t part, size_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

GroundBaselines UndefinedBaselines(const std::string& reason) {
  const GroundValue none{std::nullopt, reason};
  return {none, none, none, none};
}

GroundBaselines MeasureBaselines(const GroundInput& input) {
  const std::vector<uint64_t> response = PlainTokens(input.response);
  if (response.empty()) {
    return UndefinedBaselines("no words in the response");
  }
  std::unordered_set<uint64_t> words;
  std::unordered_set<uint64_t> pairs;
  for (const std::string& context : input.contexts) {
    const std::vector<uint64_t> tokens = PlainTokens(context);
    for (size_t i = 0; i < tokens.size(); ++i) {
      words.insert(tokens[i]);
      if (i > 0) {
        pairs.insert(PairHash(tokens[i - 1], tokens[i]));
      }
    }
  }
  size_t known_words = 0;
  size_t known_pairs = 0;
  for (size_t i = 0; i < response.size(); ++i) {
    known_words += words.contains(response[i]) ? 1 : 0;
    known_pairs += i > 0 && pairs.contains(PairHash(response[i - 1], response[i])) ? 1 : 0;
  }
  const double word_overlap = Share(known_words, response.size());
  // A single word has no pair; its own overlap stands in.
  const double pair_overlap =
      response.size() > 1 ? Share(known_pairs, response.size() - 1) : word_overlap;
  GroundBaselines out;
  out.word_overlap.value = word_overlap;
  out.bigram_overlap.value = pair_overlap;
  out.overlap_sum.value = word_overlap + pair_overlap;
  out.shortness.value = 1.0 / (1.0 + static_cast<double>(response.size()));
  return out;
}

}  // namespace leadline::judge
