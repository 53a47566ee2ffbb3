/// Filters: parsing, testing one payload, building and opening columns, and turning a filter into a
/// set of rows.

#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "leadline/core/filter.h"
#include "leadline/core/payload_columns.h"
#include "leadline/core/payload_json.h"
#include "leadline/core/rng.h"

namespace leadline {
namespace {

constexpr uint32_t kRows = 100'000;

constexpr std::string_view kFilters[] = {
    "year >= 2020 AND lang IN ('th', 'en') AND NOT tags CONTAINS 'draft'",
    "year = 2005",
    "score BETWEEN 0.25 AND 0.75",
    "user = 'user-77777'",
    "user LIKE '%777'",
    "tags CONTAINS ANY ('t1', 't7') OR author.name IS NULL",
};

/// About 200 bytes, like the metadata of a document.
std::string MakePayload(Rng* rng) {
  static constexpr std::string_view kLangs[] = {"en", "th", "de", "fr", "zh"};
  std::string json = "{\"year\":" + std::to_string(1990 + rng->Uniform(35));
  json += ",\"lang\":\"" + std::string(kLangs[rng->Uniform(5)]) + "\"";
  json += ",\"score\":" + std::to_string(rng->UniformDouble());
  json += ",\"user\":\"user-" + std::to_string(rng->Uniform(kRows)) + "\"";
  json += ",\"tags\":[\"t" + std::to_string(rng->Uniform(10)) + "\",\"t" +
          std::to_string(rng->Uniform(10)) + (rng->Uniform(10) == 0 ? "\",\"draft\"]" : "\"]");
  if (rng->Uniform(2) == 0) {
    json += ",\"author\":{\"name\":\"Ann\",\"active\":true}";
  }
  return json + ",\"note\":\"some text that no filter of this program asks about\"}";
}

const std::vector<std::string>& Payloads() {
  static const std::vector<std::string> kPayloads = [] {
    Rng rng(1);
    std::vector<std::string> payloads(kRows);
    for (std::string& payload : payloads) {
      payload = MakePayload(&rng);
    }
    return payloads;
  }();
  return kPayloads;
}

std::string BuildColumns() {
  PayloadColumnsBuilder builder;
  for (uint32_t row = 0; row < kRows; ++row) {
    if (!builder.Add(row, Payloads()[row]).ok()) {
      return {};
    }
  }
  return builder.Finish().value();
}

const std::string& ColumnBytes() {
  static const std::string kBytes = BuildColumns();
  return kBytes;
}

void ParseFilter(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(Filter::Parse(kFilters[0]));
  }
}

BENCHMARK(ParseFilter);

void CheckPayload(benchmark::State& state) {
  size_t row = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(ValidatePayload(Payloads()[row++ % kRows]).ok());
  }
}

BENCHMARK(CheckPayload);

/// Argument: which filter.
void MatchPayload(benchmark::State& state) {
  const CompiledFilter filter(*Filter::Parse(kFilters[state.range(0)]));
  size_t row = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(filter.Matches(Payloads()[row++ % kRows]));
  }
  state.SetLabel(std::string(kFilters[state.range(0)]));
}

BENCHMARK(MatchPayload)->DenseRange(0, std::size(kFilters) - 1);

void BuildPayloadColumns(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(BuildColumns());
  }
  state.SetItemsProcessed(state.iterations() * kRows);
  state.counters["bytes_per_row"] = static_cast<double>(ColumnBytes().size()) / kRows;
}

BENCHMARK(BuildPayloadColumns)->Unit(benchmark::kMillisecond);

void OpenPayloadColumns(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(PayloadColumns::Open(ColumnBytes(), kRows));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(ColumnBytes().size()));
}

BENCHMARK(OpenPayloadColumns)->Unit(benchmark::kMillisecond);

/// Argument: which filter, over 100,000 rows.
void EvaluateColumns(benchmark::State& state) {
  const auto columns = PayloadColumns::Open(ColumnBytes(), kRows);
  const Result<Filter> filter = Filter::Parse(kFilters[state.range(0)]);
  size_t count = 0;
  for (auto _ : state) {
    count = (*columns)->Evaluate(*filter).count();
  }
  state.counters["matches"] = static_cast<double>(count);
  state.SetLabel(std::string(kFilters[state.range(0)]));
}

BENCHMARK(EvaluateColumns)->DenseRange(0, std::size(kFilters) - 1)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace leadline
