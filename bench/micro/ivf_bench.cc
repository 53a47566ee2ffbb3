/// The IVF search loop over small lists in cache: queries per second by lists probed, with filters,
/// and the build.

#include <benchmark/benchmark.h>

#include "index_fixture.h"
#include "leadline/index/ivf.h"

namespace leadline::index {
namespace {

const IndexFixture& Lists() {
  static const IndexFixture kLists(IvfIndexFactory(), {});
  return kLists;
}

/// Argument: nprobe, 0 for the default.
void IvfSearch(benchmark::State& state) {
  SearchParams params;
  params.nprobe = static_cast<size_t>(state.range(0));
  Lists().Run(state, params, "lists");
}

BENCHMARK(IvfSearch)->Arg(0)->Arg(1)->Arg(8)->Arg(64);

/// Argument: one row in so many is allowed; default nprobe.
void FilteredIvfSearch(benchmark::State& state) {
  Lists().RunFiltered(state, static_cast<size_t>(state.range(0)), "lists");
}

BENCHMARK(FilteredIvfSearch)->Arg(1)->Arg(2)->Arg(10)->Arg(1000);

/// Argument: lists; on one thread.
void IvfBuild(benchmark::State& state) {
  BuildOptions options;
  options.nlist = static_cast<uint32_t>(state.range(0));
  for (auto _ : state) {
    const auto built = IvfIndexFactory().Build(Lists().rows(), options);
    if (!built.ok()) {
      state.SkipWithError(built.status().message().c_str());
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kRows));
}

BENCHMARK(IvfBuild)->Arg(100)->Arg(400)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace leadline::index
