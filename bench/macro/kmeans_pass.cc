/// Trains centroids on command, so that a script can interleave trainings with those of another
/// program (bench/peers/kmeans_ratio.py).
///
///   kmeans_pass ROWS.fvecs NLIST CENTROIDS.f32
///
/// Commands on standard input, one JSON line of answer each:
///   train SEED THREADS   {"train_s": 1.2, "train_cpu_s": 1.2}; writes the centroids as plain f32
///   assign THREADS       all rows: {"assign_s": .1, "assign_cpu_s": .1, "objective": 1.0,
///                        "imbalance": 1.2}

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "centroid_assignment.h"
#include "kmeans.h"

namespace {

using leadline::MatrixView;
using leadline::Status;

/// i32 width, then the values, per row.
std::vector<float> ReadVecs(const std::string& path, size_t* width) {
  std::vector<float> values;
  std::FILE* file = std::fopen(path.c_str(), "rb");
  int32_t dim = 0;
  while (file != nullptr && std::fread(&dim, sizeof dim, 1, file) == 1) {
    *width = static_cast<size_t>(dim);
    const size_t old_size = values.size();
    values.resize(old_size + *width);
    if (std::fread(values.data() + old_size, sizeof(float), *width, file) != *width) {
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

void ExitOnError(const Status& status) {
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", status.ToString().c_str());
    std::exit(1);
  }
}

class Bench {
 public:
  explicit Bench(char** argv)
      : values_(ReadVecs(argv[1], &dim_)),
        nlist_(static_cast<size_t>(std::atoi(argv[2]))),
        path_(argv[3]) {}

  void Train(uint64_t seed, size_t threads) {
    const auto executor = leadline::NewThreadPool(threads);
    const Stopwatch watch;
    auto trained = leadline::index::TrainKMeans(Rows(), nlist_, false, seed, executor.get(), {});
    const double wall = watch.wall();
    const double cpu = watch.cpu();
    ExitOnError(trained.status());
    centroids_ = std::move(trained).value();
    std::FILE* file = std::fopen(path_.c_str(), "wb");
    if (file == nullptr ||
        std::fwrite(centroids_.data(), sizeof(float), centroids_.size(), file) !=
            centroids_.size() ||
        std::fclose(file) != 0) {
      std::fprintf(stderr, "cannot write %s\n", path_.c_str());
      std::exit(1);
    }
    std::printf("{\"train_s\": %.4f, \"train_cpu_s\": %.4f}\n", wall, cpu);
  }

  void Assign(size_t threads) {
    const auto executor = leadline::NewThreadPool(threads);
    std::vector<leadline::index::Neighbor> nearest(Rows().rows);
    const Stopwatch watch;
    ExitOnError(leadline::index::AssignToCentroids(Rows(), {centroids_.data(), nlist_, dim_},
                                                   executor.get(), {}, nearest));
    const double wall = watch.wall();
    const double cpu = watch.cpu();
    double objective = 0;
    std::vector<double> sizes(nlist_, 0.0);
    for (const auto& centroid : nearest) {
      objective += centroid.distance;
      sizes[centroid.row] += 1;
    }
    const auto n = static_cast<double>(nearest.size());
    double squares = 0;
    for (const double size : sizes) {
      squares += size * size;
    }
    std::printf(
        "{\"assign_s\": %.4f, \"assign_cpu_s\": %.4f, \"objective\": %.6f, \"imbalance\": %.4f}\n",
        wall, cpu, objective / n, squares * static_cast<double>(nlist_) / (n * n));
  }

  [[nodiscard]] bool trained() const { return !centroids_.empty(); }

 private:
  [[nodiscard]] MatrixView Rows() const { return {values_.data(), values_.size() / dim_, dim_}; }

  size_t dim_ = 0;
  std::vector<float> values_;
  size_t nlist_;
  std::string path_;
  std::vector<float> centroids_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: kmeans_pass ROWS.fvecs NLIST CENTROIDS.f32\n");
    return 2;
  }
  Bench bench(argv);
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string command;
    uint64_t seed = 0;
    size_t threads = 0;
    words >> command;
    if (command == "train" && words >> seed >> threads && threads > 0) {
      bench.Train(seed, threads);
    } else if (command == "assign" && words >> threads && threads > 0 && bench.trained()) {
      bench.Assign(threads);
    } else {
      std::fprintf(stderr, "cannot do: %s\n", line.c_str());
      return 2;
    }
    std::fflush(stdout);
  }
  return 0;
}
