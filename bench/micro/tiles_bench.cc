/// Speed of the kernels on tiles at each SIMD level. Columns: TOPS counts multiplications and
/// additions of the queries that are there, ns_per_sum the time per row and query.

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "leadline/core/rng.h"
#include "leadline/simd/level.h"

namespace leadline::simd {
namespace {

constexpr size_t kRows = 128;

struct Free {
  void operator()(void* p) const { std::free(p); }
};

/// Random numbers on a 64-byte boundary.
template <class T>
std::unique_ptr<T, Free> RandomArray(size_t size) {
  std::unique_ptr<T, Free> array(
      static_cast<T*>(std::aligned_alloc(64, (size * sizeof(T) + 63) / 64 * 64)));
  Rng rng(1);
  for (size_t i = 0; i < size; ++i) {
    array.get()[i] = static_cast<T>(rng.Next());
  }
  return array;
}

void Report(benchmark::State& state, size_t queries, size_t n) {
  const auto sums = static_cast<double>(state.iterations()) * static_cast<double>(kRows * queries);
  state.counters["TOPS"] =
      benchmark::Counter(sums * 2 * static_cast<double>(n) * 1e-12, benchmark::Counter::kIsRate);
  state.counters["ns_per_sum"] =
      benchmark::Counter(sums * 1e-9, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

/// What a stage of a batch does with a tile.
enum class Stage { kSums, kSumsOfListed, kHits, kNearest, kPack };

/// Arguments: values of a row, queries.
void BenchTile(benchmark::State& state, const TileKernels& kernels, Stage stage) {
  const auto n = static_cast<size_t>(state.range(0));
  const auto queries = static_cast<size_t>(state.range(1));
  const size_t packs = (queries + kPackLanes - 1) / kPackLanes;
  const size_t width = packs * kPackLanes;
  const auto codes = RandomArray<uint8_t>(kRows * n);
  const auto packed = RandomArray<int8_t>(PackedBytes(packs, n));
  const auto unpacked = RandomArray<int8_t>(queries * n);
  std::vector<int32_t> sums(kRows * width);
  std::vector<float> terms(2 * kRows, 1.0F);
  const std::vector<float> ones(width, 1.0F);
  const std::vector<int32_t> offsets(width, 1);
  const std::vector<float> thresholds(width, -1e30F);
  std::vector<TileHit> hits(HitRoom(kRows, packs));
  std::vector<float> best(kRows, 1e30F);
  std::vector<uint32_t> best_lane(kRows);
  std::vector<uint32_t> ids(kRows);
  Rng rng(2);
  for (uint32_t& id : ids) {
    id = static_cast<uint32_t>(rng.Uniform(kRows));
  }
  const TileLanes lanes = {ones.data(), offsets.data(), ones.data()};
  const SumTile tile = {
      sums.data(),       width,  kRows, packs, reinterpret_cast<const uint8_t*>(terms.data()),
      2 * sizeof(float), nullptr};
  for (auto _ : state) {
    if (stage == Stage::kPack) {
      kernels.pack_queries(unpacked.get(), n, nullptr, queries, n, packed.get());
    } else {
      kernels.packed_sums(codes.get(), n, stage == Stage::kSumsOfListed ? ids.data() : nullptr,
                          kRows, n, packed.get(), packs, sums.data(), width);
    }
    if (stage == Stage::kHits) {
      benchmark::DoNotOptimize(kernels.tile_hits(tile, lanes, thresholds.data(), hits.data()));
    } else if (stage == Stage::kNearest) {
      kernels.tile_nearest(tile, lanes, 0, best.data(), best_lane.data());
    }
    benchmark::ClobberMemory();
  }
  Report(state, queries, n);
}

void Register() {
  constexpr std::pair<const char*, Stage> kStages[] = {{"sums", Stage::kSums},
                                                       {"sums_listed", Stage::kSumsOfListed},
                                                       {"sums_hits", Stage::kHits},
                                                       {"sums_nearest", Stage::kNearest},
                                                       {"pack", Stage::kPack}};
  for (const Level* level : AvailableLevels()) {
    for (const auto& [name, stage] : kStages) {
      benchmark::RegisterBenchmark((std::string(name) + "/" + std::string(level->name)).c_str(),
                                   [level, stage = stage](benchmark::State& state) {
                                     BenchTile(state, level->tiles, stage);
                                   })
          ->ArgsProduct({{128, 384, 768, 832}, {1, 4, 16, 32, 64}});
    }
  }
}

}  // namespace
}  // namespace leadline::simd

int main(int argc, char** argv) {
  leadline::simd::Register();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
