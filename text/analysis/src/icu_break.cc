#include "icu_break.h"

#include <memory>

#include <unicode/ubrk.h>
#include <unicode/utext.h>

namespace leadline::text {
namespace {

constexpr size_t kBreakBytes = size_t{1} << 26;

struct BreakCloser {
  void operator()(UBreakIterator* it) const { ubrk_close(it); }
};

using BreakPointer = std::unique_ptr<UBreakIterator, BreakCloser>;

struct TextCloser {
  void operator()(UText* text) const { utext_close(text); }
};

BreakPointer Open(UBreakIteratorType type) {
  UErrorCode error = U_ZERO_ERROR;
  BreakPointer it(ubrk_open(type, "", nullptr, 0, &error));
  return U_SUCCESS(error) ? std::move(it) : nullptr;
}

// Opening an iterator loads rules; cloning the one that is never moved is cheap and thread-safe.
BreakPointer Clone(BreakKind kind) {
  static const BreakPointer kSentences = Open(UBRK_SENTENCE);
  static const BreakPointer kWords = Open(UBRK_WORD);
  const BreakPointer& prototype = kind == BreakKind::kSentence ? kSentences : kWords;
  if (prototype == nullptr) {
    return nullptr;
  }
  UErrorCode error = U_ZERO_ERROR;
  BreakPointer it(ubrk_clone(prototype.get(), &error));
  return U_SUCCESS(error) ? std::move(it) : nullptr;
}

// Without ICU's data (a broken installation) the piece stays whole: a defined, harmless answer.
void BreakPiece(std::string_view piece, size_t base, BreakKind kind, std::vector<Boundary>* out) {
  const BreakPointer it = Clone(kind);
  UErrorCode error = U_ZERO_ERROR;
  std::unique_ptr<UText, TextCloser> text(
      utext_openUTF8(nullptr, piece.data(), static_cast<int64_t>(piece.size()), &error));
  if (it != nullptr && U_SUCCESS(error)) {
    ubrk_setUText(it.get(), text.get(), &error);
  }
  if (it == nullptr || U_FAILURE(error)) {
    out->push_back({base + piece.size(), UBRK_WORD_LETTER});
    return;
  }
  ubrk_first(it.get());
  for (int32_t at = ubrk_next(it.get()); at != UBRK_DONE; at = ubrk_next(it.get())) {
    out->push_back({base + static_cast<size_t>(at), ubrk_getRuleStatus(it.get())});
  }
}

}  // namespace

std::vector<Boundary> FindBoundaries(std::string_view utf8, BreakKind kind) {
  std::vector<Boundary> out;
  for (size_t base = 0; base < utf8.size();) {
    size_t take = utf8.size() - base;
    if (take > kBreakBytes) {
      take = kBreakBytes;
      while (take > kBreakBytes - 4 && (static_cast<uint8_t>(utf8[base + take]) & 0xC0U) == 0x80U) {
        --take;
      }
    }
    BreakPiece(utf8.substr(base, take), base, kind, &out);
    base += take;
  }
  return out;
}

}  // namespace leadline::text
