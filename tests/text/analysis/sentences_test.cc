#include "leadline/text/sentences.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace leadline::text {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Sentences(std::string_view text) {
  std::vector<std::string> out;
  for (const SentenceSpan& span : SplitSentences(text)) {
    out.emplace_back(text.substr(span.begin, span.end - span.begin));
  }
  return out;
}

TEST(SplitSentences, SplitsPlainProse) {
  EXPECT_THAT(Sentences("One day. Two days! Three days? \"Four,\" he said."),
              ElementsAre("One day.", "Two days!", "Three days?", "\"Four,\" he said."));
}

TEST(SplitSentences, KeepsAbbreviationsTogether) {
  for (const char* text : {
           "Dr. Smith met Prof. Jones in Washington.",
           "The growth, e.g. Figure 2, was fast.",
           "See Fig. 3 and Eq. 4 for details.",
           "Shown by Lee et al. (2010) before.",
           "Article No. 5 was signed on Jan. 3 by both.",
           "George W. Bush and J. R. R. Tolkien met.",
           "The U.S. Army left at 5 p.m. Eastern time.",
           "Apple Inc. Chief Tim Cook spoke.",
           "Growth inhibition (Lampugnani, G.M., A. Zanetti, M. Corada, T. Takahashi) was found.",
           "Boston vs. Chicago was played.",
       }) {
    EXPECT_THAT(Sentences(text), ElementsAre(text));
  }
}

TEST(SplitSentences, KeepsDecimalsAndAddressesTogether) {
  EXPECT_THAT(Sentences("It fell by 3.5 percent to $1,000.25 at p < .05 overall."),
              ElementsAre("It fell by 3.5 percent to $1,000.25 at p < .05 overall."));
  EXPECT_THAT(Sentences("Read www.example.org for v1.2.3 news."),
              ElementsAre("Read www.example.org for v1.2.3 news."));
}

TEST(SplitSentences, EndsAfterAbbreviationWhenANewSentenceOpens) {
  EXPECT_THAT(Sentences("He moved to the U.S. He liked it."),
              ElementsAre("He moved to the U.S.", "He liked it."));
  EXPECT_THAT(Sentences("They sell tea, coffee, etc. The shop is small."),
              ElementsAre("They sell tea, coffee, etc.", "The shop is small."));
  EXPECT_THAT(Sentences("It needs vitamin C. Later it grows."),
              ElementsAre("It needs vitamin C.", "Later it grows."));
  EXPECT_THAT(Sentences("I said no. Nobody heard."), ElementsAre("I said no.", "Nobody heard."));
}

TEST(SplitSentences, KeepsListNumbersWithTheirItem) {
  EXPECT_THAT(Sentences("1. First item\n2. Second item"),
              ElementsAre("1. First item", "2. Second item"));
}

TEST(SplitSentences, SplitsTextWithoutCapitals) {
  EXPECT_THAT(Sentences("the tower is in paris. bananas are yellow fruits. cats sleep."),
              ElementsAre("the tower is in paris.", "bananas are yellow fruits.", "cats sleep."));
  EXPECT_THAT(Sentences("it opened in 1889. 7 million people came [1]. it is tall . é is a vowel."),
              ElementsAre("it opened in 1889.", "7 million people came [1].", "it is tall .",
                          "é is a vowel."));
  EXPECT_THAT(Sentences("he said `` no '' . she left (early) . it rained."),
              ElementsAre("he said `` no '' .", "she left (early) .", "it rained."));
  EXPECT_THAT(Sentences("1. eggs and ham. 12. milk"), ElementsAre("1. eggs and ham.", "12. milk"));
  EXPECT_THAT(Sentences("they sell tea, coffee, etc. the shop is small."),
              ElementsAre("they sell tea, coffee, etc.", "the shop is small."));
  for (const char* text : {
           "dr. smith met j. r. r. tolkien and prof. jones in st. louis.",
           "the growth, e.g. figure 2, was fast (lee et al. found), see fig. 3 and no. 4 for more.",
           "the u.s. army left at 5 p.m. eastern time, approx. five km off.",
           "it fell by 3.5 percent to 1,000.25 at p < .05, read www.example.org for more.",
           "he waited . . . and waited ... and left",
           "в г. москве и т. д. было тепло",
       }) {
    EXPECT_THAT(Sentences(text), ElementsAre(text));
  }
}

TEST(SplitSentences, KeepsLowerCaseAfterAFullStopWhereThereAreCapitals) {
  EXPECT_THAT(Sentences("The max. speed is known. The rest is not."),
              ElementsAre("The max. speed is known.", "The rest is not."));
  EXPECT_THAT(Sentences("Макс. скорость известна."), ElementsAre("Макс. скорость известна."));
}

TEST(SplitSentences, EndsAtLineBreaks) {
  EXPECT_THAT(Sentences("A heading\nSome text\n\nDr.\nSmith"),
              ElementsAre("A heading", "Some text", "Dr.", "Smith"));
}

TEST(SplitSentences, SplitsChineseAtItsFullStops) {
  EXPECT_THAT(Sentences("今天天气很好。我们去公园吧！你去吗？"),
              ElementsAre("今天天气很好。", "我们去公园吧！", "你去吗？"));
}

TEST(SplitSentences, SplitsThaiAtSpacesBetweenLongClauses) {
  const std::string first = "กรุงเทพมหานครเป็นเมืองหลวงและนครที่มีประชากรมากที่สุดของประเทศไทย";
  const std::string second = "เป็นศูนย์กลางการปกครอง";
  EXPECT_THAT(Sentences(first + " " + second), ElementsAre(first, second));
  EXPECT_THAT(Sentences("สวัสดี ครับ"), ElementsAre("สวัสดี ครับ"));
}

TEST(SplitSentences, EmptyAndBlankTextsHaveNoSentences) {
  EXPECT_THAT(Sentences(""), IsEmpty());
  EXPECT_THAT(Sentences(" \n\u3000\u00A0 "), IsEmpty());
}

TEST(SplitSentences, SpansCoverAllButWhiteSpaceOnRandomText) {
  std::mt19937 random(5);
  const std::vector<std::string> parts = {"Dr.", " ",    "A.",  "no",   ". ",       "\n", "กก",
                                          "。",  "\xFF", "3.5", "e.g.", "\xE0\xB8", "?",  "U.S."};
  for (int round = 0; round < 5000; ++round) {
    std::string text;
    for (size_t n = random() % 12; n > 0; --n) {
      text += parts[random() % parts.size()];
    }
    std::string covered;
    size_t last = 0;
    for (const SentenceSpan& span : SplitSentences(text)) {
      ASSERT_LE(last, span.begin);
      ASSERT_LT(span.begin, span.end);
      ASSERT_LE(span.end, text.size());
      covered += text.substr(span.begin, span.end - span.begin);
      last = span.end;
    }
    auto blank = [](char c) { return c == ' ' || c == '\n'; };
    std::string want = text;
    want.erase(std::remove_if(want.begin(), want.end(), blank), want.end());
    covered.erase(std::remove_if(covered.begin(), covered.end(), blank), covered.end());
    ASSERT_EQ(covered, want);
  }
}

}  // namespace
}  // namespace leadline::text
