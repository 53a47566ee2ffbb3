/// The search loop over a small graph in cache: queries per second by ef, and with filters.

#include <map>

#include <benchmark/benchmark.h>

#include "index_fixture.h"
#include "leadline/index/hnsw.h"

namespace leadline::index {
namespace {

/// The graph with rows in full precision, 8-bit, 4-bit or bf16 codes.
const IndexFixture& Graph(CodeType codes) {
  static std::map<CodeType, IndexFixture> graphs;
  BuildOptions options;
  options.ef_construction = 100;
  options.codes = codes;
  return graphs.try_emplace(codes, HnswIndexFactory(), options).first->second;
}

/// Argument: ef.
void GraphSearch(benchmark::State& state, CodeType codes) {
  SearchParams params;
  params.ef_search = static_cast<size_t>(state.range(0));
  Graph(codes).Run(state, params, "nodes");
}

BENCHMARK_CAPTURE(GraphSearch, f32, CodeType::kF32)->Arg(16)->Arg(64)->Arg(256);
BENCHMARK_CAPTURE(GraphSearch, sq8, CodeType::kSq8)->Arg(16)->Arg(64)->Arg(256);
BENCHMARK_CAPTURE(GraphSearch, sq4, CodeType::kSq4)->Arg(16)->Arg(64)->Arg(256);
BENCHMARK_CAPTURE(GraphSearch, bf16, CodeType::kBf16)->Arg(16)->Arg(64)->Arg(256);

/// Argument: one row in so many is allowed; ef 64.
void FilteredGraphSearch(benchmark::State& state, CodeType codes) {
  Graph(codes).RunFiltered(state, static_cast<size_t>(state.range(0)), "nodes");
}

BENCHMARK_CAPTURE(FilteredGraphSearch, f32, CodeType::kF32)->Arg(1)->Arg(2)->Arg(10)->Arg(1000);
BENCHMARK_CAPTURE(FilteredGraphSearch, sq8, CodeType::kSq8)->Arg(1)->Arg(2)->Arg(10)->Arg(1000);

}  // namespace
}  // namespace leadline::index
