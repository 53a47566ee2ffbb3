/// What opening costs and what an open database occupies (bench/performance.py runs it).
///
///   open_pass build DIRECTORY ROWS DIM   makes a database of clustered random rows, indexed with
///   HNSW
///                                        and cleanly closed:
///                                        {"raw_bytes": 1, "disk_bytes": 1, "build_s": 1.0}
///   open_pass open DIRECTORY             a fresh process opens it for writing:
///                                        {"open_ms": 1.0, "idle_anonymous_bytes": 1,
///                                        "idle_file_bytes": 1, "first_search_ms": 1.0,
///                                        "second_search_ms": 1.0}
/// Memory is what the kernel counts (RssAnon and RssFile of /proc/self/status) before any search.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "leadline/core/rng.h"
#include "leadline/leadline.h"

namespace {

constexpr size_t kBatchRows = 1000;
constexpr size_t kClusters = 256;
/// Spread of a row around its cluster's centre, whose numbers have unit variance.
constexpr float kSpread = 0.6F;
constexpr uint64_t kSeed = 11;

[[noreturn]] void Fail(const std::string& message) {
  std::fprintf(stderr, "open_pass: %s\n", message.c_str());
  std::exit(1);
}

template <typename T>
T OrDie(leadline::Result<T> result) {
  if (!result.ok()) {
    Fail(result.status().ToString());
  }
  return std::move(result).value();
}

void OrDie(const leadline::Status& status) {
  if (!status.ok()) {
    Fail(status.ToString());
  }
}

class Stopwatch {
 public:
  [[nodiscard]] double ms() const {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start_)
        .count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

float Symmetric(leadline::Rng* rng) {
  return static_cast<float>(rng->Uniform(2'000'001)) / 1e6F - 1.0F;
}

std::vector<float> RandomVector(leadline::Rng* rng, size_t dim) {
  std::vector<float> values(dim);
  for (float& value : values) {
    value = Symmetric(rng);
  }
  return values;
}

size_t DiskBytes(const std::string& directory) {
  size_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    bytes += entry.is_regular_file() ? entry.file_size() : 0;
  }
  return bytes;
}

void Build(const std::string& directory, size_t rows, size_t dim) {
  leadline::DatabaseOptions options;
  options.create_if_missing = true;
  options.background_threads = 2;
  options.background_maintenance = false;
  const auto database = OrDie(leadline::Database::Open(directory, options));
  leadline::CollectionOptions shape;
  shape.vectors = {{.dim = static_cast<uint32_t>(dim),
                    .metric = leadline::Metric::kCosine,
                    .index = leadline::IndexKind::kHnsw}};
  const auto collection = OrDie(database->CreateCollection("bench", shape));
  leadline::Rng rng(kSeed);
  std::vector<std::vector<float>> centres;
  for (size_t c = 0; c < kClusters; ++c) {
    centres.push_back(RandomVector(&rng, dim));
  }
  const Stopwatch watch;
  std::vector<leadline::Record> batch;
  for (size_t row = 0; row < rows; ++row) {
    leadline::Record record;
    record.id = std::to_string(row);
    record.vector = centres[rng.Uniform(kClusters)];
    for (float& value : record.vector) {
      value += kSpread * Symmetric(&rng);
    }
    batch.push_back(std::move(record));
    if (batch.size() == kBatchRows || row + 1 == rows) {
      OrDie(collection->Upsert(std::exchange(batch, {})));
    }
  }
  OrDie(collection->Optimize());
  const double build_s = watch.ms() / 1e3;
  OrDie(database->Close());
  std::printf("{\"raw_bytes\": %zu, \"disk_bytes\": %zu, \"build_s\": %.1f}\n",
              rows * dim * sizeof(float), DiskBytes(directory), build_s);
}

/// A "NAME: 12 kB" line of /proc/self/status, in bytes.
size_t KernelBytes(const std::string& name) {
  std::FILE* file = std::fopen("/proc/self/status", "r");
  std::vector<char> line(256);
  size_t kib = 0;
  while (file != nullptr &&
         std::fgets(line.data(), static_cast<int>(line.size()), file) != nullptr) {
    const std::string text = line.data();
    if (text.rfind(name + ":", 0) == 0) {
      kib = std::strtoull(text.c_str() + name.size() + 1, nullptr, 10);
    }
  }
  if (file != nullptr) {
    std::fclose(file);
  }
  return kib * 1024;
}

void Open(const std::string& directory) {
  const Stopwatch opening;
  const auto database = OrDie(leadline::Database::Open(directory));
  const auto collection = OrDie(database->OpenCollection("bench"));
  const double open_ms = opening.ms();
  const size_t anonymous = KernelBytes("RssAnon");
  const size_t file = KernelBytes("RssFile");
  leadline::Rng rng(kSeed + 1);
  const std::vector<float> query = RandomVector(&rng, collection->options().vectors[0].dim);
  const Stopwatch first;
  OrDie(collection->Search(query));
  const double first_ms = first.ms();
  const Stopwatch second;
  OrDie(collection->Search(query));
  std::printf(
      "{\"open_ms\": %.2f, \"idle_anonymous_bytes\": %zu, \"idle_file_bytes\": %zu, "
      "\"first_search_ms\": %.2f, \"second_search_ms\": %.3f}\n",
      open_ms, anonymous, file, first_ms, second.ms());
  OrDie(database->Close());
}

}  // namespace

int main(int argc, char** argv) {
  const std::string command = argc > 1 ? argv[1] : "";
  if (command == "build" && argc == 5 && std::atoi(argv[3]) > 0 && std::atoi(argv[4]) > 0) {
    Build(argv[2], static_cast<size_t>(std::atoi(argv[3])),
          static_cast<size_t>(std::atoi(argv[4])));
    return 0;
  }
  if (command == "open" && argc == 3) {
    Open(argv[2]);
    return 0;
  }
  std::fprintf(stderr, "usage: open_pass build DIRECTORY ROWS DIM | open DIRECTORY\n");
  return 2;
}
