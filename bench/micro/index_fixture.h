/// An index over a small clustered collection in cache, for the benchmarks of the search loops.

#pragma once

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "leadline/core/rng.h"
#include "leadline/index/segment_index.h"

namespace leadline::index {

constexpr size_t kRows = 10'000;
constexpr size_t kDim = 96;
constexpr size_t kQueries = 100;

/// An index over random rows around 200 centres, with what it borrows. Thread-compatible.
class IndexFixture {
 public:
  IndexFixture(const IndexFactory& factory, const BuildOptions& options) {
    Rng rng(1);
    std::vector<float> centres(200 * kDim);
    for (float& value : centres) {
      value = static_cast<float>(rng.Gaussian());
    }
    for (size_t i = 0; i < kRows; ++i) {
      const size_t centre = rng.Uniform(200);
      for (size_t j = 0; j < kDim; ++j) {
        vectors_.push_back(centres[centre * kDim + j] + 0.5F * static_cast<float>(rng.Gaussian()));
      }
    }
    auto built = factory.Build(rows(), options);
    if (built.ok()) {
      for (const Section& section : *built) {
        // On a boundary of 64 bytes, as in a mapped file.
        sections_.emplace_back(static_cast<char*>(std::aligned_alloc(
            kAlignment, section.bytes.size() / kAlignment * kAlignment + kAlignment)));
        std::copy(section.bytes.begin(), section.bytes.end(), sections_.back().get());
        views_.push_back({section.type, {sections_.back().get(), section.bytes.size()}});
      }
      auto index = factory.Open(views_, rows(), Metric::kL2);
      index_ = index.ok() ? std::move(index).value() : nullptr;
    }
  }

  [[nodiscard]] MatrixView rows() const { return {vectors_.data(), kRows, kDim}; }

  /// Searches for the first rows over and over; reports queries and, per query, distances and what
  /// the index counts as hops under the name `hops`.
  void Run(benchmark::State& state, const SearchParams& params, const char* hops) const {
    if (index_ == nullptr) {
      state.SkipWithError("the index was not built");
      return;
    }
    std::vector<SearchOutcome> out(kQueries);
    for (auto _ : state) {
      const Status status = index_->Search({vectors_.data(), kQueries, kDim}, params, out);
      if (!status.ok()) {
        state.SkipWithError(status.message().c_str());
      }
    }
    SearchStats sum;
    for (const SearchOutcome& outcome : out) {
      sum.distances += outcome.stats.distances;
      sum.hops += outcome.stats.hops;
    }
    state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kQueries));
    state.counters["distances"] = static_cast<double>(sum.distances) / kQueries;
    state.counters[hops] = static_cast<double>(sum.hops) / kQueries;
  }

  /// The same with one row in `step` allowed.
  void RunFiltered(benchmark::State& state, size_t step, const char* hops) const {
    std::vector<uint64_t> allowed((kRows + 63) / 64);
    for (size_t i = 0; i < kRows; i += step) {
      allowed[i >> 6] |= uint64_t{1} << (i & 63);
    }
    SearchParams params;
    params.allowed = allowed.data();
    params.allowed_count = (kRows + step - 1) / step;
    Run(state, params, hops);
  }

 private:
  std::vector<float> vectors_;

  struct Free {
    void operator()(char* block) const { std::free(block); }
  };

  static constexpr size_t kAlignment = 64;

  std::vector<std::unique_ptr<char, Free>> sections_;
  std::vector<SectionView> views_;
  std::unique_ptr<SegmentIndex> index_;
};

}  // namespace leadline::index
