// Any bytes through every splitter: spans stay ordered and inside, folding gives valid UTF-8, the
// tokenizer stays within its vocabulary.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "leadline/core/utf8_check.h"
#include "leadline/text/fold.h"
#include "leadline/text/sentences.h"
#include "leadline/text/utf8.h"
#include "leadline/text/wordpiece.h"
#include "leadline/text/words.h"

namespace {

void Require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

template <typename Span>
void CheckSpans(const std::vector<Span>& spans, size_t size) {
  size_t last = 0;
  for (const Span& span : spans) {
    Require(last <= span.begin && span.begin < span.end && span.end <= size);
    last = span.end;
  }
}

const leadline::text::WordPieceTokenizer& Tokenizer() {
  using leadline::text::WordPieceTokenizer;
  static const std::vector<std::string_view> kVocabulary = {"[UNK]", "a", "##a", "ab",  "##b",
                                                            "the",   ",", "ก",   "##ก", "中"};
  static const leadline::Result<WordPieceTokenizer> kTokenizer =
      WordPieceTokenizer::Create(kVocabulary);
  return *kTokenizer;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace text = leadline::text;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  CheckSpans(text::SplitSentences(bytes), size);
  CheckSpans(text::SplitWords(bytes), size);
  const std::string folded = text::Fold(bytes);
  Require(leadline::IsValidUtf8(folded));
  Require(leadline::IsValidUtf8(text::ReplaceInvalidUtf8(bytes)));
  std::vector<uint32_t> ids;
  Tokenizer().Tokenize(bytes, &ids);
  for (const uint32_t id : ids) {
    Require(id < Tokenizer().vocabulary_size());
  }
  return 0;
}
