/// The search loop over a small graph in cache: queries per second by ef, and with filters.

#include <benchmark/benchmark.h>

#include "index_fixture.h"
#include "leadline/index/hnsw.h"

namespace leadline::index {
namespace {

const IndexFixture& Graph() {
  BuildOptions options;
  options.ef_construction = 100;
  static const IndexFixture kGraph(HnswIndexFactory(), options);
  return kGraph;
}

/// Argument: ef.
void GraphSearch(benchmark::State& state) {
  SearchParams params;
  params.ef_search = static_cast<size_t>(state.range(0));
  Graph().Run(state, params, "nodes");
}

BENCHMARK(GraphSearch)->Arg(16)->Arg(64)->Arg(256);

/// Argument: one row in so many is allowed; ef 64.
void FilteredGraphSearch(benchmark::State& state) {
  Graph().RunFiltered(state, static_cast<size_t>(state.range(0)), "nodes");
}

BENCHMARK(FilteredGraphSearch)->Arg(1)->Arg(2)->Arg(10)->Arg(1000);

}  // namespace
}  // namespace leadline::index
