/// Builds an index and then runs single passes over a query set on command, so that a script can
/// interleave them with passes of another program (bench/peers/hnswlib_ratio.py).
///
///   ann_pass BASE.fvecs QUERY.fvecs TRUTH.ivecs METRIC M EF_CONSTRUCTION [CODES]
///
/// Commands on standard input, one JSON line of answer each:
///   build THREADS     builds anew: {"build_s": 12.3, "build_cpu_s": 12.2, "bytes": 123}
///   pass EF [RESCORE] all queries in one call on one thread: {"qps": 1.0, "cpu_qps": 1.1,
///                     "recall": 0.95, ...}; cpu_qps counts processor time, which other programs on
///                     the machine disturb less; RESCORE as SearchParams::rescore
///   self EF           each base row searched by itself: {"self_recall": 0.999}

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "leadline/index/hnsw.h"
#include "leadline/simd/normalize.h"

namespace {

using leadline::MatrixView;
using leadline::Metric;

constexpr size_t kTop = 10;

/// .fvecs and .ivecs alike: i32 width, then the values, per row.
template <typename T>
std::vector<T> ReadVecs(const std::string& path, size_t* width) {
  std::vector<T> values;
  std::FILE* file = std::fopen(path.c_str(), "rb");
  int32_t dim = 0;
  while (file != nullptr && std::fread(&dim, sizeof dim, 1, file) == 1) {
    *width = static_cast<size_t>(dim);
    const size_t old_size = values.size();
    values.resize(old_size + *width);
    if (std::fread(values.data() + old_size, sizeof(T), *width, file) != *width) {
      break;
    }
  }
  if (file != nullptr) {
    std::fclose(file);
  }
  if (values.empty()) {
    std::fprintf(stderr, "cannot read %s\n", path.c_str());
    std::exit(1);
  }
  return values;
}

/// Wall and processor time since it was made.
class Stopwatch {
 public:
  [[nodiscard]] double wall() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - wall_).count();
  }

  [[nodiscard]] double cpu() const {
    return static_cast<double>(std::clock() - cpu_) / CLOCKS_PER_SEC;
  }

 private:
  std::chrono::steady_clock::time_point wall_ = std::chrono::steady_clock::now();
  std::clock_t cpu_ = std::clock();
};

template <typename T>
T OrDie(leadline::Result<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", result.status().ToString().c_str());
    std::exit(1);
  }
  return std::move(result).value();
}

class Bench {
 public:
  explicit Bench(char** argv)
      : metric_(OrDie(leadline::ParseMetric(argv[4]))),
        base_(ReadVecs<float>(argv[1], &dim_)),
        queries_(ReadVecs<float>(argv[2], &dim_)),
        truth_(ReadVecs<int32_t>(argv[3], &truth_width_)) {
    options_.metric = metric_;
    options_.m = static_cast<uint32_t>(std::atoi(argv[5]));
    options_.ef_construction = static_cast<uint32_t>(std::atoi(argv[6]));
    if (argv[7] != nullptr) {
      options_.codes = OrDie(leadline::ParseCodeType(argv[7]));
    }
    if (metric_ == Metric::kCosine) {
      Normalize(&base_);
      Normalize(&queries_);
    }
  }

  void Build(size_t threads) {
    const auto executor = leadline::NewThreadPool(threads);
    options_.executor = executor.get();
    const Stopwatch watch;
    const auto sections = OrDie(leadline::index::HnswIndexFactory().Build(View(base_), options_));
    const double wall = watch.wall();
    const double cpu = watch.cpu();
    index_.reset();
    mapped_.clear();
    std::vector<leadline::index::SectionView> views;
    size_t bytes = 0;
    for (const auto& section : sections) {
      // On a boundary of 64 bytes, as in a mapped file.
      mapped_.emplace_back(static_cast<char*>(
          std::aligned_alloc(kAlignment, (section.bytes.size() + kAlignment) & ~(kAlignment - 1))));
      std::copy(section.bytes.begin(), section.bytes.end(), mapped_.back().get());
      views.push_back({section.type, {mapped_.back().get(), section.bytes.size()}});
      bytes += section.bytes.size();
    }
    index_ = OrDie(leadline::index::HnswIndexFactory().Open(views, View(base_), metric_));
    std::printf("{\"build_s\": %.3f, \"build_cpu_s\": %.3f, \"bytes\": %zu}\n", wall, cpu, bytes);
  }

  void Pass(size_t ef, size_t rescore) {
    const MatrixView queries = View(queries_);
    std::vector<leadline::index::SearchOutcome> out(queries.rows);
    const Stopwatch watch;
    Search(queries, ef, rescore, &out);
    const double wall = watch.wall();
    const double cpu = watch.cpu();
    size_t hits = 0;
    uint64_t distances = 0;
    uint64_t hops = 0;
    for (size_t q = 0; q < queries.rows; ++q) {
      distances += out[q].stats.distances;
      hops += out[q].stats.hops;
      const int32_t* truth = truth_.data() + q * truth_width_;
      for (const auto& found : out[q].neighbors) {
        hits += std::find(truth, truth + kTop, static_cast<int32_t>(found.row)) != truth + kTop;
      }
    }
    const auto n = static_cast<double>(queries.rows);
    std::printf(
        "{\"qps\": %.1f, \"cpu_qps\": %.1f, \"recall\": %.5f, \"distances\": %.1f, "
        "\"hops\": %.1f}\n",
        n / wall, n / cpu, static_cast<double>(hits) / (n * kTop),
        static_cast<double>(distances) / n, static_cast<double>(hops) / n);
  }

  void Self(size_t ef) {
    const MatrixView base = View(base_);
    std::vector<leadline::index::SearchOutcome> out(base.rows);
    Search(base, ef, 0, &out);
    size_t found = 0;
    for (size_t row = 0; row < base.rows; ++row) {
      found += std::any_of(out[row].neighbors.begin(), out[row].neighbors.end(),
                           [&](const auto& neighbor) { return neighbor.row == row; });
    }
    std::printf("{\"self_recall\": %.5f}\n",
                static_cast<double>(found) / static_cast<double>(base.rows));
  }

  [[nodiscard]] bool built() const { return index_ != nullptr; }

 private:
  [[nodiscard]] MatrixView View(const std::vector<float>& values) const {
    return {values.data(), values.size() / dim_, dim_};
  }

  void Normalize(std::vector<float>* values) const {
    for (size_t i = 0; i < values->size(); i += dim_) {
      if (!leadline::simd::NormalizeToUnit(values->data() + i, values->data() + i, dim_)) {
        std::fprintf(stderr, "zero vector in the input\n");
        std::exit(1);
      }
    }
  }

  void Search(MatrixView queries, size_t ef, size_t rescore,
              std::vector<leadline::index::SearchOutcome>* out) const {
    leadline::index::SearchParams params;
    params.k = kTop;
    params.ef_search = ef;
    params.rescore = rescore;
    const leadline::Status status = index_->Search(queries, params, *out);
    if (!status.ok()) {
      std::fprintf(stderr, "%s\n", status.ToString().c_str());
      std::exit(1);
    }
  }

  struct Free {
    void operator()(char* block) const { std::free(block); }
  };

  static constexpr size_t kAlignment = 64;

  size_t dim_ = 0;
  size_t truth_width_ = 0;
  Metric metric_;
  std::vector<float> base_;
  std::vector<float> queries_;
  std::vector<int32_t> truth_;
  leadline::index::BuildOptions options_;
  std::vector<std::unique_ptr<char, Free>> mapped_;
  std::unique_ptr<leadline::index::SegmentIndex> index_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7 && argc != 8) {
    std::fprintf(stderr,
                 "usage: ann_pass BASE.fvecs QUERY.fvecs TRUTH.ivecs METRIC M EF_CONSTRUCTION "
                 "[CODES]\n");
    return 2;
  }
  Bench bench(argv);
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string command;
    size_t value = 0;
    size_t rescore = 0;
    words >> command >> value >> rescore;
    if (command == "build" && value > 0) {
      bench.Build(value);
    } else if (command == "pass" && bench.built()) {
      bench.Pass(value, rescore);
    } else if (command == "self" && bench.built()) {
      bench.Self(value);
    } else {
      std::fprintf(stderr, "unknown command or nothing built yet: %s\n", line.c_str());
      return 2;
    }
    std::fflush(stdout);
  }
  return 0;
}
