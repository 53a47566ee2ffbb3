/// Distances per second of each SIMD level, in cache: one pair, rows in sequence, gathered rows.

#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "leadline/core/rng.h"
#include "leadline/simd/level.h"
#include "leadline/simd/normalize.h"

namespace leadline::simd {
namespace {

constexpr size_t kRows = 64;

std::vector<float> RandomFloats(size_t n) {
  Rng rng(1);
  std::vector<float> values(n);
  for (float& value : values) {
    value = static_cast<float>(rng.Gaussian());
  }
  return values;
}

void CountDistances(benchmark::State& state, size_t per_iteration) {
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(per_iteration));
}

void BenchPair(benchmark::State& state, DistanceKernels::PairFunction pair) {
  const auto dim = static_cast<size_t>(state.range(0));
  const std::vector<float> rows = RandomFloats(kRows * dim);
  for (auto _ : state) {
    for (size_t i = 1; i < kRows; ++i) {
      benchmark::DoNotOptimize(pair(rows.data(), rows.data() + i * dim, dim));
    }
  }
  CountDistances(state, kRows - 1);
}

void BenchRows(benchmark::State& state, DistanceKernels::RowsFunction many) {
  const auto dim = static_cast<size_t>(state.range(0));
  const std::vector<float> rows = RandomFloats(kRows * dim);
  std::vector<float> out(kRows);
  for (auto _ : state) {
    many(rows.data(), rows.data(), dim, kRows, dim, out.data());
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  CountDistances(state, kRows);
}

void BenchGather(benchmark::State& state, DistanceKernels::GatherFunction gather) {
  const auto dim = static_cast<size_t>(state.range(0));
  const std::vector<float> rows = RandomFloats(kRows * dim);
  std::vector<float> out(kRows);
  std::vector<uint32_t> ids;
  for (size_t i = 0; i < kRows; ++i) {
    ids.push_back(static_cast<uint32_t>(i * 37 % kRows));
  }
  for (auto _ : state) {
    gather(rows.data(), rows.data(), dim, ids.data(), kRows, dim, out.data());
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  CountDistances(state, kRows);
}

void BenchNormalize(benchmark::State& state) {
  const auto dim = static_cast<size_t>(state.range(0));
  const std::vector<float> values = RandomFloats(dim);
  std::vector<float> out(dim);
  for (auto _ : state) {
    benchmark::DoNotOptimize(NormalizeToUnit(values.data(), out.data(), dim));
    benchmark::ClobberMemory();
  }
  CountDistances(state, 1);
}

void RegisterAll() {
  const std::vector<int64_t> dims = {100, 384, 784, 1536};
  for (const Level* level : AvailableLevels()) {
    const std::string prefix(level->name);
    for (const int64_t dim : dims) {
      benchmark::RegisterBenchmark((prefix + "/l2/pair").c_str(), BenchPair,
                                   level->distance.l2_squared)
          ->Arg(dim);
      benchmark::RegisterBenchmark((prefix + "/l2/rows").c_str(), BenchRows,
                                   level->distance.l2_squared_rows)
          ->Arg(dim);
      benchmark::RegisterBenchmark((prefix + "/l2/gather").c_str(), BenchGather,
                                   level->distance.l2_squared_gather)
          ->Arg(dim);
      benchmark::RegisterBenchmark((prefix + "/dot/pair").c_str(), BenchPair,
                                   level->distance.inner_product)
          ->Arg(dim);
      benchmark::RegisterBenchmark((prefix + "/dot/gather").c_str(), BenchGather,
                                   level->distance.inner_product_gather)
          ->Arg(dim);
    }
  }
  for (const int64_t dim : dims) {
    benchmark::RegisterBenchmark("normalize", BenchNormalize)->Arg(dim);
  }
}

}  // namespace
}  // namespace leadline::simd

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  leadline::simd::RegisterAll();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
