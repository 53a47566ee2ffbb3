#include "leadline/text/fold.h"

#include <gtest/gtest.h>

namespace leadline::text {
namespace {

TEST(Fold, RemovesCaseAccentsAndCompatibilityForms) {
  EXPECT_EQ(Fold("Café"), "cafe");
  EXPECT_EQ(Fold("Cafe\u0301"), "cafe");
  EXPECT_EQ(Fold("ＣＡＦＥ １２"), "cafe 12");
  EXPECT_EQ(Fold("Straße"), "strasse");
  EXPECT_EQ(Fold("STRASSE"), "strasse");
  EXPECT_EQ(Fold("ﬁne"), "fine");
  EXPECT_EQ(Fold("ΆΛΦΑ"), Fold("αλφα"));
  EXPECT_EQ(Fold("İstanbul"), "istanbul");
}

TEST(Fold, KeepsMarksThatMakeTheLetter) {
  EXPECT_EQ(Fold("ที่นี่"), "ที่นี่");          // Thai vowels and tones
  EXPECT_EQ(Fold("हिन्दी"), "हिन्दी");    // Devanagari vowel signs and virama
  EXPECT_EQ(Fold("が"), "が");          // kana voicing
  EXPECT_EQ(Fold("한국어"), "한국어");  // composed back
}

TEST(Fold, ReplacesInvalidBytes) {
  EXPECT_EQ(Fold("A\xFF"), "a\uFFFD");
  EXPECT_EQ(Fold(""), "");
}

TEST(Fold, AsciiPathEqualsGeneralPath) {
  std::string ascii;
  for (char c = 1; c < 127; ++c) {
    ascii += c;
  }
  const std::string general = Fold(ascii + "é");
  EXPECT_EQ(general, Fold(ascii) + "e");
}

}  // namespace
}  // namespace leadline::text
