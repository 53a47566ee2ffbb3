/// The search loop over a small graph in cache: queries per second by ef, and with filters.

#include <vector>

#include <benchmark/benchmark.h>

#include "leadline/core/rng.h"
#include "leadline/index/hnsw.h"

namespace leadline::index {
namespace {

constexpr size_t kRows = 10'000;
constexpr size_t kDim = 96;
constexpr size_t kQueries = 100;

/// A graph over random rows around 200 centres, with what it borrows.
struct Fixture {
  std::vector<float> vectors;
  std::vector<Section> sections;
  std::vector<SectionView> views;
  std::unique_ptr<SegmentIndex> index;

  [[nodiscard]] MatrixView rows() const { return {vectors.data(), kRows, kDim}; }

  static const Fixture& Get() {
    static const Fixture kFixture = Make();
    return kFixture;
  }

  static Fixture Make() {
    Fixture fixture;
    Rng rng(1);
    std::vector<float> centres(200 * kDim);
    for (float& value : centres) {
      value = static_cast<float>(rng.Gaussian());
    }
    for (size_t i = 0; i < kRows; ++i) {
      const size_t centre = rng.Uniform(200);
      for (size_t j = 0; j < kDim; ++j) {
        fixture.vectors.push_back(centres[centre * kDim + j] +
                                  0.5F * static_cast<float>(rng.Gaussian()));
      }
    }
    BuildOptions options;
    options.ef_construction = 100;
    auto built = HnswIndexFactory().Build(fixture.rows(), options);
    if (built.ok()) {
      fixture.sections = std::move(built).value();
      fixture.views.push_back({fixture.sections[0].type, fixture.sections[0].bytes});
      auto index = HnswIndexFactory().Open(fixture.views, fixture.rows(), Metric::kL2);
      fixture.index = index.ok() ? std::move(index).value() : nullptr;
    }
    return fixture;
  }
};

/// Searches for the first rows over and over; reports queries, distances and hops.
void Run(benchmark::State& state, const SearchParams& params) {
  const Fixture& fixture = Fixture::Get();
  if (fixture.index == nullptr) {
    state.SkipWithError("the graph was not built");
    return;
  }
  std::vector<SearchOutcome> out(kQueries);
  for (auto _ : state) {
    const Status status =
        fixture.index->Search({fixture.vectors.data(), kQueries, kDim}, params, out);
    if (!status.ok()) {
      state.SkipWithError(status.message().c_str());
    }
  }
  uint64_t distances = 0;
  for (const SearchOutcome& outcome : out) {
    distances += outcome.stats.distances;
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kQueries));
  state.counters["distances"] = static_cast<double>(distances) / kQueries;
}

/// Argument: ef.
void GraphSearch(benchmark::State& state) {
  SearchParams params;
  params.ef_search = static_cast<size_t>(state.range(0));
  Run(state, params);
}

BENCHMARK(GraphSearch)->Arg(16)->Arg(64)->Arg(256);

/// Argument: one row in so many is allowed; ef 64.
void FilteredGraphSearch(benchmark::State& state) {
  std::vector<uint64_t> allowed((kRows + 63) / 64);
  for (size_t i = 0; i < kRows; i += static_cast<size_t>(state.range(0))) {
    allowed[i >> 6] |= uint64_t{1} << (i & 63);
  }
  SearchParams params;
  params.allowed = allowed.data();
  Run(state, params);
}

BENCHMARK(FilteredGraphSearch)->Arg(1)->Arg(2)->Arg(10)->Arg(1000);

}  // namespace
}  // namespace leadline::index
