#include "leadline/text/utf8.h"

#include <random>
#include <string>

#include <gtest/gtest.h>

#include "leadline/core/utf8_check.h"

namespace leadline::text {
namespace {

std::string Encode(char32_t rune) {
  std::string out;
  AppendRune(&out, rune);
  return out;
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

TEST(Utf8, ReplacementIsWellFormedAndKeepsWhatWas) {
  std::mt19937 random(7);
  const std::string alphabet(
      "a\x80\xBF\x9F\xA0\x90\x8F\xC0\xC2\xDF\xE0\xE1\xED\xEF\xF0\xF1\xF4\xF5", 18);
  for (int round = 0; round < 200000; ++round) {
    std::string s;
    for (size_t n = random() % 6; n > 0; --n) {
      s += alphabet[random() % alphabet.size()];
    }
    const std::string replaced = ReplaceInvalidUtf8(s);
    ASSERT_TRUE(IsValidUtf8(replaced)) << ::testing::PrintToString(s);
    ASSERT_EQ(replaced == s, IsValidUtf8(s)) << ::testing::PrintToString(s);
  }
}

TEST(Utf8, IsAsciiSeesAHighByteAnywhere) {
  const std::string text(300, 'x');
  ASSERT_TRUE(IsAscii(text));
  for (size_t at = 0; at < text.size(); ++at) {
    std::string bad = text;
    bad[at] = '\xFF';
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
