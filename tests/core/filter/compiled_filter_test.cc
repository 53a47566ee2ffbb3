#include <memory>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "leadline/core/payload_json.h"
#include "status_matchers.h"

namespace leadline {
namespace {

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

}  // namespace
}  // namespace leadline
