#include "leadline/text/wordpiece.h"

#include <cstdio>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "leadline/text/utf8.h"
#include "static_model.h"
#include "status_matchers.h"

namespace leadline::text {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::StatusIs;

const std::string kGolden = std::string(LEADLINE_SOURCE_DIR) + "/tests/text/analysis/golden/";

const StaticModel& Model() {
  static const Result<StaticModel> kModel = StaticModel::Parse(EmbeddedModelBytes());
  return *kModel;
}

const WordPieceTokenizer& Bert() {
  static const Result<WordPieceTokenizer> kTokenizer =
      WordPieceTokenizer::Create(Model().vocabulary());
  return *kTokenizer;
}

std::vector<uint32_t> Ids(const WordPieceTokenizer& tokenizer, std::string_view text) {
  std::vector<uint32_t> ids;
  tokenizer.Tokenize(text, &ids);
  return ids;
}

std::vector<std::string> Pieces(std::string_view text) {
  std::vector<std::string> out;
  for (const uint32_t id : Ids(Bert(), text)) {
    out.emplace_back(Model().vocabulary()[id]);
  }
  return out;
}

constexpr uint64_t kFnvOffset = 0xCBF29CE484222325ULL;

// FNV-1a over the little-endian bytes of the ids, as golden.py computes it.
uint64_t Fnv(const std::vector<uint32_t>& ids, uint64_t state = kFnvOffset) {
  for (const uint32_t id : ids) {
    for (unsigned shift = 0; shift < 32; shift += 8) {
      state = (state ^ ((id >> shift) & 0xFFU)) * 0x100000001B3ULL;
    }
  }
  return state;
}

std::string Hex(uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

TEST(WordPieceTokenizer, EqualsReferenceOnSentencesOfTwelveLanguages) {
  std::ifstream lines(kGolden + "wordpiece_multilingual.tsv");
  size_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const std::string text = line.substr(17);
    ASSERT_EQ(Hex(Fnv(Ids(Bert(), text))), line.substr(0, 16)) << text;
  }
  EXPECT_GE(count, 5000U);
}

TEST(WordPieceTokenizer, EqualsReferenceOnEveryExampleDocument) {
  std::ifstream hashes(kGolden + "wordpiece_scifact.txt");
  std::ifstream documents(std::string(LEADLINE_SOURCE_DIR) + "/examples/scifact/corpus.jsonl");
  std::string hash;
  size_t count = 0;
  for (std::string line; std::getline(documents, line); ++count) {
    const auto row = nlohmann::json::parse(line);
    const std::string text = row["title"].get<std::string>() + " " + row["text"].get<std::string>();
    ASSERT_TRUE(std::getline(hashes, hash));
    ASSERT_EQ(Hex(Fnv(Ids(Bert(), text))), hash) << row["_id"];
  }
  EXPECT_EQ(count, 5183U);
}

TEST(WordPieceTokenizer, EqualsReferenceOnEveryCodePoint) {
  std::ifstream hashes(kGolden + "wordpiece_runes.txt");
  std::string want;
  for (char32_t block = 0; block < 0x110000; block += 1024) {
    uint64_t state = kFnvOffset;
    for (char32_t rune = block; rune < block + 1024; ++rune) {
      if (rune >= 0xD800 && rune < 0xE000) {
        continue;
      }
      std::string c;
      AppendRune(&c, rune);
      state = Fnv(Ids(Bert(), "a" + c + "b " + c + " x" + c + c), state);
    }
    ASSERT_TRUE(std::getline(hashes, want));
    ASSERT_EQ(Hex(state), want) << "block " << static_cast<uint32_t>(block);
  }
}

TEST(WordPieceTokenizer, CutsWordsGreedily) {
  EXPECT_THAT(
      Pieces("Unaffable embeddings, naïve!"),
      ElementsAre("una", "##ffa", "##ble", "em", "##bed", "##ding", "##s", ",", "naive", "!"));
}

TEST(WordPieceTokenizer, LongOrUnknownWordsBecomeOneUnknownPiece) {
  EXPECT_THAT(Ids(Bert(), std::string(101, 'x')), ElementsAre(Bert().unknown_id()));
  EXPECT_GT(Ids(Bert(), std::string(100, 'x')).size(), 1U);
  EXPECT_THAT(Pieces("a🦆b"), ElementsAre("[UNK]"));
}

TEST(WordPieceTokenizer, SpecialTokensInTextAreOrdinaryText) {
  EXPECT_THAT(Pieces("[SEP]"), ElementsAre("[", "sep", "]"));
}

TEST(WordPieceTokenizer, EmptyBlankAndIllFormedTextsHaveNoPieces) {
  EXPECT_THAT(Ids(Bert(), ""), IsEmpty());
  EXPECT_THAT(Ids(Bert(), " \t\n\u3000"), IsEmpty());
  EXPECT_THAT(Ids(Bert(), "\xFF\xC0\x80"), IsEmpty());
  EXPECT_THAT(Pieces("ab\xFF"
                     "cd"),
              ElementsAre("abc", "##d"));
}

TEST(WordPieceTokenizer, AppendsToWhatIsThere) {
  std::vector<uint32_t> ids = {7};
  Bert().Tokenize("the", &ids);
  ASSERT_EQ(ids.size(), 2U);
  EXPECT_EQ(ids[0], 7U);
}

TEST(WordPieceTokenizer, RejectsBadVocabularies) {
  using V = std::vector<std::string_view>;
  EXPECT_THAT(WordPieceTokenizer::Create(V{}), StatusIs(StatusCode::kInvalidArgument, "[UNK]"));
  EXPECT_THAT(WordPieceTokenizer::Create(V{"[UNK]", "a", "a"}),
              StatusIs(StatusCode::kInvalidArgument, "repeated"));
  EXPECT_THAT(WordPieceTokenizer::Create(V{"[UNK]", ""}),
              StatusIs(StatusCode::kInvalidArgument, "vocabulary[1]"));
  const std::string huge(WordPieceTokenizer::kMaxPieceBytes + 1, 'a');
  EXPECT_THAT(WordPieceTokenizer::Create(V{"[UNK]", huge}),
              StatusIs(StatusCode::kInvalidArgument, "257"));
}

// Oracle: the textbook greedy loop over a linear vocabulary.
std::vector<uint32_t> GreedyPieces(const std::vector<std::string>& vocabulary, std::string word) {
  std::vector<uint32_t> out;
  bool first = true;
  while (!word.empty()) {
    size_t best = 0;
    uint32_t id = 0;
    for (uint32_t i = 0; i < vocabulary.size(); ++i) {
      const std::string want = first                                ? vocabulary[i]
                               : vocabulary[i].substr(0, 2) == "##" ? vocabulary[i].substr(2)
                                                                    : std::string();
      if (want.size() > best && word.compare(0, want.size(), want) == 0) {
        best = want.size();
        id = i;
      }
    }
    if (best == 0) {
      return {0};
    }
    out.push_back(id);
    word.erase(0, best);
    first = false;
  }
  return out;
}

TEST(WordPieceTokenizer, AgreesWithGreedyOracleOnRandomVocabularies) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::vector<std::string> vocabulary = {"[UNK]"};
    while (vocabulary.size() < 60) {
      std::string piece = random() % 2 != 0 ? "##" : "";
      for (size_t n = 1 + random() % 4; n > 0; --n) {
        piece += static_cast<char>('a' + random() % 3);
      }
      if (std::find(vocabulary.begin(), vocabulary.end(), piece) == vocabulary.end()) {
        vocabulary.push_back(piece);
      }
    }
    const std::vector<std::string_view> views(vocabulary.begin(), vocabulary.end());
    ASSERT_OK_AND_ASSIGN(const WordPieceTokenizer tokenizer, WordPieceTokenizer::Create(views));
    for (int round = 0; round < 200; ++round) {
      std::string word;
      for (size_t n = 1 + random() % 12; n > 0; --n) {
        word += static_cast<char>('a' + random() % 3);
      }
      ASSERT_EQ(Ids(tokenizer, word), GreedyPieces(vocabulary, word)) << word;
    }
  }
}

}  // namespace
}  // namespace leadline::text
