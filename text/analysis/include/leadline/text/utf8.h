#pragma once

/// UTF-8 decoding. Text from outside is never trusted to be valid: decoding maps
/// each ill-formed sequence to U+FFFD (one per maximal subpart, as the Unicode Standard 3.9
/// recommends).

#include <cstddef>
#include <string>
#include <string_view>

namespace leadline::text {

inline constexpr char32_t kReplacementRune = 0xFFFD;

/// One decoded code point and the bytes it took; `size` is 0 only where no byte is left.
struct DecodedRune {
  char32_t rune = kReplacementRune;
  size_t size = 0;
};

/// Decodes the code point that starts at byte `at`; U+FFFD where the bytes are ill-formed.
DecodedRune DecodeRune(std::string_view utf8, size_t at);

/// Decodes the code point that ends just before byte `end`; U+FFFD where the bytes are ill-formed.
DecodedRune DecodeRuneBefore(std::string_view utf8, size_t end);

/// Appends a code point as UTF-8; surrogates and values above U+10FFFF append U+FFFD.
void AppendRune(std::string* out, char32_t rune);

/// Returns the text with every ill-formed sequence replaced by U+FFFD.
std::string ReplaceInvalidUtf8(std::string_view bytes);

/// Tells whether every byte is below 0x80.
bool IsAscii(std::string_view bytes);

/// Tells whether a code point has Unicode's White_Space property.
bool IsWhiteSpace(char32_t rune);

/// Counts code points, each ill-formed sequence as one.
size_t CountRunes(std::string_view utf8);

}  // namespace leadline::text
