/// The IVF search loop over small lists in cache: queries per second by lists probed, with filters,
/// and the build.

#include <vector>

#include <benchmark/benchmark.h>

#include "leadline/core/rng.h"
#include "leadline/index/ivf.h"

namespace leadline::index {
namespace {

constexpr size_t kRows = 10'000;
constexpr size_t kDim = 96;
constexpr size_t kQueries = 100;

/// Lists over random rows around 200 centres, with what they borrow.
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
    auto built = IvfIndexFactory().Build(fixture.rows(), {});
    if (built.ok()) {
      fixture.sections = std::move(built).value();
      fixture.views.push_back({fixture.sections[0].type, fixture.sections[0].bytes});
      auto index = IvfIndexFactory().Open(fixture.views, fixture.rows(), Metric::kL2);
      fixture.index = index.ok() ? std::move(index).value() : nullptr;
    }
    return fixture;
  }
};

/// Searches for the first rows over and over; reports queries, distances and lists.
void Run(benchmark::State& state, const SearchParams& params) {
  const Fixture& fixture = Fixture::Get();
  if (fixture.index == nullptr) {
    state.SkipWithError("the lists were not built");
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
  uint64_t lists = 0;
  for (const SearchOutcome& outcome : out) {
    distances += outcome.stats.distances;
    lists += outcome.stats.hops;
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kQueries));
  state.counters["distances"] = static_cast<double>(distances) / kQueries;
  state.counters["lists"] = static_cast<double>(lists) / kQueries;
}

/// Argument: nprobe, 0 for the default.
void IvfSearch(benchmark::State& state) {
  SearchParams params;
  params.nprobe = static_cast<size_t>(state.range(0));
  Run(state, params);
}

BENCHMARK(IvfSearch)->Arg(0)->Arg(1)->Arg(8)->Arg(64);

/// Argument: one row in so many is allowed; default nprobe.
void FilteredIvfSearch(benchmark::State& state) {
  std::vector<uint64_t> allowed((kRows + 63) / 64);
  const auto step = static_cast<size_t>(state.range(0));
  for (size_t i = 0; i < kRows; i += step) {
    allowed[i >> 6] |= uint64_t{1} << (i & 63);
  }
  SearchParams params;
  params.allowed = allowed.data();
  params.allowed_count = (kRows + step - 1) / step;
  Run(state, params);
}

BENCHMARK(FilteredIvfSearch)->Arg(1)->Arg(2)->Arg(10)->Arg(1000);

/// Argument: lists; on one thread.
void IvfBuild(benchmark::State& state) {
  const Fixture& fixture = Fixture::Get();
  BuildOptions options;
  options.nlist = static_cast<uint32_t>(state.range(0));
  for (auto _ : state) {
    const auto built = IvfIndexFactory().Build(fixture.rows(), options);
    if (!built.ok()) {
      state.SkipWithError(built.status().message().c_str());
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kRows));
}

BENCHMARK(IvfBuild)->Arg(100)->Arg(400)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace leadline::index
