/// What a setting of a search costs and finds on queries, beside what it finds for rows of the
/// index: the numbers behind docs/decisions/0016-auto-by-measuring.md.
///
///   tuning_pass BASE.fbin QUERY.fbin TRUTH.ibin|exact METRIC KIND CODES NLIST
///
/// Builds the index on one thread and lets it measure itself, prints {"build_cpu_s": 1.2,
/// "curve_cpu_s": 0.3, "points": 20}, then answers commands on standard
/// input, one JSON line each:
///   pass EFFORT CANDIDATES RESCORE   all queries on one thread, by SearchParams::nprobe or
///                                    ef_search: {"cpu_qps": 1.0, "recall": 0.95, "distances": 1.0}
///   rows EFFORT CANDIDATES RESCORE   1,000 rows that leave themselves out: {"recall": 0.96}
///   target RECALL                    all queries as the curve says, 0 for its default: {"effort",
///                                    "candidates", "promised"} and what pass prints
///   batch RECALL                     the same with all queries in one call, their scans shared
///   k K                              neighbours from now on, at most those of the truth

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "leadline/core/rng.h"
#include "leadline/index/flat.h"
#include "leadline/index/held_out_rows.h"
#include "leadline/index/hnsw.h"
#include "leadline/index/ivf.h"
#include "leadline/index/scan.h"
#include "leadline/index/search_curve.h"
#include "leadline/index/search_tuning.h"
#include "leadline/simd/normalize.h"

namespace {

using leadline::IndexKind;
using leadline::MatrixView;
using leadline::Metric;
using leadline::index::SearchOutcome;
using leadline::index::SearchParams;

[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(1);
}

template <typename T>
T OrDie(leadline::Result<T> result) {
  if (!result.ok()) {
    Die(result.status().ToString());
  }
  return std::move(result).value();
}

/// u32 rows, u32 width, then the values.
template <typename T>
std::vector<T> ReadBin(const std::string& path, size_t* width) {
  std::ifstream file(path, std::ios::binary);
  uint32_t shape[2] = {0, 0};
  file.read(reinterpret_cast<char*>(shape), sizeof shape);
  std::vector<T> values(size_t{shape[0]} * shape[1]);
  file.read(reinterpret_cast<char*>(values.data()),
            static_cast<std::streamsize>(values.size() * sizeof(T)));
  if (!file || values.empty()) {
    Die("cannot read " + path);
  }
  *width = shape[1];
  return values;
}

double CpuSeconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

struct Free {
  void operator()(char* block) const { std::free(block); }
};

class Bench {
 public:
  explicit Bench(char** argv)
      : metric_(OrDie(leadline::ParseMetric(argv[4]))),
        kind_(OrDie(leadline::ParseIndexKind(argv[5]))),
        base_(ReadBin<float>(argv[1], &dim_)),
        queries_(ReadBin<float>(argv[2], &dim_)) {
    if (metric_ == Metric::kCosine) {
      for (std::vector<float>* values : {&base_, &queries_}) {
        for (size_t i = 0; i < values->size(); i += dim_) {
          if (!leadline::simd::NormalizeToUnit(values->data() + i, values->data() + i, dim_)) {
            Die("zero vector in the input");
          }
        }
      }
    }
    if (std::string(argv[3]) == "exact") {
      Scan();
    } else {
      truth_ = ReadBin<int32_t>(argv[3], &truth_width_);
    }
    leadline::index::BuildOptions options;
    options.metric = metric_;
    options.codes = OrDie(leadline::ParseCodeType(argv[6]));
    options.nlist = static_cast<uint32_t>(std::atoi(argv[7]));
    Build(options);
  }

  void Pass(const SearchParams& params) const {
    const MatrixView queries = View(queries_);
    std::vector<SearchOutcome> out(queries.rows);
    const double start = CpuSeconds();
    Search(queries, params, &out);
    const double seconds = CpuSeconds() - start;
    size_t hits = 0;
    uint64_t distances = 0;
    for (size_t q = 0; q < queries.rows; ++q) {
      distances += out[q].stats.distances;
      const int32_t* truth = truth_.data() + q * truth_width_;
      for (const auto& found : out[q].neighbors) {
        hits += std::find(truth, truth + k_, static_cast<int32_t>(found.row)) != truth + k_;
      }
    }
    const auto n = static_cast<double>(queries.rows);
    std::printf("{\"cpu_qps\": %.0f, \"recall\": %.4f, \"distances\": %.0f}\n", n / seconds,
                static_cast<double>(hits) / (n * static_cast<double>(k_)),
                static_cast<double>(distances) / n);
  }

  void Rows(SearchParams params) {
    Sample();
    params.k = k_ + 1;
    const MatrixView rows{sample_.data(), kSample, dim_};
    std::vector<SearchOutcome> out(kSample);
    Search(rows, params, &out);
    size_t hits = 0;
    for (size_t q = 0; q < kSample; ++q) {
      const auto& truth = sample_truth_[q];
      size_t rank = 0;
      for (const auto& found : out[q].neighbors) {
        if (found.row == sample_rows_[q] || rank++ == k_) {
          continue;
        }
        hits += std::any_of(truth.begin(), truth.end(),
                            [&](const auto& near) { return near.row == found.row; });
      }
    }
    std::printf("{\"recall\": %.4f}\n",
                static_cast<double>(hits) / static_cast<double>(kSample * k_));
  }

  void Target(double recall, bool together) const {
    leadline::index::SearchWish wish;
    wish.k = k_;
    if (recall > 0) {
      wish.target_recall = recall;
    }
    const auto tuned = leadline::index::TuneSearch(curve_, wish);
    std::printf("{\"effort\": %zu, \"candidates\": %zu, \"promised\": %.4f, \"missed\": %d} ",
                tuned.effort, tuned.candidates, tuned.promised.value_or(0),
                tuned.target_missed ? 1 : 0);
    SearchParams params = Params(tuned.effort, tuned.candidates, tuned.rescore);
    params.share_scan = together;
    Pass(params);
  }

  void SetK(size_t k) {
    k_ = std::clamp<size_t>(k, 1, truth_width_);
    sample_.clear();
  }

  [[nodiscard]] SearchParams Params(size_t effort, size_t candidates, size_t rescore) const {
    SearchParams params;
    params.k = k_;
    params.ef_search = effort;
    params.nprobe = effort;
    params.candidates = candidates;
    params.rescore = rescore;
    return params;
  }

 private:
  static constexpr size_t kSample = 1000;

  [[nodiscard]] MatrixView View(const std::vector<float>& values) const {
    return {values.data(), values.size() / dim_, dim_};
  }

  void Build(const leadline::index::BuildOptions& options) {
    const auto& factory = kind_ == IndexKind::kHnsw  ? leadline::index::HnswIndexFactory()
                          : kind_ == IndexKind::kIvf ? leadline::index::IvfIndexFactory()
                                                     : leadline::index::FlatIndexFactory();
    const double start = CpuSeconds();
    const auto sections = OrDie(factory.Build(View(base_), options));
    const double build = CpuSeconds() - start;
    std::vector<leadline::index::SectionView> views;
    for (const auto& section : sections) {
      const size_t room = (section.bytes.size() + 64) / 64 * 64;
      mapped_.emplace_back(static_cast<char*>(std::aligned_alloc(64, room)));
      std::copy(section.bytes.begin(), section.bytes.end(), mapped_.back().get());
      views.push_back({section.type, {mapped_.back().get(), section.bytes.size()}});
    }
    index_ = OrDie(factory.Open(views, View(base_), metric_));
    const double measuring = CpuSeconds();
    const auto held_out =
        OrDie(leadline::index::DrawHeldOutRows(View(base_), metric_, 1, nullptr, {}));
    const double drawn = CpuSeconds();
    curve_ = OrDie(
        leadline::index::MeasureCurve(*index_, options.codes, View(base_), held_out, nullptr, {}));
    std::printf(
        "{\"build_cpu_s\": %.3f, \"held_out_cpu_s\": %.3f, \"curve_cpu_s\": %.3f, \"points\": "
        "%zu}\n",
        build, drawn - measuring, CpuSeconds() - drawn, curve_.points.size());
    for (const auto& point : curve_.points) {
      std::fprintf(stderr, "%u %u %u: %.4f promised %.4f, %.0f distances\n", point.effort,
                   point.candidates, point.rescore, static_cast<double>(point.recall),
                   static_cast<double>(point.promised), static_cast<double>(point.distances));
    }
  }

  /// What the queries should find.
  void Scan() {
    truth_width_ = 100;
    const MatrixView queries = View(queries_);
    for (const auto& near : NearestRows(queries, truth_width_)) {
      for (const auto& neighbor : near) {
        truth_.push_back(static_cast<int32_t>(neighbor.row));
      }
    }
  }

  [[nodiscard]] std::vector<std::vector<leadline::index::Neighbor>> NearestRows(MatrixView queries,
                                                                                size_t k) const {
    std::vector<leadline::index::TopK> tops(queries.rows, leadline::index::TopK(k));
    std::vector<leadline::index::SearchStats> stats(queries.rows);
    const leadline::Status status =
        leadline::index::ScanRows(View(base_), queries, metric_, nullptr, 0, {}, tops, stats);
    if (!status.ok()) {
      Die(status.ToString());
    }
    std::vector<std::vector<leadline::index::Neighbor>> nearest;
    nearest.reserve(tops.size());
    for (auto& top : tops) {
      nearest.push_back(top.Take());
    }
    return nearest;
  }

  void Search(MatrixView queries, const SearchParams& params,
              std::vector<SearchOutcome>* out) const {
    const size_t together = params.share_scan ? queries.rows : 1;
    for (size_t q = 0; q < queries.rows; q += together) {
      const leadline::Status status =
          index_->Search({queries.row(q).data(), together, dim_}, params, {&(*out)[q], together});
      if (!status.ok()) {
        Die(status.ToString());
      }
    }
  }

  /// Rows and their neighbours without themselves.
  void Sample() {
    if (!sample_.empty()) {
      return;
    }
    leadline::Rng rng(7);
    const MatrixView base = View(base_);
    sample_rows_.clear();
    sample_truth_.clear();
    for (size_t i = 0; i < kSample; ++i) {
      const auto row = static_cast<uint32_t>(rng.Uniform(base.rows));
      sample_rows_.push_back(row);
      sample_.insert(sample_.end(), base.row(row).begin(), base.row(row).end());
    }
    sample_truth_ = NearestRows({sample_.data(), kSample, dim_}, k_ + 1);
    for (size_t i = 0; i < kSample; ++i) {
      auto& near = sample_truth_[i];
      std::erase_if(near, [&](const auto& n) { return n.row == sample_rows_[i]; });
      near.resize(std::min(near.size(), k_));
    }
  }

  size_t dim_ = 0;
  size_t truth_width_ = 0;
  size_t k_ = 10;
  Metric metric_;
  IndexKind kind_;
  std::vector<float> base_;
  std::vector<float> queries_;
  std::vector<int32_t> truth_;
  std::vector<float> sample_;
  std::vector<uint32_t> sample_rows_;
  std::vector<std::vector<leadline::index::Neighbor>> sample_truth_;
  std::vector<std::unique_ptr<char, Free>> mapped_;
  std::unique_ptr<leadline::index::SegmentIndex> index_;
  leadline::index::SearchCurve curve_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 8) {
    Die("usage: tuning_pass BASE.fbin QUERY.fbin TRUTH.ibin METRIC KIND CODES NLIST");
  }
  Bench bench(argv);
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string command;
    double target = 0;
    size_t effort = 0;
    size_t candidates = 0;
    size_t rescore = 0;
    words >> command >> effort >> candidates >> rescore;
    if (command == "target" || command == "batch") {
      std::istringstream(line.substr(command.size())) >> target;
      bench.Target(target, command == "batch");
    } else if (command == "pass") {
      bench.Pass(bench.Params(effort, candidates, rescore));
    } else if (command == "rows") {
      bench.Rows(bench.Params(effort, candidates, rescore));
    } else if (command == "k") {
      bench.SetK(effort);
    } else {
      Die("unknown command: " + line);
    }
    std::fflush(stdout);
  }
  return 0;
}
