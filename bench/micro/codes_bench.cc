/// Speed of the kernels on codes at each SIMD level. Columns: items_per_second counts rows, TOPS
/// multiplications and additions, GBps bytes of codes read from where the rows lie ("KiB": their
/// size, which says in which cache).

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "leadline/core/rng.h"
#include "leadline/simd/level.h"

namespace leadline::simd {
namespace {

/// Bytes, random ones below `bound`, on a 64-byte boundary, readable beyond the end as kernels ask.
class Bytes {
 public:
  explicit Bytes(size_t size, uint64_t bound = 256)
      : data_(static_cast<uint8_t*>(std::aligned_alloc(64, (size + 191) / 64 * 64))) {
    Rng rng(1);
    for (size_t i = 0; i < size + 64; ++i) {
      data_.get()[i] = static_cast<uint8_t>(rng.Uniform(bound));
    }
  }

  const uint8_t* data() const { return data_.get(); }

  const int8_t* numbers() const { return reinterpret_cast<const int8_t*>(data_.get()); }

 private:
  struct Free {
    void operator()(uint8_t* p) const { std::free(p); }
  };

  std::unique_ptr<uint8_t, Free> data_;
};

size_t Padded(size_t n) {
  return (n + kCodeBytes - 1) / kCodeBytes * kCodeBytes;
}

void Report(benchmark::State& state, size_t rows, size_t operations, size_t bytes,
            size_t resident_bytes) {
  const auto iterations = static_cast<double>(state.iterations());
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(rows));
  state.counters["TOPS"] = benchmark::Counter(iterations * static_cast<double>(operations) * 1e-12,
                                              benchmark::Counter::kIsRate);
  state.counters["GBps"] = benchmark::Counter(iterations * static_cast<double>(bytes) * 1e-9,
                                              benchmark::Counter::kIsRate);
  state.counters["KiB"] = static_cast<double>(resident_bytes) / 1024;
}

/// Arguments: dimension, rows.
void BenchGather(benchmark::State& state, CodeKernels::Sq8Gather gather, size_t codes_per_byte) {
  constexpr size_t kCount = 64;
  const auto dim = static_cast<size_t>(state.range(0));
  const auto rows = static_cast<size_t>(state.range(1));
  const size_t n = Padded((dim + codes_per_byte - 1) / codes_per_byte);
  const Bytes codes(rows * n);
  const Bytes query(2 * n);
  Rng rng(2);
  std::vector<uint32_t> ids(size_t{64} * kCount);
  for (uint32_t& id : ids) {
    id = static_cast<uint32_t>(rng.Uniform(rows));
  }
  std::vector<int32_t> out(kCount);
  size_t at = 0;
  for (auto _ : state) {
    gather(query.numbers(), codes.data(), n, ids.data() + at, kCount, n, out.data());
    at = (at + kCount) % ids.size();
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  Report(state, kCount, 2 * codes_per_byte * n * kCount, n * kCount, rows * n);
}

void BenchBf16(benchmark::State& state, CodeKernels::Bf16Gather gather) {
  constexpr size_t kCount = 16;
  const auto dim = static_cast<size_t>(state.range(0));
  const size_t n = (dim + 31) / 32 * 32;
  const Bytes rows(2 * kCount * n, 0x3F);
  const Bytes query(4 * n, 0x3F);
  std::vector<uint32_t> ids(kCount);
  for (size_t i = 0; i < kCount; ++i) {
    ids[i] = static_cast<uint32_t>(i * 7 % kCount);
  }
  std::vector<float> out(kCount);
  for (auto _ : state) {
    gather(reinterpret_cast<const float*>(query.data()),
           reinterpret_cast<const uint16_t*>(rows.data()), n, ids.data(), kCount, n, out.data());
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  Report(state, kCount, 2 * n * kCount, 2 * n * kCount, 2 * n * kCount);
}

/// Arguments: lines of a block, blocks.
void BenchTableSums(benchmark::State& state, CodeKernels::TableSums sums) {
  const auto lines = static_cast<size_t>(state.range(0));
  const auto blocks = static_cast<size_t>(state.range(1));
  const Bytes codes(blocks * lines * kCodeBytes);
  const Bytes tables(lines * kPqPerLine * 16);
  std::vector<int32_t> out(blocks * kBlockRows);
  for (auto _ : state) {
    sums(tables.data(), codes.data(), lines, blocks, nullptr, out.data());
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  const size_t rows = blocks * kBlockRows;
  Report(state, rows, rows * lines * kPqPerLine, blocks * lines * kCodeBytes,
         blocks * lines * kCodeBytes);
}

/// Argument: rows kept of 1,000.
void BenchSelect(benchmark::State& state, CodeKernels::SelectNear select) {
  constexpr size_t kRows = 4096;
  Rng rng(3);
  std::vector<int32_t> sums(kRows);
  for (int32_t& sum : sums) {
    sum = static_cast<int32_t>(rng.Uniform(1000));
  }
  const std::vector<float> add(kRows, 2000.0F);
  const std::vector<float> scale(kRows, 1.0F);
  std::vector<float> distances(kRows + 16);
  std::vector<uint32_t> positions(kRows + 16);
  const float threshold = 2000.0F - 2.0F * (1000.0F - static_cast<float>(state.range(0)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(select(sums.data(), add.data(), scale.data(), kRows, {1.0F, 0},
                                    threshold, nullptr, 0, distances.data(), positions.data()));
    benchmark::ClobberMemory();
  }
  Report(state, kRows, 3 * kRows, 12 * kRows, 12 * kRows);
}

void RegisterLevel(const Level& level) {
  const std::string prefix(level.name);
  const CodeKernels& codes = level.codes;
  const std::vector<int64_t> dims = {100, 384, 768, 784, 1536};
  const auto add = [&](const std::string& name, auto function, auto... arguments) {
    return benchmark::RegisterBenchmark((prefix + name).c_str(), function, arguments...);
  };
  for (const int64_t dim : dims) {
    for (const int64_t rows : {24, 256, 8192}) {
      add("/sq8_gather", BenchGather, codes.sq8_gather, size_t{1})->Args({dim, rows});
      add("/sq4_gather", BenchGather, codes.sq4_gather, size_t{2})->Args({dim, rows});
    }
    add("/bf16_gather", BenchBf16, codes.bf16_gather)->Arg(dim);
  }
  for (const int64_t lines : {4, 7, 12, 13, 24, 48}) {
    add("/table_sums", BenchTableSums, codes.table_sums)->Args({lines, 32});
    add("/table_sums", BenchTableSums, codes.table_sums)->Args({lines, 1024});
  }
  for (const int64_t kept : {0, 5, 100, 1000}) {
    add("/select_near", BenchSelect, codes.select_near)->Arg(kept);
  }
}

}  // namespace
}  // namespace leadline::simd

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  for (const leadline::simd::Level* level : leadline::simd::AvailableLevels()) {
    leadline::simd::RegisterLevel(*level);
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
