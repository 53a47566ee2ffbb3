#include "leadline/text/words.h"

#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace leadline::text {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Words(std::string_view text) {
  std::vector<std::string> out;
  for (const WordSpan& word : SplitWords(text)) {
    out.emplace_back(text.substr(word.begin, word.end - word.begin));
  }
  return out;
}

std::vector<std::string> Folded(std::string_view text) {
  std::vector<std::string> out;
  for (WordSpan& word : SplitWords(text)) {
    out.push_back(std::move(word.folded));
  }
  return out;
}

TEST(SplitWords, DropsPunctuationAndKeepsInnerMarks) {
  EXPECT_THAT(Words("Don't pay $1,000.50 (today)!"),
              ElementsAre("Don't", "pay", "1,000.50", "today"));
  EXPECT_THAT(Words("state-of-the-art"), ElementsAre("state", "of", "the", "art"));
}

TEST(SplitWords, FoldsEachWord) {
  EXPECT_THAT(Folded("Élan VITAL, naïve"), ElementsAre("elan", "vital", "naive"));
}

TEST(SplitWords, CutsThaiAndChineseByDictionary) {
  EXPECT_THAT(Words("ฉันกินข้าว"), ElementsAre("ฉัน", "กิน", "ข้าว"));
  EXPECT_THAT(Words("我爱北京天安门"), ElementsAre("我", "爱", "北京", "天安门"));
}

TEST(SplitWords, TellsKinds) {
  const std::vector<WordSpan> words = SplitWords("B12 costs 3.14 北京");
  ASSERT_EQ(words.size(), 4U);
  EXPECT_EQ(words[0].kind, WordKind::kLetters);
  EXPECT_EQ(words[1].kind, WordKind::kLetters);
  EXPECT_EQ(words[2].kind, WordKind::kNumber);
  EXPECT_EQ(words[3].kind, WordKind::kIdeographic);
}

TEST(SplitWords, GivesByteOffsetsOfTheOriginalText) {
  const std::string text = "\xFFпривет мир";
  const std::vector<WordSpan> words = SplitWords(text);
  ASSERT_EQ(words.size(), 2U);
  EXPECT_EQ(text.substr(words[0].begin, words[0].end - words[0].begin), "привет");
  EXPECT_EQ(text.substr(words[1].begin, words[1].end - words[1].begin), "мир");
}

TEST(SplitWords, EmptyAndBlankTextsHaveNoWords) {
  EXPECT_THAT(Words(""), IsEmpty());
  EXPECT_THAT(Words(" \n\t ... "), IsEmpty());
}

TEST(SplitWords, SpansAreOrderedAndInsideOnRandomBytes) {
  std::mt19937 random(11);
  for (int round = 0; round < 2000; ++round) {
    std::string text(random() % 40, '\0');
    for (char& c : text) {
      c = static_cast<char>(random());
    }
    size_t last = 0;
    for (const WordSpan& word : SplitWords(text)) {
      ASSERT_LE(last, word.begin);
      ASSERT_LT(word.begin, word.end);
      ASSERT_LE(word.end, text.size());
      last = word.end;
    }
  }
}

}  // namespace
}  // namespace leadline::text
