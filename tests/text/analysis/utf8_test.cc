#include "leadline/text/utf8.h"

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace leadline::text {
namespace {

std::string Encode(char32_t rune) {
  std::string out;
  AppendRune(&out, rune);
  return out;
}

// The table of the Unicode Standard 3-7, written out byte by byte: an oracle of its own.
bool IsWellFormed(const std::string& s) {
  for (size_t i = 0; i < s.size();) {
    auto byte = [&](size_t k) -> int {
      return i + k < s.size() ? static_cast<unsigned char>(s[i + k]) : -1;
    };
    auto within = [&](size_t k, int low, int high) { return byte(k) >= low && byte(k) <= high; };
    if (within(0, 0x00, 0x7F)) {
      i += 1;
    } else if (within(0, 0xC2, 0xDF) && within(1, 0x80, 0xBF)) {
      i += 2;
    } else if ((within(0, 0xE0, 0xE0) && within(1, 0xA0, 0xBF) && within(2, 0x80, 0xBF)) ||
               (within(0, 0xE1, 0xEC) && within(1, 0x80, 0xBF) && within(2, 0x80, 0xBF)) ||
               (within(0, 0xED, 0xED) && within(1, 0x80, 0x9F) && within(2, 0x80, 0xBF)) ||
               (within(0, 0xEE, 0xEF) && within(1, 0x80, 0xBF) && within(2, 0x80, 0xBF))) {
      i += 3;
    } else if (((within(0, 0xF0, 0xF0) && within(1, 0x90, 0xBF)) ||
                (within(0, 0xF1, 0xF3) && within(1, 0x80, 0xBF)) ||
                (within(0, 0xF4, 0xF4) && within(1, 0x80, 0x8F))) &&
               within(2, 0x80, 0xBF) && within(3, 0x80, 0xBF)) {
      i += 4;
    } else {
      return false;
    }
  }
  return true;
}

TEST(Utf8, EveryCodePointRoundTrips) {
  for (char32_t rune = 0; rune <= 0x10FFFF; ++rune) {
    if (rune >= 0xD800 && rune < 0xE000) {
      continue;
    }
    const std::string bytes = Encode(rune);
    ASSERT_TRUE(IsValidUtf8(bytes));
    const DecodedRune forward = DecodeRune(bytes, 0);
    const DecodedRune backward = DecodeRuneBefore(bytes, bytes.size());
    ASSERT_EQ(forward.rune, rune);
    ASSERT_EQ(forward.size, bytes.size());
    ASSERT_EQ(backward.rune, rune);
    ASSERT_EQ(backward.size, bytes.size());
  }
}

TEST(Utf8, ValidityAgreesWithStandardTableOnRandomBytes) {
  std::mt19937 random(7);
  const std::string alphabet(
      "a\x80\xBF\x9F\xA0\x90\x8F\xC0\xC2\xDF\xE0\xE1\xED\xEF\xF0\xF1\xF4\xF5", 18);
  for (int round = 0; round < 200000; ++round) {
    std::string s;
    for (size_t n = random() % 6; n > 0; --n) {
      s += alphabet[random() % alphabet.size()];
    }
    ASSERT_EQ(IsValidUtf8(s), IsWellFormed(s)) << ::testing::PrintToString(s);
    ASSERT_TRUE(IsWellFormed(ReplaceInvalidUtf8(s)));
  }
}

TEST(Utf8, FindsBadByteAnywhereInLongText) {
  std::string text(300, 'x');
  ASSERT_TRUE(IsValidUtf8(text));
  for (size_t at = 0; at < text.size(); ++at) {
    std::string bad = text;
    bad[at] = '\xFF';
    ASSERT_FALSE(IsValidUtf8(bad)) << at;
    ASSERT_FALSE(IsAscii(bad)) << at;
  }
}

TEST(Utf8, ReplacesOneMarkPerMaximalSubpart) {
  EXPECT_EQ(ReplaceInvalidUtf8("a\xE0\xA4z"), "a\uFFFDz");              // cut three-byte sequence
  EXPECT_EQ(ReplaceInvalidUtf8("\xC0\xAF"), "\uFFFD\uFFFD");            // overlong slash
  EXPECT_EQ(ReplaceInvalidUtf8("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");  // surrogate
  EXPECT_EQ(ReplaceInvalidUtf8("ok \uFFFD"), "ok \uFFFD");
  EXPECT_EQ(Encode(0xD800), "\uFFFD");
}

TEST(Utf8, DecodingPastTheEndReadsNothing) {
  EXPECT_EQ(DecodeRune("abc", 3).size, 0U);
  EXPECT_EQ(DecodeRune("abc", 99).size, 0U);
  EXPECT_EQ(DecodeRuneBefore("abc", 0).size, 0U);
  EXPECT_EQ(CountRunes("กขค"), 3U);
}

}  // namespace
}  // namespace leadline::text
