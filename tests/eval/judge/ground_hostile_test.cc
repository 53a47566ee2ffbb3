// Input nobody sends on purpose: every case must end in a report or a typed error, quickly.

#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "leadline/core/rng.h"
#include "leadline/eval/ground.h"
#include "status_matchers.h"

namespace leadline {
namespace {

const std::string kText =
    "Bangkok had 8.3 million people on 1 July 2021, or 12% of Thailand\u2019s. 曼谷有830万人。 "
    "กรุงเทพมหานครไม่ใช่เมืองเล็ก $5.2m, €3, 40 kg and \"twenty-one\" of them - Dr. A. Smith et al.";

GroundJudge MakeJudge(int tier = 1) {
  return std::move(GroundJudge::Create({tier})).value();
}

void ExpectSound(const GroundInput& input, const Result<GroundReport>& report) {
  ASSERT_OK(report);
  const auto in_range = [](const GroundValue& value) {
    return value.defined() ? std::isfinite(*value.value) && *value.value >= 0 && *value.value <= 1
                           : !value.reason.empty();
  };
  EXPECT_TRUE(in_range(report->score));
  for (const GroundSentence& sentence : report->sentences) {
    EXPECT_TRUE(in_range(sentence.score));
    EXPECT_EQ(sentence.score.defined(), sentence.verdict != GroundVerdict::kAbstain);
    ASSERT_LE(sentence.begin, sentence.end);
    ASSERT_LE(sentence.end, input.response.size());
    EXPECT_GE(sentence.evidence.word_coverage, 0);
    EXPECT_LE(sentence.evidence.word_coverage, 1 + 1e-9);
    EXPECT_LE(sentence.evidence.bigram_coverage, 1 + 1e-9);
    if (sentence.evidence.context) {
      ASSERT_LT(*sentence.evidence.context, input.contexts.size());
      ASSERT_LE(sentence.evidence.end, input.contexts[*sentence.evidence.context].size());
    }
  }
}

TEST(GroundHostile, NamesTheFieldThatIsTooLarge) {
  const GroundJudge judge = MakeJudge();
  const auto field_of = [&judge](const GroundInput& input) {
    const Status status = judge.Judge(input).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    return status.field() + " " + status.limit();
  };
  EXPECT_EQ(field_of({"a", std::string(size_t{10} << 20, 'x'), {"c"}, ""}),
            "response " + std::to_string(kMaxGroundResponseBytes));
  EXPECT_EQ(field_of({std::string(kMaxGroundIdBytes + 1, 'x'), "r", {"c"}, ""}),
            "id " + std::to_string(kMaxGroundIdBytes));
  EXPECT_EQ(field_of({"a", "r", {"c"}, std::string(kMaxGroundQuestionBytes + 1, 'x')}),
            "question " + std::to_string(kMaxGroundQuestionBytes));
  EXPECT_EQ(field_of({"a", "r", std::vector<std::string>(kMaxGroundContexts + 1), ""}),
            "contexts " + std::to_string(kMaxGroundContexts));
  EXPECT_EQ(field_of({"a", "r", {std::string(kMaxGroundContextBytes, 'x'), "y"}, ""}),
            "contexts " + std::to_string(kMaxGroundContextBytes));
}

TEST(GroundHostile, SurvivesTruncationAtEachByte) {
  for (const int tier : {0, 1}) {
    const GroundJudge judge = MakeJudge(tier);
    for (size_t size = 0; size <= kText.size(); ++size) {
      const GroundInput cut{"a", kText.substr(0, size), {kText, kText.substr(size)}, ""};
      ExpectSound(cut, judge.Judge(cut));
    }
  }
}

TEST(GroundHostile, SurvivesFlippedBits) {
  constexpr uint64_t kSeed = 20261;
  Rng rng(kSeed);
  const GroundJudge judge = MakeJudge();
  for (int round = 0; round < 500; ++round) {
    std::string response = kText;
    std::string context = kText;
    for (int flips = 0; flips < 8; ++flips) {
      response[rng.Uniform(response.size())] ^= static_cast<char>(1U << rng.Uniform(8));
      context[rng.Uniform(context.size())] ^= static_cast<char>(1U << rng.Uniform(8));
    }
    const GroundInput input{"a", response, {context, response.substr(response.size() / 2)}, ""};
    ExpectSound(input, judge.Judge(input));
    ASSERT_FALSE(::testing::Test::HasFailure()) << "seed " << kSeed << " round " << round;
  }
}

TEST(GroundHostile, SurvivesRepetitionWithoutEnd) {
  const GroundJudge judge = MakeJudge();
  const auto repeat = [](const std::string& unit, size_t bytes) {
    std::string out;
    while (out.size() < bytes) {
      out += unit;
    }
    return out;
  };
  constexpr size_t kBytes = size_t{48} << 10;
  for (const char* unit :
       {"a ", "the ", "not no ", "1 ", "5 May 2020 ", "X. ", "Ab Cd ", "\xff\xfe", "1,", "1.", "十",
        "ก", "-", "\n", "9999999999999999999 ", "cell cell. "}) {
    const GroundInput input{"a", repeat(unit, kBytes), {repeat(unit, 2 * kBytes)}, ""};
    ExpectSound(input, judge.Judge(input));
  }
}

TEST(GroundHostile, SurvivesNumbersOutOfRange) {
  const GroundJudge judge = MakeJudge();
  for (const char* text :
       {"999999999999999 million million million million billion people came",
        "0 and 0.0 and 00000 people, -1 and 1e999", "March 99999, 0000-00-00, 13 Foo 1900",
        "1,2,3,4,5.6.7.8 and 1..2 and ,5", "１２３ and ٣٤٥ and ๑๒๓ people",
        "亿万千百十 people 二〇二一"}) {
    const GroundInput input{"a", text, {text, "12 people"}, ""};
    ExpectSound(input, judge.Judge(input));
  }
}

TEST(GroundHostile, CutsASentenceThatNeverEnds) {
  std::string response;
  for (int i = 0; i < 2000; ++i) {
    response += "word" + std::to_string(i) + " ";
  }
  ASSERT_OK_AND_ASSIGN(const GroundReport report,
                       MakeJudge().Judge({"a", response, {response}, ""}));
  EXPECT_EQ(report.sentences.size(), 8U);
  EXPECT_GT(*report.score.value, 0.9);
}

}  // namespace
}  // namespace leadline
