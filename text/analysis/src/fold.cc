#include "leadline/text/fold.h"

#include <cstdint>
#include <limits>
#include <vector>

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uscript.h>
#include <unicode/ustring.h>
#include <unicode/utf16.h>

#include "leadline/text/utf8.h"

namespace leadline::text {
namespace {

using Utf16 = std::vector<UChar>;

constexpr UChar32 kKanaVoicedMark = 0x3099;
constexpr UChar32 kKanaSemiVoicedMark = 0x309A;

// Longer texts are folded piece by piece, so that ICU's int32 lengths never overflow.
constexpr size_t kFoldBytes = size_t{1} << 24;

// Two-pass ICU calls: the needed length is reported first when the buffer is too small.
template <typename Call>
bool Fill(Utf16* out, size_t guess, Call call) {
  out->resize(guess);
  UErrorCode error = U_ZERO_ERROR;
  int32_t length = call(out->data(), static_cast<int32_t>(out->size()), &error);
  if (error == U_BUFFER_OVERFLOW_ERROR) {
    out->resize(static_cast<size_t>(length));
    error = U_ZERO_ERROR;
    length = call(out->data(), static_cast<int32_t>(out->size()), &error);
  }
  if (U_FAILURE(error)) {
    return false;
  }
  out->resize(static_cast<size_t>(length));
  return true;
}

bool Normalize(const UNormalizer2* form, const Utf16& in, Utf16* out) {
  return form != nullptr &&
         Fill(out, in.size() * 2 + 8, [&](UChar* to, int32_t capacity, UErrorCode* error) {
           return unorm2_normalize(form, in.data(), static_cast<int32_t>(in.size()), to, capacity,
                                   error);
         });
}

bool IsSharedAccent(UChar32 rune) {
  if (u_charType(rune) != U_NON_SPACING_MARK || rune == kKanaVoicedMark ||
      rune == kKanaSemiVoicedMark) {
    return false;
  }
  UErrorCode error = U_ZERO_ERROR;
  const UScriptCode script = uscript_getScript(rune, &error);
  return U_SUCCESS(error) && (script == USCRIPT_INHERITED || script == USCRIPT_COMMON);
}

void StripAccents(Utf16* units) {
  const auto length = static_cast<int32_t>(units->size());
  int32_t read = 0;
  int32_t write = 0;
  while (read < length) {
    UChar32 rune = 0;
    const int32_t start = read;
    U16_NEXT(units->data(), read, length, rune);
    if (!IsSharedAccent(rune)) {
      for (int32_t i = start; i < read; ++i) {
        (*units)[static_cast<size_t>(write++)] = (*units)[static_cast<size_t>(i)];
      }
    }
  }
  units->resize(static_cast<size_t>(write));
}

std::string FoldAscii(std::string_view ascii) {
  std::string out(ascii);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') {
      c = static_cast<char>(c + ('a' - 'A'));
    }
  }
  return out;
}

void AppendUtf8(const Utf16& units, std::string* out) {
  const auto length = static_cast<int32_t>(units.size());
  for (int32_t i = 0; i < length;) {
    UChar32 rune = 0;
    U16_NEXT(units.data(), i, length, rune);
    AppendRune(out, static_cast<char32_t>(rune));
  }
}

void FoldPiece(std::string_view piece, std::string* out) {
  Utf16 units;
  const bool decoded =
      Fill(&units, piece.size() + 1, [&](UChar* to, int32_t capacity, UErrorCode* error) {
        int32_t length = 0;
        u_strFromUTF8WithSub(to, capacity, &length, piece.data(),
                             static_cast<int32_t>(piece.size()),
                             static_cast<UChar32>(kReplacementRune), nullptr, error);
        return length;
      });
  UErrorCode error = U_ZERO_ERROR;
  Utf16 folded;
  Utf16 split;
  if (!decoded || !Normalize(unorm2_getNFKCCasefoldInstance(&error), units, &folded) ||
      !Normalize(unorm2_getNFDInstance(&error), folded, &split)) {
    out->append(FoldAscii(ReplaceInvalidUtf8(piece)));
    return;
  }
  StripAccents(&split);
  if (!Normalize(unorm2_getNFCInstance(&error), split, &units)) {
    units = std::move(split);
  }
  AppendUtf8(units, out);
}

}  // namespace

std::string Fold(std::string_view utf8) {
  if (IsAscii(utf8)) {
    return FoldAscii(utf8);
  }
  std::string out;
  out.reserve(utf8.size());
  while (!utf8.empty()) {
    size_t take = utf8.size();
    if (take > kFoldBytes) {
      take = kFoldBytes;
      while (take > kFoldBytes - 4 && (static_cast<uint8_t>(utf8[take]) & 0xC0U) == 0x80U) {
        --take;
      }
    }
    FoldPiece(utf8.substr(0, take), &out);
    utf8.remove_prefix(take);
  }
  return out;
}

}  // namespace leadline::text
