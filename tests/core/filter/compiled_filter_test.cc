#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include <gtest/gtest.h>

#include "leadline/core/payload_json.h"
#include "status_matchers.h"

namespace leadline {
namespace {

using testing::StatusIs;

bool Passes(std::string_view filter, std::string_view payload) {
  const Result<Filter> parsed = Filter::Parse(filter);
  EXPECT_OK(parsed) << filter;
  return parsed.ok() && Matches(*parsed, payload);
}

TEST(CompiledFilter, ComparesOnlyValuesOfTheSameType) {
  EXPECT_TRUE(Passes("a = 1", R"({"a":1})"));
  EXPECT_TRUE(Passes("a = 1", R"({"a":1.0})"));
  EXPECT_FALSE(Passes("a = 1", R"({"a":"1"})"));
  EXPECT_FALSE(Passes("a = '1'", R"({"a":1})"));
  EXPECT_FALSE(Passes("a = TRUE", R"({"a":1})"));
  EXPECT_TRUE(Passes("a = TRUE", R"({"a":true})"));
  EXPECT_FALSE(Passes("a != 1", R"({"a":"x"})"));
  EXPECT_TRUE(Passes("a != 1", R"({"a":2})"));
  EXPECT_FALSE(Passes("a < 'b'", R"({"a":1})"));
  EXPECT_TRUE(Passes("a < 'b'", R"({"a":"abc"})"));
  EXPECT_FALSE(Passes("a = 1", R"({"a":{"b":1}})"));
  EXPECT_FALSE(Passes("a = 9007199254740993", R"({"a":9007199254740992})"));
  EXPECT_TRUE(Passes("a > 9007199254740992", R"({"a":9007199254740993})"));
  EXPECT_FALSE(Passes("a >= 18446744073709551615", R"({"a":18446744073709551614})"));
}

TEST(CompiledFilter, TreatsMissingAndNullAsNoMatchAndNotAsTheOpposite) {
  for (const std::string_view payload : {"", "{}", R"({"a":null})", R"({"b":1})"}) {
    EXPECT_FALSE(Passes("a = 1", payload));
    EXPECT_FALSE(Passes("a != 1", payload));
    EXPECT_FALSE(Passes("a < 1 OR a >= 1", payload));
    EXPECT_TRUE(Passes("NOT a = 1", payload));
    EXPECT_TRUE(Passes("a NOT IN (1, 2)", payload));
    EXPECT_TRUE(Passes("a IS NULL", payload));
    EXPECT_FALSE(Passes("a IS NOT NULL", payload));
  }
  EXPECT_TRUE(Passes("EXISTS a", R"({"a":null})"));
  EXPECT_FALSE(Passes("EXISTS a", "{}"));
  EXPECT_TRUE(Passes("a IS NOT NULL", R"({"a":[]})"));
  EXPECT_TRUE(Passes("a IS NOT NULL", R"({"a":{}})"));
  EXPECT_TRUE(Passes("EXISTS a AND a IS NULL", R"({"a":null})"));
}

TEST(CompiledFilter, LooksAtEveryElementOfAnArray) {
  EXPECT_TRUE(Passes("a = 2", R"({"a":[1,2,"x"]})"));
  EXPECT_TRUE(Passes("a != 1", R"({"a":[1,2]})"));
  EXPECT_FALSE(Passes("a != 1", R"({"a":[1,1]})"));
  EXPECT_FALSE(Passes("a = 1", R"({"a":[[1]]})"));
  EXPECT_FALSE(Passes("a = 1", R"({"a":[]})"));
  EXPECT_TRUE(Passes("a.b = 2", R"({"a":[{"b":1},7,{"b":2}]})"));
  EXPECT_TRUE(Passes("a.b = 2", R"({"a":[{"b":[3,2]}]})"));
  EXPECT_FALSE(Passes("a.b = 2", R"({"a":[[{"b":2}]]})"));
  EXPECT_TRUE(Passes("EXISTS a.b", R"({"a":[{"b":null}]})"));
  EXPECT_FALSE(Passes("EXISTS a.b", R"({"a":[null]})"));
  EXPECT_TRUE(Passes("a.b IS NULL", R"({"a":[{"b":null},{}]})"));
  EXPECT_FALSE(Passes("a.b IS NULL", R"({"a":[{"b":null},{"b":0}]})"));
}

TEST(CompiledFilter, FindsElementsInArraysAndPartsInStrings) {
  EXPECT_TRUE(Passes("a CONTAINS 'x'", R"({"a":["x","y"]})"));
  EXPECT_FALSE(Passes("a CONTAINS 'x'", R"({"a":["xx"]})"));
  EXPECT_TRUE(Passes("a CONTAINS 'x'", R"({"a":"axb"})"));
  EXPECT_FALSE(Passes("a CONTAINS 1", R"({"a":1})"));
  EXPECT_FALSE(Passes("a CONTAINS 1", R"({"a":"1"})"));
  EXPECT_TRUE(Passes("a CONTAINS 1", R"({"a":[1.0]})"));
  EXPECT_TRUE(Passes("a CONTAINS TRUE", R"({"a":[false,true]})"));
  EXPECT_TRUE(Passes("a CONTAINS ANY ('q', 1)", R"({"a":[1]})"));
  EXPECT_TRUE(Passes("a CONTAINS ALL ('x', 1)", R"({"a":[1,"x"]})"));
  EXPECT_FALSE(Passes("a CONTAINS ALL ('x', 1)", R"({"a":["x"]})"));
  EXPECT_TRUE(Passes("a CONTAINS ALL ('ab', 'bc')", R"({"a":"abc"})"));
  EXPECT_FALSE(Passes("a CONTAINS ALL ('ab', 1)", R"({"a":"ab1"})"));
  EXPECT_TRUE(Passes("a CONTAINS ''", R"({"a":""})"));
  // ALL asks for one array that has them all.
  EXPECT_FALSE(Passes("a.b CONTAINS ALL (1, 2)", R"({"a":[{"b":[1]},{"b":[2]}]})"));
  EXPECT_TRUE(Passes("a.b CONTAINS ALL (1, 2)", R"({"a":[{"b":[1]},{"b":[2,1]}]})"));
}

TEST(CompiledFilter, MatchesPatternsByCharacter) {
  EXPECT_TRUE(Passes("a LIKE 'ab%'", R"({"a":"abc"})"));
  EXPECT_FALSE(Passes("a LIKE 'AB%'", R"({"a":"abc"})"));
  EXPECT_TRUE(Passes("a LIKE '_'", R"({"a":"ก"})"));
  EXPECT_FALSE(Passes("a LIKE '__'", R"({"a":"ก"})"));
  EXPECT_TRUE(Passes("a LIKE '%_ข'", R"({"a":"กข"})"));
  EXPECT_FALSE(Passes("a LIKE '%_ข'", R"({"a":"ข"})"));
  EXPECT_TRUE(Passes("a LIKE '%a%b%'", R"({"a":"xxaxxabxx"})"));
  EXPECT_FALSE(Passes("a LIKE '%ab'", R"({"a":"abx"})"));
  EXPECT_TRUE(Passes("a LIKE '%aab'", R"({"a":"aaab"})"));
  EXPECT_TRUE(Passes("a LIKE '100\\%'", R"({"a":"100%"})"));
  EXPECT_FALSE(Passes("a LIKE '100\\%'", R"({"a":"1000"})"));
  EXPECT_TRUE(Passes("a LIKE ''", R"({"a":""})"));
  EXPECT_FALSE(Passes("a LIKE ''", R"({"a":"x"})"));
  EXPECT_TRUE(Passes("a LIKE '%'", R"({"a":""})"));
  EXPECT_FALSE(Passes("a LIKE '1'", R"({"a":1})"));
  EXPECT_TRUE(Passes("a LIKE '%_'", R"({"a":"x"})"));
  EXPECT_FALSE(Passes("a LIKE '%_'", R"({"a":""})"));
}

TEST(CompiledFilter, CountsMalformedPayloadsAsEmpty) {
  for (const std::string_view payload :
       {"{\"a\":1", "{\"a\":1}x", "[{\"a\":1}]", "{\"a\":1,\"b\":\"\xff\"}", "1"}) {
    EXPECT_FALSE(Passes("a = 1", payload)) << payload;
    EXPECT_TRUE(Passes("a IS NULL", payload)) << payload;
  }
}

TEST(CompiledFilter, StaysUsableAfterTheFilterIsGone) {
  std::string text = "a IN ('x', 'y') AND b LIKE 'z%'";
  auto filter = std::make_unique<Filter>(*Filter::Parse(text));
  const CompiledFilter compiled(*filter);
  const CompiledFilter copy = compiled;
  filter.reset();
  text.clear();
  EXPECT_TRUE(copy.Matches(R"({"a":"y","b":"zzz"})"));
  EXPECT_FALSE(compiled.Matches(R"({"a":"q","b":"zzz"})"));
}

/// What a function of Filter built, and the same as text. Numbers of payloads that pass.
struct Built {
  Result<Filter> filter;
  const char* text;
  std::set<size_t> passing;
};

/// One payload for each way in which two builders could be mistaken for one another.
constexpr std::string_view kPayloads[] = {
    R"({})",                          // 0
    R"({"a":null})",                  // 1
    R"({"a":1})",                     // 2
    R"({"a":2})",                     // 3
    R"({"a":3})",                     // 4
    R"({"a":"xyz"})",                 // 5
    R"({"a":"zx"})",                  // 6
    R"({"a":"y"})",                   // 7
    R"({"a":["x"]})",                 // 8
    R"({"a":["y","x"]})",             // 9
    R"({"a":[]})",                    // 10
    R"({"a":true})",                  // 11
    R"({"a":{"b":2},"odd key":"x"})"  // 12
};

void ExpectSame(const Built& built) {
  SCOPED_TRACE(built.text);
  ASSERT_OK(built.filter);
  ASSERT_OK_AND_ASSIGN(const Filter parsed, Filter::Parse(built.text));
  EXPECT_EQ(built.filter->ToString(), built.text);
  EXPECT_EQ(*built.filter, parsed);
  std::set<size_t> passing;
  for (size_t i = 0; i < std::size(kPayloads); ++i) {
    const bool passes = Matches(*built.filter, kPayloads[i]);
    EXPECT_EQ(passes, Matches(parsed, kPayloads[i])) << kPayloads[i];
    if (passes) {
      passing.insert(i);
    }
  }
  EXPECT_EQ(passing, built.passing);
}

TEST(CompiledFilter, FiltersBuiltFromPartsEqualTheirText) {
  const auto compare = [](CompareOp op, FilterValue value) {
    return Filter::Compare("a", op, std::move(value));
  };
  const Built cases[] = {
      {compare(CompareOp::kEqual, 2), "a = 2", {3}},
      {compare(CompareOp::kNotEqual, 2), "a != 2", {2, 4}},
      {compare(CompareOp::kLess, 2), "a < 2", {2}},
      {compare(CompareOp::kLessEqual, 2.0), "a <= 2", {2, 3}},
      {compare(CompareOp::kGreater, 2U), "a > 2", {4}},
      {compare(CompareOp::kGreaterEqual, 2), "a >= 2", {3, 4}},
      {compare(CompareOp::kEqual, true), "a = TRUE", {11}},
      {Filter::Compare("a.b", CompareOp::kEqual, 2), "a.b = 2", {12}},
      {Filter::In("a", {1, "y", true}), "a IN (1, 'y', TRUE)", {2, 7, 9, 11}},
      {Filter::Between("a", 1, 2.5), "a BETWEEN 1 AND 2.5", {2, 3}},
      {Filter::Between("a", "x", "xz"), "a BETWEEN 'x' AND 'xz'", {5, 8, 9}},
      {Filter::Like("a", "%_x"), "a LIKE '%_x'", {6}},
      {Filter::Like("\"odd key\"", "x"), "\"odd key\" LIKE 'x'", {12}},
      {Filter::Contains("a", "x"), "a CONTAINS 'x'", {5, 6, 8, 9}},
      {Filter::ContainsAny("a", {"y", "q"}), "a CONTAINS ANY ('y', 'q')", {5, 7, 9}},
      {Filter::ContainsAll("a", {"y", "x"}), "a CONTAINS ALL ('y', 'x')", {5, 9}},
      {Filter::IsNull("a"), "a IS NULL", {0, 1}},
      {Filter::IsNull("a.b"), "a.b IS NULL", {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}},
      {Filter::Exists("a"), "EXISTS a", {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
  };
  for (const Built& built : cases) {
    ExpectSame(built);
  }
  // A list of one is the lone predicate.
  EXPECT_EQ(*Filter::ContainsAny("a", {"x"}), *Filter::Parse("a CONTAINS ANY ('x')"));
  EXPECT_EQ(*Filter::ContainsAll("a", {"x"}), *Filter::Contains("a", "x"));
  for (const auto& refused : {Filter::ContainsAny("a", {}), Filter::ContainsAll("a", {}),
                              Filter::ContainsAny("a b", {1}), Filter::IsNull("")}) {
    EXPECT_THAT(refused, StatusIs(StatusCode::kInvalidArgument));
  }
}

TEST(CompiledFilter, ConnectivesBuiltFromPartsEqualTheirText) {
  const Filter any = *Filter::ContainsAny("a", {"y", "q"});
  const Filter all = *Filter::ContainsAll("a", {"y", "x"});
  const Filter null = *Filter::IsNull("a");
  ExpectSame(
      {Filter::Not(any), "NOT a CONTAINS ANY ('y', 'q')", {0, 1, 2, 3, 4, 6, 8, 10, 11, 12}});
  ExpectSame({Filter::And({any, *Filter::Not(all)}),
              "a CONTAINS ANY ('y', 'q') AND NOT a CONTAINS ALL ('y', 'x')",
              {7}});
  ExpectSame({Filter::Or({null, all}), "a IS NULL OR a CONTAINS ALL ('y', 'x')", {0, 1, 5, 9}});
}

}  // namespace
}  // namespace leadline
