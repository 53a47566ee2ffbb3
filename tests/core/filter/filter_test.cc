#include "leadline/core/filter.h"

#include <limits>
#include <string>

#include <gtest/gtest.h>

#include "status_matchers.h"

namespace leadline {
namespace {

using testing::StatusIs;

std::string Canonical(std::string_view text) {
  const Result<Filter> filter = Filter::Parse(text);
  return filter.ok() ? filter->ToString() : filter.status().ToString();
}

std::string Repeat(std::string_view part, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i) {
    out += part;
  }
  return out;
}

TEST(Filter, ParsesEveryOperatorIntoCanonicalText) {
  EXPECT_EQ(Canonical("year>=2020 and lang in('th','en') AND NOT tags contains 'draft'"),
            "year >= 2020 AND lang IN ('th', 'en') AND NOT tags CONTAINS 'draft'");
  EXPECT_EQ(Canonical("a <> 1 or a!=2"), "a != 1 OR a != 2");
  EXPECT_EQ(Canonical("a not in (1, true, 'x')"), "NOT a IN (1, TRUE, 'x')");
  EXPECT_EQ(Canonical("a between -1 and +2.5 and b = 1"), "a BETWEEN -1 AND 2.5 AND b = 1");
  EXPECT_EQ(Canonical("a like 'x\\%%_'"), "a LIKE 'x\\%%_'");
  EXPECT_EQ(Canonical("a contains any ('x', 1)"), "a CONTAINS ANY ('x', 1)");
  EXPECT_EQ(Canonical("a contains all ('x', 1)"), "a CONTAINS ALL ('x', 1)");
  EXPECT_EQ(Canonical("a contains all ('x')"), "a CONTAINS 'x'");
  EXPECT_EQ(Canonical("a is null"), "a IS NULL");
  EXPECT_EQ(Canonical("a is not null"), "NOT a IS NULL");
  EXPECT_EQ(Canonical("exists a.b"), "EXISTS a.b");
  EXPECT_EQ(Canonical("(a = 1 or b = 2) and c = 3"), "(a = 1 OR b = 2) AND c = 3");
  EXPECT_EQ(Canonical("a = 1 or (b = 2 and c = 3)"), "a = 1 OR b = 2 AND c = 3");
  EXPECT_EQ(Canonical("((a = 1 and b = 2)) and c = 3"), "a = 1 AND b = 2 AND c = 3");
  EXPECT_EQ(Canonical("not (a = 1 and b = 2)"), "NOT (a = 1 AND b = 2)");
  EXPECT_EQ(Canonical("not not a = 1"), "NOT NOT a = 1");
  EXPECT_EQ(Canonical("a\n=\t1\r\n"), "a = 1");
}

TEST(Filter, BindsAndTighterThanOrAndNotTightest) {
  const auto text = "NOT a = 1 AND b = 2 OR c = 3 AND d = 4";
  ASSERT_OK_AND_ASSIGN(const Filter a, Filter::Compare("a", CompareOp::kEqual, 1));
  ASSERT_OK_AND_ASSIGN(const Filter b, Filter::Compare("b", CompareOp::kEqual, 2));
  ASSERT_OK_AND_ASSIGN(const Filter c, Filter::Compare("c", CompareOp::kEqual, 3));
  ASSERT_OK_AND_ASSIGN(const Filter d, Filter::Compare("d", CompareOp::kEqual, 4));
  ASSERT_OK_AND_ASSIGN(const Filter not_a, Filter::Not(a));
  ASSERT_OK_AND_ASSIGN(const Filter left, Filter::And({not_a, b}));
  ASSERT_OK_AND_ASSIGN(const Filter right, Filter::And({c, d}));
  ASSERT_OK_AND_ASSIGN(const Filter built, Filter::Or({left, right}));
  ASSERT_OK_AND_ASSIGN(const Filter parsed, Filter::Parse(text));
  EXPECT_EQ(parsed, built);
  EXPECT_EQ(parsed.nodes(), 8U);
  EXPECT_EQ(parsed.depth(), 4U);
}

TEST(Filter, KeepsNumbersExact) {
  EXPECT_EQ(Canonical("a = 9007199254740993"), "a = 9007199254740993");
  EXPECT_EQ(Canonical("a = -9223372036854775808"), "a = -9223372036854775808");
  EXPECT_EQ(Canonical("a = 18446744073709551615"), "a = 18446744073709551615");
  EXPECT_EQ(Canonical("a = 18446744073709551616"), "a = 18446744073709551616");
  EXPECT_EQ(Canonical("a = 1.0"), "a = 1");
  EXPECT_EQ(Canonical("a = -0.0"), "a = 0");
  EXPECT_EQ(Canonical("a = 1e308"), "a = 1e+308");
  EXPECT_EQ(Canonical("a = 0.1"), "a = 0.1");
  EXPECT_EQ(Canonical("a = 4.9e-324"), "a = 5e-324");
}

TEST(Filter, TakesNumbersTooSmallForADoubleAsZero) {
  for (const char* tiny : {"1e-400", "-1e-400", "+1e-400", "0.000000001e-320", "100000e-330",
                           "1e-324", "0.0e999999999999", "1e-99999999999999999999"}) {
    EXPECT_EQ(Canonical("a = " + std::string(tiny)), "a = 0") << tiny;
  }
  for (const char* huge : {"1e400", "-1e400", "0.00001e315", "1e99999999999999999999"}) {
    EXPECT_THAT(Filter::Parse("a = " + std::string(huge)),
                StatusIs(StatusCode::kInvalidArgument, "outside the range of a double"))
        << huge;
  }
}

TEST(Filter, QuotesKeysAndStrings) {
  EXPECT_EQ(Canonical("\"we ird\".x = 'it''s'"), "\"we ird\".x = 'it''s'");
  EXPECT_EQ(Canonical("\"plain\" = 1"), "plain = 1");
  EXPECT_EQ(Canonical("\"in\".not = 1"), "\"in\".\"not\" = 1");
  EXPECT_EQ(Canonical("\"say \"\"hi\"\"\" = 1"), "\"say \"\"hi\"\"\" = 1");
  EXPECT_EQ(Canonical("\"\" = 1"), "\"\" = 1");
  EXPECT_EQ(Canonical("ชื่อ = 'แดง'"), "ชื่อ = 'แดง'");
}

TEST(Filter, PointsAtTheErrorWhenTextIsWrong) {
  const auto expect_error = [](std::string_view text, std::string_view message) {
    const Result<Filter> filter = Filter::Parse(text);
    EXPECT_THAT(filter, StatusIs(StatusCode::kInvalidArgument, message)) << text;
    EXPECT_EQ(filter.status().field(), "filter");
  };
  expect_error("", "expected a path, NOT, EXISTS or (, found the end: line=1 column=1");
  expect_error("a == 1", "found =: line=1 column=4");
  expect_error("a = 1 AND AND b = 1", "found AND: line=1 column=11");
  expect_error("a = 1\nAND ชื่อ ? 2", "unknown character ?: line=2 column=10");
  expect_error("a = NULL", "use IS NULL");
  expect_error("a = b", "expected a value: a number, a 'string', TRUE or FALSE, found b");
  expect_error("a = \"b\"", "strings stand in single quotes");
  expect_error("a = 'b", "string without its closing ': line=1 column=5");
  expect_error("\"a = 1", "quoted key without its closing \": line=1 column=1");
  expect_error("(a = 1", "parenthesis without its closing ): line=1 column=1");
  expect_error("a = 1)", "found ): line=1 column=6");
  expect_error("a = 1 b = 2", "expected AND, OR or the end, found b: line=1 column=7");
  expect_error("a IN ()", "expected a value");
  expect_error("a IN (1,)", "expected a value");
  expect_error("a IN 1", "expected ( and a list of values, found 1");
  expect_error("a NOT = 1", "expected IN, BETWEEN, LIKE or CONTAINS after NOT, found =");
  expect_error("a LIKE 5", "expected a 'pattern', found 5");
  expect_error("a LIKE 'x\\'", "escapes nothing");
  expect_error("a BETWEEN 1 OR 2", "expected AND and the upper bound of BETWEEN, found OR");
  expect_error("a BETWEEN 1 AND 'x'", "BETWEEN needs two numbers or two strings");
  expect_error("a < TRUE", "filter orders a bool");
  expect_error("a IS 1", "expected NULL, found 1");
  expect_error("a. = 1", "expected a key of a path, found =");
  expect_error("a.1 = 1", "expected a key of a path");
  expect_error("a = 12x", "number is malformed");
  expect_error("a = 1.", "number is malformed");
  expect_error("a = 1e", "number is malformed");
  expect_error("a = 1e999", "outside the range of a double");
  expect_error("a = 'x' \xff", "not valid UTF-8");
  expect_error("a = '\xed\xa0\x80'", "not valid UTF-8");
  expect_error("contains = 1", "a key named like a keyword needs");
}

TEST(Filter, RefusesWhatBreaksALimit) {
  const size_t deep = kMaxFilterDepth;
  EXPECT_OK(Filter::Parse(Repeat("NOT ", deep - 1) + "a = 1"));
  EXPECT_THAT(Filter::Parse(Repeat("NOT ", deep) + "a = 1"),
              StatusIs(StatusCode::kInvalidArgument, "limit=32"));
  EXPECT_OK(Filter::Parse(Repeat("(", deep) + "a = 1" + Repeat(")", deep)));
  EXPECT_THAT(Filter::Parse(Repeat("(", deep + 1) + "a = 1" + Repeat(")", deep + 1)),
              StatusIs(StatusCode::kInvalidArgument, "nested too deeply"));
  EXPECT_THAT(Filter::Parse(Repeat("(", 60'000)),
              StatusIs(StatusCode::kInvalidArgument, "nested too deeply"));
  EXPECT_THAT(Filter::Parse(Repeat("NOT ", 16'000)),
              StatusIs(StatusCode::kInvalidArgument, "nested too deeply"));

  EXPECT_OK(Filter::Parse(Repeat("a=1 OR ", kMaxFilterNodes - 2) + "a=1"));
  EXPECT_THAT(Filter::Parse(Repeat("a=1 OR ", kMaxFilterNodes - 1) + "a=1"),
              StatusIs(StatusCode::kInvalidArgument, "limit=1024"));
  EXPECT_THAT(Filter::Parse(std::string(kMaxFilterBytes + 1, ' ')),
              StatusIs(StatusCode::kInvalidArgument, "limit=65536"));
  EXPECT_THAT(Filter::Parse("a IN (" + Repeat("1,", 32'000) + "1)"),
              StatusIs(StatusCode::kInvalidArgument, "canonical"));
  EXPECT_THAT(Filter::Like("a", std::string(kMaxLikePatternBytes + 1, 'x')),
              StatusIs(StatusCode::kInvalidArgument, "limit=1024"));
  EXPECT_OK(Filter::Exists(Repeat("a.", kMaxFilterPathKeys - 1) + "a"));
  EXPECT_THAT(Filter::Exists(Repeat("a.", kMaxFilterPathKeys) + "a"),
              StatusIs(StatusCode::kInvalidArgument, "limit=64"));
}

TEST(Filter, BuildersCheckTheSameLimits) {
  EXPECT_THAT(Filter::And({}), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(Filter::In("a", {}), StatusIs(StatusCode::kInvalidArgument, "empty list"));
  EXPECT_THAT(Filter::Compare("a", CompareOp::kLess, false),
              StatusIs(StatusCode::kInvalidArgument, "orders a bool"));
  EXPECT_THAT(Filter::Compare("a", static_cast<CompareOp>(9), 1),
              StatusIs(StatusCode::kInvalidArgument, "operator unknown"));
  EXPECT_THAT(Filter::Compare("a", CompareOp::kLess, std::numeric_limits<double>::quiet_NaN()),
              StatusIs(StatusCode::kInvalidArgument, "not finite"));
  EXPECT_THAT(Filter::Compare("a", CompareOp::kEqual, "\xff"),
              StatusIs(StatusCode::kInvalidArgument, "UTF-8"));
  EXPECT_THAT(Filter::Compare("a b", CompareOp::kEqual, 1),
              StatusIs(StatusCode::kInvalidArgument, "expected the end of the path, found b"));
  ASSERT_OK_AND_ASSIGN(Filter filter, Filter::Exists("a"));
  for (size_t depth = 1; depth < kMaxFilterDepth; ++depth) {
    ASSERT_OK_AND_ASSIGN(filter, Filter::Not(filter));
  }
  EXPECT_EQ(filter.depth(), kMaxFilterDepth);
  EXPECT_THAT(Filter::Not(filter), StatusIs(StatusCode::kInvalidArgument, "limit=32"));
  ASSERT_OK_AND_ASSIGN(const Filter again, Filter::Parse(filter.ToString()));
  EXPECT_EQ(again, filter);
}

TEST(Filter, MergesNestedConjunctions) {
  ASSERT_OK_AND_ASSIGN(const Filter a, Filter::Exists("a"));
  ASSERT_OK_AND_ASSIGN(const Filter ab, Filter::And({a, a}));
  ASSERT_OK_AND_ASSIGN(const Filter abc, Filter::And({ab, a}));
  EXPECT_EQ(abc.ToString(), "EXISTS a AND EXISTS a AND EXISTS a");
  EXPECT_EQ(abc.depth(), 2U);
  EXPECT_EQ(abc.nodes(), 4U);
  ASSERT_OK_AND_ASSIGN(const Filter alone, Filter::Or({ab}));
  EXPECT_EQ(alone, ab);
}

}  // namespace
}  // namespace leadline
