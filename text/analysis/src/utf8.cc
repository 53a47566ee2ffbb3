#include "leadline/text/utf8.h"

#include <cstdint>
#include <cstring>

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include "leadline/core/utf8_check.h"

namespace leadline::text {
namespace {

// ICU's macros count in int32; a window of a few bytes around the position keeps that safe for
// texts of any size.
constexpr size_t kWindow = 8;

}  // namespace

DecodedRune DecodeRune(std::string_view utf8, size_t at) {
  if (at >= utf8.size()) {
    return {};
  }
  const std::string_view window = utf8.substr(at, kWindow);
  const auto* bytes = reinterpret_cast<const uint8_t*>(window.data());
  int32_t i = 0;
  UChar32 rune = 0;
  U8_NEXT_OR_FFFD(bytes, i, static_cast<int32_t>(window.size()), rune);
  return {static_cast<char32_t>(rune), static_cast<size_t>(i)};
}

DecodedRune DecodeRuneBefore(std::string_view utf8, size_t end) {
  if (end == 0 || end > utf8.size()) {
    return {};
  }
  const size_t start = end > kWindow ? end - kWindow : 0;
  const auto* bytes = reinterpret_cast<const uint8_t*>(utf8.data() + start);
  const auto length = static_cast<int32_t>(end - start);
  int32_t i = length;
  UChar32 rune = 0;
  U8_PREV_OR_FFFD(bytes, 0, i, rune);
  return {static_cast<char32_t>(rune), static_cast<size_t>(length - i)};
}

void AppendRune(std::string* out, char32_t rune) {
  if (rune > 0x10FFFF || (rune >= 0xD800 && rune < 0xE000)) {
    rune = kReplacementRune;
  }
  char bytes[4];
  int32_t n = 0;
  U8_APPEND_UNSAFE(bytes, n, static_cast<UChar32>(rune));
  out->append(bytes, static_cast<size_t>(n));
}

bool IsAscii(std::string_view bytes) {
  size_t at = 0;
  uint64_t seen = 0;
  for (; at + sizeof(uint64_t) <= bytes.size(); at += sizeof(uint64_t)) {
    uint64_t word;
    std::memcpy(&word, bytes.data() + at, sizeof word);
    seen |= word;
  }
  for (; at < bytes.size(); ++at) {
    seen |= static_cast<uint8_t>(bytes[at]);
  }
  return (seen & 0x8080808080808080ULL) == 0;
}

std::string ReplaceInvalidUtf8(std::string_view bytes) {
  if (IsValidUtf8(bytes)) {
    return std::string(bytes);
  }
  std::string out;
  out.reserve(bytes.size() + bytes.size() / 8);
  for (size_t at = 0; at < bytes.size();) {
    const DecodedRune next = DecodeRune(bytes, at);
    AppendRune(&out, next.rune);
    at += next.size;
  }
  return out;
}

bool IsWhiteSpace(char32_t rune) {
  return u_isUWhiteSpace(static_cast<UChar32>(rune)) != 0;
}

size_t CountRunes(std::string_view utf8) {
  size_t count = 0;
  for (size_t at = 0; at < utf8.size(); at += DecodeRune(utf8, at).size) {
    ++count;
  }
  return count;
}

}  // namespace leadline::text
