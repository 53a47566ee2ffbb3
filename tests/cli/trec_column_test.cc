#include "trec_column.h"

#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "leadline/core/rng.h"
#include "status_matchers.h"

namespace leadline::cli {
namespace {

using ::leadline::testing::StatusIs;

TEST(TrecColumn, OnlyWhatAReaderWouldMisreadIsEncoded) {
  EXPECT_EQ(EncodeTrecColumn("doc-1#2"), "doc-1#2");
  EXPECT_EQ(EncodeTrecColumn("#doc"), "%23doc");
  EXPECT_EQ(EncodeTrecColumn("a b\tc"), "a%20b%09c");
  EXPECT_EQ(EncodeTrecColumn("a%20b"), "a%2520b");
  EXPECT_EQ(EncodeTrecColumn("\xEF\xBB\xBF"
                             "x"),
            "%EF%BB%BFx");
  EXPECT_EQ(EncodeTrecColumn("\xC3\xA9"), "\xC3\xA9");
}

TEST(TrecColumn, EveryIdComesBackAndNoTwoCollide) {
  static constexpr std::string_view kAlphabet =
      "a% \t#2\xEF\xBB\xBF"
      "0\n";
  Rng rng(5);
  std::set<std::string> ids;
  std::set<std::string> columns;
  for (int i = 0; i < 20'000; ++i) {
    std::string id(1 + rng.Uniform(5), '\0');
    for (char& c : id) {
      c = kAlphabet[rng.Uniform(kAlphabet.size())];
    }
    const std::string column = EncodeTrecColumn(id);
    EXPECT_EQ(column.find_first_of(" \t\n"), std::string::npos);
    EXPECT_NE(column[0], '#');
    ASSERT_OK_AND_ASSIGN(const std::string back, DecodeTrecColumn(column));
    EXPECT_EQ(back, id);
    ids.insert(id);
    columns.insert(column);
  }
  EXPECT_EQ(ids.size(), columns.size());
}

TEST(TrecColumn, ForeignPercentSignsAreRefused) {
  for (const char* column : {"%", "a%2", "100%", "%zz", "%-1", "%+1", "% 1"}) {
    EXPECT_THAT(DecodeTrecColumn(column), StatusIs(StatusCode::kInvalidArgument, "hexadecimal"))
        << column;
  }
}

}  // namespace
}  // namespace leadline::cli
