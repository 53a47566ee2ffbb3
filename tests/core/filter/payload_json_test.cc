#include "leadline/core/payload_json.h"

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "leadline/core/types.h"
#include "status_matchers.h"

namespace leadline {
namespace {

using testing::StatusIs;

std::string Nested(size_t arrays) {
  return "{\"a\":" + std::string(arrays, '[') + std::string(arrays, ']') + "}";
}

TEST(ValidatePayload, AcceptsObjectsOfEveryKindOfValue) {
  EXPECT_OK(ValidatePayload("{}"));
  EXPECT_OK(ValidatePayload(
      R"({"a":null,"b":[1,-0.0,1e308,18446744073709551615,1e-999],"ก":{"x":"\u0000"}})"));
}

TEST(ValidatePayload, RefusesWhatIsNoPayload) {
  const auto expect_error = [](std::string_view json, std::string_view message) {
    EXPECT_THAT(ValidatePayload(json), StatusIs(StatusCode::kInvalidArgument, message)) << json;
  };
  for (const std::string_view json : {"1", "null", "true", "\"x\"", "1.5", "[]", "[{}]", "-1"}) {
    expect_error(json, "payload is not a JSON object");
  }
  expect_error("", "not valid JSON");
  expect_error("{", "not valid JSON in UTF-8: byte=");
  expect_error("{} {}", "not valid JSON");
  expect_error("{\"a\":1,}", "not valid JSON");
  expect_error("{\"a\":NaN}", "not valid JSON");
  expect_error("{\"a\":\"\xff\"}", "not valid JSON in UTF-8");
  expect_error("{\"a\":\"\\ud800\"}", "not valid JSON in UTF-8");
  expect_error("{\"a\":1e999}", "beyond the range of a double");
  expect_error(R"({"a":1,"b":{"x":1,"y":2,"x":3}})", "key twice in one object: key=x");
}

TEST(ValidatePayload, RefusesWhatANulWouldHide) {
  using std::string_view_literals::operator""sv;
  for (const std::string_view json : {"{}\0"sv, "{\"a\":1}\0{\"b\":2}"sv, "{\"a\":1}\0junk"sv}) {
    EXPECT_THAT(ValidatePayload(json), StatusIs(StatusCode::kInvalidArgument,
                                                "payload is not valid JSON in UTF-8: byte="));
    EXPECT_THAT(MergePatch(json, "{}"), StatusIs(StatusCode::kInvalidArgument));
    EXPECT_THAT(MergePatch("{}", json), StatusIs(StatusCode::kInvalidArgument, "patch"));
    EXPECT_THAT(GroupKey(json, {}), StatusIs(StatusCode::kInvalidArgument));
  }
}

TEST(ValidatePayload, RefusesWhatBreaksALimit) {
  EXPECT_OK(ValidatePayload(Nested(kMaxPayloadDepth - 1)));
  EXPECT_THAT(ValidatePayload(Nested(kMaxPayloadDepth)),
              StatusIs(StatusCode::kInvalidArgument, "limit=64"));
  EXPECT_THAT(ValidatePayload("{\"a\":" + std::string(500'000, '[')),
              StatusIs(StatusCode::kInvalidArgument, "nested too deeply"));
  const std::string filler(kMaxPayloadBytes - 8, 'x');
  EXPECT_OK(ValidatePayload("{\"a\":\"" + filler + "\"}"));
  EXPECT_THAT(ValidatePayload("{\"a\":\"x" + filler + "\"}"),
              StatusIs(StatusCode::kInvalidArgument, "limit=1048576"));
}

TEST(MergePatch, FollowsTheExamplesOfRfc7396) {
  // The cases of appendix A whose both sides are objects.
  const auto expect_merge = [](std::string_view base, std::string_view patch,
                               std::string_view result) {
    ASSERT_OK_AND_ASSIGN(const std::string merged, MergePatch(base, patch));
    EXPECT_EQ(merged, result);
  };
  expect_merge(R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})");
  expect_merge(R"({"a":"b"})", R"({"b":"c"})", R"({"a":"b","b":"c"})");
  expect_merge(R"({"a":"b"})", R"({"a":null})", R"({})");
  expect_merge(R"({"a":"b","b":"c"})", R"({"a":null})", R"({"b":"c"})");
  expect_merge(R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})");
  expect_merge(R"({"a":"c"})", R"({"a":["b"]})", R"({"a":["b"]})");
  expect_merge(R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})");
  expect_merge(R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a":[1]})");
  expect_merge(R"({"e":null})", R"({"a":1})", R"({"a":1,"e":null})");
  expect_merge(R"({})", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})");
  expect_merge("", R"({"a":1})", R"({"a":1})");
}

TEST(MergePatch, RefusesBadInputAndOversizedResults) {
  EXPECT_THAT(MergePatch("{}", "[1]"), StatusIs(StatusCode::kInvalidArgument, "patch: "));
  EXPECT_THAT(MergePatch("[]", "{}"), StatusIs(StatusCode::kInvalidArgument));
  const std::string half(kMaxPayloadBytes / 2, 'x');
  EXPECT_THAT(MergePatch("{\"a\":\"" + half + "\"}", "{\"b\":\"" + half + "\"}"),
              StatusIs(StatusCode::kInvalidArgument, "too large after the patch"));
}

TEST(SelectFields, KeepsTheNamedPathsOnly) {
  const auto select = [](const std::vector<std::string>& paths) {
    const Result<std::string> result = SelectFields(
        R"({"a":{"b":1,"c":[{"d":1,"e":2},5,{"e":3},[{"d":9}]]},"x y":null,"z":"t"})", paths);
    return result.ok() ? *result : result.status().ToString();
  };
  EXPECT_EQ(select({}), "{}");
  EXPECT_EQ(select({"z", "\"x y\"", "missing.path"}), R"({"x y":null,"z":"t"})");
  EXPECT_EQ(select({"a.b"}), R"({"a":{"b":1}})");
  EXPECT_EQ(select({"a.c.d"}), R"({"a":{"c":[{"d":1}]}})");
  EXPECT_EQ(select({"a.c", "a.c.d"}), R"({"a":{"c":[{"d":1,"e":2},5,{"e":3},[{"d":9}]]}})");
  EXPECT_EQ(select({"z.q"}), "{}");
  EXPECT_THAT(select({"a b"}), ::testing::HasSubstr("INVALID_ARGUMENT"));
  EXPECT_THAT(SelectFields("[]", {}), StatusIs(StatusCode::kInvalidArgument));
}

TEST(GroupKey, IsEqualForEqualValuesOnly) {
  const std::vector<std::string> path = {"a", "b"};
  const auto key = [&](std::string_view json) {
    const Result<std::string> result = GroupKey(json, path);
    return result.ok() ? *result : result.status().ToString();
  };
  EXPECT_EQ(key(R"({"a":{"b":1}})"), key(R"({"a":{"b":1.0}})"));
  EXPECT_NE(key(R"({"a":{"b":1}})"), key(R"({"a":{"b":"1"}})"));
  EXPECT_NE(key(R"({"a":{"b":true}})"), key(R"({"a":{"b":"true"}})"));
  EXPECT_NE(key(R"({"a":{"b":9007199254740993}})"), key(R"({"a":{"b":9007199254740992}})"));
  EXPECT_EQ(key(R"({"a":{"b":"\u0041"}})"), key(R"({"a":{"b":"A"}})"));
  EXPECT_NE(key(R"({"a":{"b":""}})"), "");
  for (const std::string_view none : {"", "{}", R"({"a":1})", R"({"a":{"b":null}})",
                                      R"({"a":{"b":[1]}})", R"({"a":[{"b":1}]})"}) {
    EXPECT_EQ(key(none), "") << none;
  }
  EXPECT_THAT(GroupKey("[]", path), StatusIs(StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace leadline
