#include "chunker.h"

#include <algorithm>
#include <utility>

#include "arguments.h"
#include "leadline/text/sentences.h"
#include "leadline/text/words.h"

namespace leadline::cli {
namespace {

constexpr uint64_t kMaxUnits = 100'000;
constexpr std::string_view kForms = "none|sentences:N|tokens:N,OVERLAP";

using Span = std::pair<size_t, size_t>;

std::vector<Span> UnitsOf(std::string_view body, Chunking::Unit unit) {
  std::vector<Span> spans;
  if (unit == Chunking::Unit::kSentences) {
    for (const text::SentenceSpan& sentence : text::SplitSentences(body)) {
      spans.emplace_back(sentence.begin, sentence.end);
    }
  } else {
    for (const text::WordSpan& word : text::SplitWords(body)) {
      spans.emplace_back(word.begin, word.end);
    }
  }
  return spans;
}

}  // namespace

Result<Chunking> ParseChunking(const std::string& text) {
  Chunking chunking;
  const size_t colon = text.find(':');
  const std::string unit = text.substr(0, colon);
  const std::vector<std::string> numbers = colon == std::string::npos
                                               ? std::vector<std::string>()
                                               : SplitList(text.substr(colon + 1), ',');
  if (text == "none") {
    return chunking;
  }
  if (unit == "sentences" && numbers.size() == 1) {
    chunking.unit = Chunking::Unit::kSentences;
  } else if (unit == "tokens" && (numbers.size() == 1 || numbers.size() == 2)) {
    chunking.unit = Chunking::Unit::kTokens;
  } else {
    return InvalidFieldError("unknown chunking", "--chunk", text, kForms);
  }
  LEADLINE_ASSIGN_OR_RETURN(chunking.size, ParseNumber("--chunk size", numbers[0], 1, kMaxUnits));
  if (numbers.size() == 2) {
    LEADLINE_ASSIGN_OR_RETURN(chunking.overlap,
                              ParseNumber("--chunk overlap", numbers[1], 0, chunking.size - 1));
  }
  return chunking;
}

std::vector<std::string_view> CutText(std::string_view body, const Chunking& chunking) {
  if (body.empty()) {
    return {};
  }
  const std::vector<Span> units =
      chunking.unit == Chunking::Unit::kNone ? std::vector<Span>() : UnitsOf(body, chunking.unit);
  if (units.empty()) {
    return {body};
  }
  std::vector<std::string_view> pieces;
  for (size_t first = 0; first < units.size(); first += chunking.size - chunking.overlap) {
    const size_t last = std::min(first + chunking.size, units.size());
    // Punctuation around the units belongs to the piece before it.
    const size_t begin = first == 0 ? 0 : units[first].first;
    const size_t end = last == units.size() ? body.size() : units[last].first;
    pieces.push_back(body.substr(begin, end - begin));
    if (last == units.size()) {
      break;
    }
  }
  return pieces;
}

}  // namespace leadline::cli
