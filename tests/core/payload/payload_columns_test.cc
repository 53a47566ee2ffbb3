#include "leadline/core/payload_columns.h"

#include <cstring>
#include <iostream>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "leadline/core/payload_json.h"
#include "leadline/core/rng.h"
#include "status_matchers.h"
#include "test_clock.h"

namespace leadline {
namespace {

using testing::StatusIs;

std::string Build(const std::vector<std::string>& payloads) {
  PayloadColumnsBuilder builder;
  for (uint32_t row = 0; row < payloads.size(); ++row) {
    EXPECT_OK(builder.Add(row, payloads[row]));
  }
  Result<std::string> bytes = builder.Finish();
  EXPECT_OK(bytes);
  return std::move(bytes).value();
}

/// "exact 0 2" or "superset 0 2".
std::string Rows(const std::string& bytes, size_t rows, std::string_view text) {
  const Result<std::unique_ptr<PayloadColumns>> columns = PayloadColumns::Open(bytes, rows);
  EXPECT_OK(columns);
  const Result<Filter> filter = Filter::Parse(text);
  EXPECT_OK(filter);
  const Candidates found = (*columns)->Evaluate(*filter);
  std::string out = found.exact() ? "exact" : "superset";
  found.ForEach([&out](uint32_t row) { out += " " + std::to_string(row); });
  return out;
}

std::string Hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out += kDigits[static_cast<unsigned char>(c) >> 4];
    out += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

/// Mixed payloads whose file has every kind of block.
std::vector<std::string> Sample() {
  std::vector<std::string> payloads;
  for (int i = 0; i < 40; ++i) {
    const std::string n = std::to_string(i);
    payloads.push_back("{\"n\":" + n + ",\"s\":\"k" + std::to_string(i % 3) +
                       "\",\"t\":[1.5,\"x\",true,null],\"o\":[{\"q\":" + n + "},{\"q\":false}]," +
                       "\"z\":null,\"long\":\"" + std::string(static_cast<size_t>(i * 10), 'l') +
                       "\"}");
  }
  return payloads;
}

TEST(PayloadColumns, AnswersExactlyWhereValuesAreIndexed) {
  const std::string bytes =
      Build({R"({"y":2020,"t":["a","b"],"ok":true})", R"({"y":2021.5,"t":"ab","ok":null})",
             R"({"y":"2020","u":{"v":1}})", "", R"({"y":[2020,2022]})"});
  const auto rows = [&](std::string_view filter) { return Rows(bytes, 5, filter); };
  EXPECT_EQ(rows("y = 2020"), "exact 0 4");
  EXPECT_EQ(rows("y > 2020"), "exact 1 4");
  EXPECT_EQ(rows("y != 2020"), "exact 1 4");
  EXPECT_EQ(rows("NOT y = 2020"), "exact 1 2 3");
  EXPECT_EQ(rows("y IN ('2020', 2021.5)"), "exact 1 2");
  EXPECT_EQ(rows("t CONTAINS 'a'"), "exact 0 1");
  EXPECT_EQ(rows("t CONTAINS ALL ('a', 'b')"), "exact 0 1");
  EXPECT_EQ(rows("t LIKE 'a%'"), "exact 0 1");
  EXPECT_EQ(rows("ok = TRUE"), "exact 0");
  EXPECT_EQ(rows("ok IS NULL"), "exact 1 2 3 4");
  EXPECT_EQ(rows("EXISTS ok"), "exact 0 1");
  EXPECT_EQ(rows("u.v = 1 OR y BETWEEN 2021 AND 2022"), "exact 1 2 4");
  EXPECT_EQ(rows("missing IS NULL"), "exact 0 1 2 3 4");
  EXPECT_EQ(rows("missing = 1"), "exact");
}

TEST(PayloadColumns, DoesNotMixTheValuesOfOneRowInContains) {
  const std::string bytes = Build({R"({"a":[{"b":[1]},{"b":2}]})", R"({"a":[{"b":[1]},{"b":[2]}]})",
                                   R"({"a":[{"b":[1,2]}]})", R"({"a":{"b":2}})"});
  EXPECT_EQ(Rows(bytes, 4, "a.b = 2"), "exact 0 1 2 3");
  EXPECT_EQ(Rows(bytes, 4, "a.b CONTAINS 2"), "superset 0 1 2");
  EXPECT_EQ(Rows(bytes, 4, "a.b CONTAINS ALL (1, 2)"), "superset 0 1 2");
  EXPECT_EQ(Rows(bytes, 4, "NOT a.b CONTAINS 2"), "superset 0 1 3");
  EXPECT_EQ(Rows(bytes, 4, "a.b CONTAINS 3"), "exact");
}

TEST(PayloadColumns, CountsRowsNeverAddedAsEmpty) {
  PayloadColumnsBuilder builder;
  ASSERT_OK(builder.Add(1, R"({"a":1})"));
  ASSERT_OK_AND_ASSIGN(const std::string bytes, builder.Finish());
  EXPECT_EQ(Rows(bytes, 4, "a IS NULL"), "exact 0 2 3");
  const std::string none = Build({});
  EXPECT_EQ(Rows(none, 2, "NOT a = 1"), "exact 0 1");
  EXPECT_EQ(Rows(none, 0, "NOT a = 1"), "exact");
}

TEST(PayloadColumns, KeepsRowsWithLongTextAsCandidates) {
  const std::string text(kMaxKeywordBytes + 1, 'x');
  const std::string bytes = Build({R"({"a":"x"})", "{\"a\":\"" + text + "\"}", R"({"a":"y"})"});
  EXPECT_EQ(Rows(bytes, 3, "a = 'x'"), "superset 0 1");
  EXPECT_EQ(Rows(bytes, 3, "NOT a = 'x'"), "superset 1 2");
  EXPECT_EQ(Rows(bytes, 3, "a CONTAINS 'x'"), "superset 0 1");
  EXPECT_EQ(Rows(bytes, 3, "a = 1"), "exact");
  EXPECT_EQ(Rows(bytes, 3, "a = 'x' AND a IS NULL"), "exact");
}

TEST(PayloadColumns, DropsDictionariesOfLongUniqueText) {
  std::vector<std::string> payloads;
  for (int i = 0; i < 50; ++i) {
    payloads.push_back("{\"a\":\"" + std::string(200, 'x') + std::to_string(i) + "\"}");
  }
  payloads.push_back(R"({"a":5})");
  const std::string bytes = Build(payloads);
  EXPECT_LT(bytes.size(), 1000U);
  EXPECT_THAT(Rows(bytes, 51, "a = 'x'"), ::testing::StartsWith("superset 0 1 2"));
  EXPECT_EQ(Rows(bytes, 51, "a = 5"), "exact 50");
}

TEST(PayloadColumns, KeepsRowsWithManyElementsAsCandidates) {
  std::string large = R"({"a":[)";
  for (size_t i = 0; i <= kMaxIndexedElements; ++i) {
    large += std::to_string(i) + ",";
  }
  large += "true]}";
  const std::string bytes = Build({large, R"({"a":[1]})", R"({"a":[7777]})"});
  EXPECT_EQ(Rows(bytes, 3, "a = 1"), "exact 0 1");
  EXPECT_EQ(Rows(bytes, 3, "a = 7777"), "superset 0 2");
  EXPECT_EQ(Rows(bytes, 3, "a = 'x'"), "exact");
  EXPECT_EQ(Rows(bytes, 3, "a = TRUE"), "exact 0");
}

TEST(PayloadColumns, GivesAllRowsForPathsBeyondTheCap) {
  std::string wide = "{";
  for (size_t i = 0; i <= kMaxColumnPaths; ++i) {
    wide += (i == 0 ? "\"k" : ",\"k") + std::to_string(i) + "\":1";
  }
  const std::string bytes = Build({wide + "}", "{}"});
  const std::string last = "k" + std::to_string(kMaxColumnPaths);
  EXPECT_EQ(Rows(bytes, 2, "k0 = 1"), "exact 0");
  EXPECT_EQ(Rows(bytes, 2, last + " = 1"), "superset 0 1");
  EXPECT_EQ(Rows(bytes, 2, "NOT " + last + " = 1"), "superset 0 1");
  EXPECT_EQ(Rows(bytes, 2, "k0 = 1 AND " + last + " IS NULL"), "superset 0");
  const std::string key(kMaxColumnPathBytes + 1, 'k');
  EXPECT_EQ(Rows(Build({"{\"" + key + "\":1}"}), 1, "\"" + key + "\" = 1"), "superset 0");
}

TEST(PayloadColumnsBuilder, RefusesRowsOutOfOrderAndMalformedPayloads) {
  PayloadColumnsBuilder order;
  ASSERT_OK(order.Add(3, "{}"));
  EXPECT_THAT(order.Add(3, "{}"), StatusIs(StatusCode::kInvalidArgument, "ascending"));
  EXPECT_THAT(order.Finish(), StatusIs(StatusCode::kFailedPrecondition));
  PayloadColumnsBuilder malformed;
  EXPECT_THAT(malformed.Add(0, "{\"a\":"), StatusIs(StatusCode::kInvalidArgument, "row=0"));
  EXPECT_THAT(malformed.Add(1, "{}"), StatusIs(StatusCode::kFailedPrecondition));
}

TEST(PayloadColumns, WritesTheDocumentedBytes) {
  const std::string bytes = Build({R"({"k":"v"})", R"({"k":-2})"});
  // Header: magic, version 1, row bound 2, 1 path, no flags, size.
  EXPECT_EQ(Hex(bytes.substr(0, 32)),
            "4c504331"
            "01000000"
            "02000000"
            "01000000"
            "00000000"
            "00000000" +
                Hex(std::string(1, static_cast<char>(bytes.size() & 0xFF))) +
                Hex(std::string(1, static_cast<char>(bytes.size() >> 8))) + "000000000000");
  // Blocks: path, present {0,1}, not null {0,1}, direct text {0}, numbers (-2 at row 1), and the
  // dictionary of "v" at row 0.
  EXPECT_EQ(Hex(bytes.substr(32 + 192)),
            "6b"
            "020000000000000001000000"
            "020000000000000001000000"
            "0100000000000000"
            "0100000000000000"
            "feffffffffffffff"
            "01000000"
            "01"
            "0100000000000000"
            "0000000001000000"
            "0000000008000000"
            "76"
            "0100000000000000");
}

TEST(PayloadColumns, RefusesEveryTruncation) {
  const std::string bytes = Build(Sample());
  for (size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_THAT(PayloadColumns::Open(std::string_view(bytes).substr(0, n), 40),
                StatusIs(StatusCode::kDataLoss))
        << n;
  }
  EXPECT_THAT(PayloadColumns::Open(bytes + 'x', 40), StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(PayloadColumns::Open(bytes, 39), StatusIs(StatusCode::kDataLoss, "row bound"));
  EXPECT_THAT(PayloadColumns::Open(bytes, std::numeric_limits<size_t>::max()),
              StatusIs(StatusCode::kInvalidArgument));
}

TEST(PayloadColumns, LooksAtItsControlForEachPredicateAndInLongDictionaries) {
  constexpr size_t kRows = 5000;
  std::vector<std::string> payloads;
  for (size_t i = 0; i < kRows; ++i) {
    payloads.push_back("{\"s\":\"a" + std::to_string(i) + "\"}");
  }
  const std::string bytes = Build(payloads);
  ASSERT_OK_AND_ASSIGN(const auto columns, PayloadColumns::Open(bytes, kRows));
  testing::TestClock clock;
  CancelToken token;
  const auto looks = [&](std::string_view text) {
    CallControl control;
    control.clock = &clock;
    control.cancel = &token;
    control.deadline_nanos = std::numeric_limits<int64_t>::max();
    clock.SetHook([](int64_t) {});
    EXPECT_OK(columns->Evaluate(*Filter::Parse(text), control));
    const int64_t count = clock.ClearHook();
    // At each of these looks the evaluation can be ended.
    for (int64_t at = 1; at < count; ++at) {
      clock.SetHook([&](int64_t look) {
        if (look == at) {
          control.deadline_nanos = 1;
          clock.monotonic_nanos = 2;
        }
      });
      EXPECT_THAT(columns->Evaluate(*Filter::Parse(text), control),
                  StatusIs(StatusCode::kDeadlineExceeded));
      clock.ClearHook();
      control.deadline_nanos = std::numeric_limits<int64_t>::max();
    }
    return count;
  };
  EXPECT_GE(looks("s LIKE '%7'"), static_cast<int64_t>(kRows / CallControl::kCheckInterval));
  EXPECT_GE(looks("s CONTAINS '7'"), static_cast<int64_t>(kRows / CallControl::kCheckInterval));
  EXPECT_GE(looks("s = 'a' OR s = 'b' OR s = 'c' OR NOT absent = 1"), 4);
  token.Cancel();
  CallControl cancelled;
  cancelled.cancel = &token;
  EXPECT_THAT(columns->Evaluate(*Filter::Parse("s = 'a'"), cancelled),
              StatusIs(StatusCode::kCancelled));
}

TEST(PayloadColumns, SurvivesFlippedBitsAndHugeCounts) {
  const std::string bytes = Build(Sample());
  std::vector<Filter> filters;
  for (const std::string_view text :
       {"n > 3", "s = 'k1'", "t CONTAINS ALL (1.5, 'x')", "NOT o.q = 7", "long LIKE '%l'",
        "z IS NULL", "EXISTS o.q", "n BETWEEN 3 AND 9 OR s != 'k2'"}) {
    ASSERT_OK_AND_ASSIGN(const Filter filter, Filter::Parse(text));
    filters.push_back(filter);
  }
  size_t opened = 0;
  const auto exercise = [&](const std::string& damaged) {
    const Result<std::unique_ptr<PayloadColumns>> columns = PayloadColumns::Open(damaged, 40);
    if (!columns.ok()) {
      return;
    }
    ++opened;
    for (const Filter& filter : filters) {
      EXPECT_LE((*columns)->Evaluate(filter).count(), 40U);
    }
  };
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
    exercise(damaged);
  }
  for (size_t at = 0; at + 4 <= bytes.size(); ++at) {
    for (const uint32_t huge : {0xFFFFFFFFU, 0x7FFFFFFFU, 0x80000000U, 0U}) {
      std::string damaged = bytes;
      std::memcpy(damaged.data() + at, &huge, sizeof huge);
      exercise(damaged);
    }
  }
  std::cout << "damaged but valid: " << opened << "\n";
}

}  // namespace
}  // namespace leadline
