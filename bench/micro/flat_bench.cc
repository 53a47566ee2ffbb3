/// Exact scans: rows per second for one query and for a batch, all rows and filtered ones.

#include <vector>

#include <benchmark/benchmark.h>

#include "leadline/core/rng.h"
#include "leadline/index/flat.h"
#include "leadline/index/scan.h"

namespace leadline::index {
namespace {

constexpr size_t kRows = 20'000;
constexpr size_t kDim = 128;

const std::vector<float>& Vectors() {
  static const std::vector<float> kVectors = [] {
    Rng rng(1);
    std::vector<float> values(kRows * kDim);
    for (float& value : values) {
      value = static_cast<float>(rng.Gaussian());
    }
    return values;
  }();
  return kVectors;
}

/// Argument: queries per call.
void FlatSearch(benchmark::State& state) {
  const MatrixView vectors{Vectors().data(), kRows, kDim};
  const auto queries = static_cast<size_t>(state.range(0));
  const auto index = FlatIndexFactory().Open({}, vectors, Metric::kL2);
  std::vector<SearchOutcome> out(queries);
  for (auto _ : state) {
    const Status status = (*index)->Search({Vectors().data(), queries, kDim}, {}, out);
    if (!status.ok()) {
      state.SkipWithError(status.message().c_str());
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kRows * queries));
}

BENCHMARK(FlatSearch)->Arg(1)->Arg(16)->Arg(128);

/// Argument: one row in so many is allowed.
void FilteredScan(benchmark::State& state) {
  const MatrixView vectors{Vectors().data(), kRows, kDim};
  std::vector<uint64_t> allowed((kRows + 63) / 64);
  for (size_t i = 0; i < kRows; i += static_cast<size_t>(state.range(0))) {
    allowed[i >> 6] |= uint64_t{1} << (i & 63);
  }
  SearchStats stats;
  for (auto _ : state) {
    TopK top(10);
    const Status status = ScanRows(vectors, vectors.row(0), Metric::kInnerProduct, allowed.data(),
                                   0, {}, &top, &stats);
    if (!status.ok()) {
      state.SkipWithError(status.message().c_str());
    }
    benchmark::DoNotOptimize(top.Take());
  }
  state.SetItemsProcessed(static_cast<int64_t>(stats.distances));
}

BENCHMARK(FilteredScan)->Arg(1)->Arg(2)->Arg(10)->Arg(100);

}  // namespace
}  // namespace leadline::index
