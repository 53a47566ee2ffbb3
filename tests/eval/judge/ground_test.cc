#include "leadline/eval/ground.h"

#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "status_matchers.h"

namespace leadline {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

GroundReport Judge(const std::string& response, const std::vector<std::string>& contexts,
                   int tier = 1) {
  Result<GroundJudge> judge = GroundJudge::Create({tier});
  EXPECT_OK(judge);
  Result<GroundReport> report = judge->Judge({"id", response, contexts, ""});
  EXPECT_OK(report);
  return report.ok() ? *report : GroundReport{};
}

const std::vector<std::string> kBridge = {
    "The city lies on two rivers. Its oldest church was built in the twelfth century.",
    "The Harbour Bridge was opened on 19 March 1932 after eight years of work. It is 1,149 metres "
    "long and was designed by John Bradfield. Tolls pay for its upkeep."};

TEST(GroundJudge, SupportsACopiedSentence) {
  const GroundReport report =
      Judge("It is 1,149 metres long and was designed by John Bradfield.", kBridge);
  ASSERT_EQ(report.sentences.size(), 1U);
  const GroundSentence& sentence = report.sentences[0];
  EXPECT_EQ(sentence.verdict, GroundVerdict::kSupported);
  EXPECT_GT(*sentence.score.value, 0.95);
  EXPECT_EQ(sentence.evidence.context, 1U);
  EXPECT_EQ(sentence.evidence.sentence,
            "It is 1,149 metres long and was designed by John Bradfield.");
  EXPECT_EQ(
      kBridge[1].substr(sentence.evidence.begin, sentence.evidence.end - sentence.evidence.begin),
      sentence.evidence.sentence);
  EXPECT_THAT(sentence.evidence.missing, IsEmpty());
  EXPECT_GT(*report.score.value, 0.95);
  EXPECT_EQ(report.id, "id");
}

TEST(GroundJudge, ContradictsAChangedNumberAndListsIt) {
  const GroundReport report =
      Judge("The Harbour Bridge was opened on 19 March 1952 after nine years of work.", kBridge);
  const GroundSentence& sentence = report.sentences.at(0);
  EXPECT_EQ(sentence.verdict, GroundVerdict::kContradicted);
  EXPECT_LT(*sentence.score.value, 0.5);
  EXPECT_THAT(sentence.evidence.missing, ElementsAre("19 March 1952", "nine years"));
  EXPECT_THAT(sentence.evidence.missing_numbers, ElementsAre("19 March 1952", "nine years"));
}

TEST(GroundJudge, ContradictsNumbersSwappedBetweenSentences) {
  const std::vector<std::string> contexts = {
      "Plant Alpha made 300 turbines last winter. Plant Beta made 450 turbines last winter."};
  const GroundReport report = Judge("Plant Alpha made 450 turbines last winter.", contexts);
  const GroundSentence& sentence = report.sentences.at(0);
  EXPECT_EQ(sentence.verdict, GroundVerdict::kContradicted) << sentence.evidence.sentence;
  EXPECT_THAT(sentence.evidence.missing_numbers, IsEmpty()) << "450 is in the contexts";
}

TEST(GroundJudge, AcceptsTheSameNumberWrittenOtherwise) {
  for (const char* response :
       {"It is 1149 metres long and was designed by John Bradfield.",
        "It is 1.149 km long and was designed by John Bradfield.",
        "The Harbour Bridge was opened on March 19, 1932 after 8 years of work.",
        "The Harbour Bridge was opened on 1932-03-19 after eight years of work."}) {
    const GroundSentence sentence = Judge(response, kBridge).sentences.at(0);
    EXPECT_EQ(sentence.verdict, GroundVerdict::kSupported) << response;
    EXPECT_THAT(sentence.evidence.missing_numbers, IsEmpty()) << response;
  }
}

TEST(GroundJudge, ContradictsADroppedOrAddedNegation) {
  const std::vector<std::string> contexts = {
      "The new vaccine did not reduce the number of hospital admissions in older adults."};
  const GroundSentence flipped =
      Judge("The new vaccine did reduce the number of hospital admissions in older adults.",
            contexts)
          .sentences.at(0);
  EXPECT_EQ(flipped.verdict, GroundVerdict::kContradicted);
  EXPECT_EQ(flipped.evidence.opposed, "reduce");
  EXPECT_LT(*flipped.score.value, 0.5);
  const GroundSentence same =
      Judge("The new vaccine didn't reduce the number of hospital admissions in older adults.",
            contexts)
          .sentences.at(0);
  EXPECT_EQ(same.verdict, GroundVerdict::kSupported);
  EXPECT_EQ(same.evidence.opposed, "");
}

TEST(GroundJudge, ContradictsAnAntonym) {
  const GroundSentence sentence = Judge("Deleting the gene increases insulin secretion in mice.",
                                        {"Deleting the gene reduces insulin secretion in mice."})
                                      .sentences.at(0);
  EXPECT_EQ(sentence.verdict, GroundVerdict::kContradicted);
  EXPECT_EQ(sentence.evidence.opposed, "increases");
}

TEST(GroundJudge, ContradictsAnotherName) {
  const GroundSentence sentence =
      Judge("It is 1,149 metres long and was designed by Peter Lalor.", kBridge).sentences.at(0);
  EXPECT_EQ(sentence.verdict, GroundVerdict::kContradicted);
  EXPECT_THAT(sentence.evidence.missing_names, ElementsAre("Peter Lalor"));
}

TEST(GroundJudge, FindsUnrelatedTextNotMentioned) {
  const GroundReport report = Judge("Penguins feed their young with regurgitated krill.", kBridge);
  EXPECT_EQ(report.sentences.at(0).verdict, GroundVerdict::kNotMentioned);
  EXPECT_LT(*report.score.value, 0.1);
  EXPECT_FALSE(report.sentences.at(0).evidence.context.has_value());
}

TEST(GroundJudge, JudgesEachSentence) {
  const GroundReport report = Judge(
      "The bridge was designed by John Bradfield. Penguins feed their young with krill.", kBridge);
  ASSERT_EQ(report.sentences.size(), 2U);
  EXPECT_EQ(report.n_judged, 2U);
  EXPECT_EQ(report.sentences[0].verdict, GroundVerdict::kSupported);
  EXPECT_EQ(report.sentences[1].verdict, GroundVerdict::kNotMentioned);
  EXPECT_GT(*report.score.value, *report.sentences[1].score.value);
  EXPECT_LT(*report.score.value, *report.sentences[0].score.value);
}

TEST(GroundJudge, JudgesThai) {
  const std::vector<std::string> contexts = {
      "กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย มีประชากรประมาณ 5 ล้านคน",
      "แม่น้ำเจ้าพระยาไหลผ่านกรุงเทพมหานครลงสู่อ่าวไทย"};
  const GroundSentence same =
      Judge("กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย", contexts).sentences.at(0);
  EXPECT_EQ(same.verdict, GroundVerdict::kSupported);
  EXPECT_EQ(same.evidence.context, 0U);
  const GroundSentence denied =
      Judge("แม่น้ำเจ้าพระยาไม่ไหลผ่านกรุงเทพมหานครลงสู่อ่าวไทย", contexts).sentences.at(0);
  EXPECT_EQ(denied.verdict, GroundVerdict::kContradicted);
  const GroundSentence other = Judge("เพนกวินกินปลาในทะเลน้ำแข็ง", contexts).sentences.at(0);
  EXPECT_EQ(other.verdict, GroundVerdict::kNotMentioned);
}

TEST(GroundJudge, JudgesChinese) {
  const std::vector<std::string> contexts = {
      "第六届立法会共有70个议席，经2016年9月4日的选举产生。当中，地区直选选出35位议员。"};
  const GroundSentence same = Judge("第六届立法会共有70个议席。", contexts).sentences.at(0);
  EXPECT_EQ(same.verdict, GroundVerdict::kSupported);
  const GroundSentence changed = Judge("第六届立法会共有170个议席。", contexts).sentences.at(0);
  EXPECT_EQ(changed.verdict, GroundVerdict::kContradicted);
  EXPECT_THAT(changed.evidence.missing_numbers, Contains("170"));
  const GroundSentence other = Judge("企鹅在南极吃磷虾。", contexts).sentences.at(0);
  EXPECT_EQ(other.verdict, GroundVerdict::kNotMentioned);
}

TEST(GroundJudge, AbstainsWithAReasonWhereThereIsNothingToJudge) {
  struct Case {
    std::string response;
    std::vector<std::string> contexts;
    std::string reason;
  };

  const std::vector<Case> cases = {
      {"", kBridge, "response is empty"},
      {" \n\t", kBridge, "response is empty"},
      {"?!", kBridge, "response is empty"},
      {"The bridge is long.", {}, "no contexts"},
      {"The bridge is long.", {"", " \n"}, "no contexts"},
      {"I don't know.", kBridge, "declines"},
      {"I don\u2019t know.", kBridge, "declines"},
      {"The provided context does not mention the price of the bridge.", kBridge, "declines"},
      {"根据现有文档无法回答这个问题。", kBridge, "declines"},
      {"ไม่พบข้อมูลในเอกสาร", kBridge, "declines"},
      {"Sure, thanks.", kBridge, "no word to check"},
  };
  for (const Case& one : cases) {
    const GroundReport report = Judge(one.response, one.contexts);
    EXPECT_FALSE(report.score.defined()) << one.response;
    EXPECT_THAT(report.score.reason, HasSubstr(one.reason)) << one.response;
    EXPECT_EQ(report.n_judged, 0U);
    for (const GroundSentence& sentence : report.sentences) {
      EXPECT_EQ(sentence.verdict, GroundVerdict::kAbstain);
      EXPECT_FALSE(sentence.score.defined());
      EXPECT_THAT(sentence.score.reason, Not(IsEmpty()));
    }
    EXPECT_FALSE(report.baselines.word_overlap.defined());
    EXPECT_THAT(report.baselines.word_overlap.reason, Not(IsEmpty()));
  }
}

TEST(GroundJudge, ARefusalDoesNotChangeTheScoreOfTheRest) {
  const std::string claim = "The bridge was designed by John Bradfield.";
  const GroundReport alone = Judge(claim, kBridge);
  const GroundReport both = Judge(claim + " I don't know.", kBridge);
  EXPECT_EQ(both.n_judged, 1U);
  EXPECT_EQ(both.sentences.size(), 2U);
  EXPECT_DOUBLE_EQ(*both.score.value, *alone.score.value);
}

TEST(GroundJudge, SplitsUncasedAndTokenisedText) {
  EXPECT_EQ(Judge("the bridge is long . the city lies on two rivers .", kBridge).sentences.size(),
            2U);
  EXPECT_EQ(Judge("the bridge is long. the city lies on two rivers.", kBridge).sentences.size(),
            2U);
  EXPECT_EQ(Judge("mr. bradfield drew it, e.g. the arch.", kBridge).sentences.size(), 1U);
}

TEST(GroundJudge, CitationMarksAreNoClaims) {
  const std::vector<std::string> contexts = {"The tower is in Paris. It has 3 floors."};
  const std::string plain = "The tower is in Paris.";
  const double score = *Judge(plain, contexts).score.value;
  for (const char* mark : {"[1]", "[2, 3]", "[1-3]", "[1\u20133]", "[1 \u2014 3, 17]", "[ 12 ]",
                           "[^1]", "[1][2]", "[4] [5]"}) {
    const GroundReport report = Judge("The tower is in Paris " + std::string(mark) + ".", contexts);
    ASSERT_EQ(report.sentences.size(), 1U) << mark;
    EXPECT_EQ(*report.score.value, score) << mark;
    EXPECT_THAT(report.sentences[0].evidence.missing, IsEmpty()) << mark;
    EXPECT_THAT(report.sentences[0].evidence.missing_numbers, IsEmpty()) << mark;
    EXPECT_EQ(report.sentences[0].text, "The tower is in Paris " + std::string(mark) + ".");
    EXPECT_EQ(*Judge("[9] The tower" + std::string(mark) + " is in Paris.", contexts).score.value,
              score)
        << mark;
  }
  // A number keeps its claim beside a mark, and so do brackets that hold anything else.
  for (const char* claim : {"4 [1]", "[4", "4]", "[4.5]", "[4 floors]", "(4)", "[-4]", "[^]4"}) {
    const GroundReport report = Judge("It has " + std::string(claim) + " floors.", contexts);
    ASSERT_FALSE(report.sentences.empty()) << claim;
    EXPECT_THAT(report.sentences[0].evidence.missing_numbers, Not(IsEmpty())) << claim;
  }
  // Marks alone say nothing.
  EXPECT_FALSE(Judge("[1], [2]", contexts).score.defined());
}

TEST(GroundJudge, NeverScoresLowerWhenAContextIsTheResponseItself) {
  const std::string claim = "Penguins feed their young with krill from 3 bays.";
  std::vector<std::string> contexts = kBridge;
  const double before = *Judge(claim, contexts).score.value;
  contexts.push_back(claim);
  const double after = *Judge(claim, contexts).score.value;
  EXPECT_GT(after, before);
  EXPECT_GT(after, 0.95);
}

TEST(GroundJudge, ScoresFallAsCopiedWordsAreReplaced) {
  const std::vector<std::string> words = {"The",   "Harbour", "Bridge", "was", "opened",
                                          "after", "eight",   "years",  "of",  "work"};
  const std::vector<std::string> strange = {"Q",     "zyx",     "wvut", "srq",   "ponm",
                                            "lkjih", "gfedcba", "quux", "xyzzy", "plugh"};
  double last = 2;
  for (size_t replaced = 0; replaced <= words.size(); ++replaced) {
    std::string response;
    for (size_t i = 0; i < words.size(); ++i) {
      response += (i < replaced ? strange[i] : words[i]) + (i + 1 < words.size() ? " " : ".");
    }
    const double score = *Judge(response, kBridge).score.value;
    EXPECT_LE(score, last + 1e-9) << response;
    last = score;
  }
  EXPECT_LT(last, 0.05);
}

TEST(GroundJudge, ScoresAShuffledCopyLower) {
  const double copied =
      *Judge("The Harbour Bridge was opened on 19 March 1932 after eight years of work.", kBridge)
           .score.value;
  const double shuffled =
      *Judge("Work of years opened the eight on Bridge after 19 March 1932 was Harbour.", kBridge)
           .score.value;
  EXPECT_LT(shuffled, copied - 0.01);
}

TEST(GroundJudge, IgnoresCaseAccentsAndInflection) {
  const GroundSentence sentence =
      Judge("THE CAFÉS OPENED AGAIN IN AUTUMN", {"The cafe opened again in autumn."})
          .sentences.at(0);
  EXPECT_EQ(sentence.verdict, GroundVerdict::kSupported);
}

TEST(GroundJudge, TierZeroChecksFactsOnly) {
  const GroundSentence plain = Judge("The bridge is beautiful.", kBridge, 0).sentences.at(0);
  EXPECT_EQ(plain.verdict, GroundVerdict::kAbstain);
  EXPECT_THAT(plain.score.reason, HasSubstr("to check"));
  const GroundSentence right =
      Judge("The bridge was designed by John Bradfield.", kBridge, 0).sentences.at(0);
  EXPECT_EQ(right.verdict, GroundVerdict::kSupported);
  const GroundSentence wrong =
      Judge("It is 2,300 metres long and was designed by John Bradfield.", kBridge, 0)
          .sentences.at(0);
  EXPECT_EQ(wrong.verdict, GroundVerdict::kContradicted);
}

TEST(GroundJudge, NamesTheTiersThatExist) {
  for (const int tier : {2, 3}) {
    EXPECT_THAT(GroundJudge::Create({tier}),
                testing::StatusIs(StatusCode::kUnimplemented, "0 (rules) and 1 (lexical)"));
  }
  for (const int tier : {-1, 4}) {
    EXPECT_THAT(GroundJudge::Create({tier}),
                testing::StatusIs(StatusCode::kInvalidArgument, "tier"));
  }
}

TEST(GroundJudge, GivesEqualReportsFromManyThreads) {
  ASSERT_OK_AND_ASSIGN(const GroundJudge judge, GroundJudge::Create({}));
  const GroundInput input{"x", "The bridge was opened in 1932 by John Bradfield.", kBridge, ""};
  ASSERT_OK_AND_ASSIGN(const GroundReport expected, judge.Judge(input));
  std::vector<std::thread> threads;
  std::vector<double> scores(4, -1);
  for (double& score : scores) {
    threads.emplace_back([&judge, &input, &score] {
      for (int i = 0; i < 50; ++i) {
        Result<GroundReport> report = judge.Judge(input);
        score = report.ok() ? report->score.value.value_or(-2) : -3;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (const double score : scores) {
    EXPECT_EQ(score, *expected.score.value);
  }
}

TEST(GroundJudge, ComputesTheTrivialBaselines) {
  const GroundReport report = Judge("The cat SAT there", {"the cat sat down", "over there"});
  EXPECT_DOUBLE_EQ(*report.baselines.word_overlap.value, 1.0);
  EXPECT_DOUBLE_EQ(*report.baselines.bigram_overlap.value, 2.0 / 3.0);
  EXPECT_DOUBLE_EQ(*report.baselines.overlap_sum.value, 5.0 / 3.0);
  EXPECT_DOUBLE_EQ(*report.baselines.shortness.value, 0.2);
}

}  // namespace
}  // namespace leadline
