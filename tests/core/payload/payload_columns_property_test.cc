#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "leadline/core/filter.h"
#include "leadline/core/payload_columns.h"
#include "leadline/core/payload_json.h"
#include "random_payload.h"
#include "reference_filter.h"
#include "status_matchers.h"

namespace leadline {
namespace {

using testing::RandomFilter;
using testing::RandomPayload;
using testing::RefFilter;
using testing::RefJson;
using testing::RefMatches;
using testing::RefText;
using testing::RefValue;

uint64_t Seed() {
  const char* chosen = std::getenv("LEADLINE_TEST_SEED");
  const uint64_t seed = chosen != nullptr ? std::strtoull(chosen, nullptr, 10) : 20240607;
  std::cout << "LEADLINE_TEST_SEED=" << seed << "\n";
  return seed;
}

/// One segment: some rows have no payload.
struct Segment {
  std::vector<RefValue> payloads;
  std::vector<std::string> json;
  std::string bytes;
  std::unique_ptr<PayloadColumns> columns;
};

Segment MakeSegment(Rng* rng) {
  Segment segment;
  PayloadColumnsBuilder builder;
  const size_t rows = 1 + rng->Uniform(rng->Uniform(4) == 0 ? 200 : 40);
  for (uint32_t row = 0; row < rows; ++row) {
    const bool empty = rng->Uniform(10) == 0;
    segment.payloads.push_back(RandomPayload(rng));
    if (empty) {
      segment.payloads.back().members.clear();
    }
    segment.json.push_back(empty ? "" : RefJson(segment.payloads.back()));
    if (!empty || rng->Uniform(2) == 0) {
      EXPECT_OK(builder.Add(row, segment.json.back()));
    }
  }
  Result<std::string> bytes = builder.Finish();
  EXPECT_OK(bytes);
  segment.bytes = *bytes;
  Result<std::unique_ptr<PayloadColumns>> columns = PayloadColumns::Open(segment.bytes, rows);
  EXPECT_OK(columns);
  segment.columns = std::move(*columns);
  return segment;
}

struct Tally {
  size_t cases = 0;
  size_t matches = 0;
  size_t exact = 0;
  size_t sets = 0;
};

void CheckFilter(const Segment& segment, const RefFilter& reference, Tally* tally) {
  const std::string text = RefText(reference);
  ASSERT_OK_AND_ASSIGN(const Filter filter, Filter::Parse(text));
  ASSERT_OK_AND_ASSIGN(const Filter again, Filter::Parse(filter.ToString()));
  ASSERT_EQ(again.ToString(), filter.ToString()) << text;
  ASSERT_EQ(again.nodes(), filter.nodes()) << text;

  const CompiledFilter compiled(filter);
  const Candidates found = segment.columns->Evaluate(filter);
  const size_t rows = segment.payloads.size();
  std::vector<uint64_t> words((rows + 63) / 64 + 1, ~uint64_t{0});
  found.FillWords(words.data(), words.size());
  std::vector<uint32_t> listed;
  for (uint32_t row = 0; row < rows; ++row) {
    const bool expected = RefMatches(reference, segment.payloads[row]);
    ASSERT_EQ(compiled.Matches(segment.json[row]), expected) << filter.ToString() << "\n"
                                                             << segment.json[row];
    const bool candidate = ((words[row / 64] >> (row % 64)) & 1U) != 0;
    ASSERT_TRUE(candidate || !expected) << filter.ToString() << "\n" << segment.json[row];
    ASSERT_TRUE(!found.exact() || candidate == expected) << filter.ToString() << "\n"
                                                         << segment.json[row];
    if (candidate) {
      listed.push_back(row);
    }
    tally->matches += expected ? 1 : 0;
    ++tally->cases;
  }
  ASSERT_EQ(found.ToVector(), listed);
  ASSERT_EQ(found.count(), listed.size());
  tally->exact += found.exact() ? 1 : 0;
  ++tally->sets;
}

TEST(PayloadColumnsProperty, AgreesWithTheReferenceOnRandomPayloadsAndFilters) {
  Rng rng(Seed());
  Tally tally;
  for (int round = 0; round < 250; ++round) {
    const Segment segment = MakeSegment(&rng);
    for (int i = 0; i < 30; ++i) {
      const RefFilter reference = RandomFilter(&rng, 1 + static_cast<int>(rng.Uniform(4)));
      CheckFilter(segment, reference, &tally);
      if (HasFatalFailure()) {
        return;
      }
    }
  }
  std::cout << "cases=" << tally.cases << " matching=" << tally.matches << " sets=" << tally.sets
            << " exact=" << tally.exact << "\n";
  EXPECT_GT(tally.cases, 50'000U);
  // The generator must neither match always nor never, and indexes must be of use.
  EXPECT_GT(tally.matches, tally.cases / 20);
  EXPECT_LT(tally.matches, tally.cases * 19 / 20);
  EXPECT_GT(tally.exact, tally.sets / 2);
}

}  // namespace
}  // namespace leadline
