/// Writes the rows of a file into a new database, one acknowledged batch at a time, as an
/// application would, and prints one JSON line (bench/ingest/ingest_ratio.py runs it beside other
/// stores).
///
///   ingest_pass BASE.fvecs DIRECTORY sync|os BATCH
///
/// {"rows": 60000, "seconds": 1.2, "cpu_s": 1.1, "log_syncs": 60, "disk_bytes": 1}. Time is that of
/// the Upsert calls alone: reading the file and making the records comes before.

#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "leadline/core/file_system.h"
#include "leadline/leadline.h"

namespace {

using leadline::Record;

[[noreturn]] void Fail(const std::string& message) {
  std::fprintf(stderr, "ingest_pass: %s\n", message.c_str());
  std::exit(1);
}

template <typename T>
T OrDie(leadline::Result<T> result) {
  if (!result.ok()) {
    Fail(result.status().ToString());
  }
  return std::move(result).value();
}

/// .fvecs: i32 width, then the values, per row. Ids are the row numbers.
std::vector<std::vector<Record>> ReadBatches(const std::string& path, size_t batch_rows) {
  std::vector<std::vector<Record>> batches;
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) {
    Fail("cannot read " + path);
  }
  int32_t dim = 0;
  for (size_t row = 0; std::fread(&dim, sizeof dim, 1, file) == 1; ++row) {
    Record record;
    record.id = std::to_string(row);
    record.vector.resize(static_cast<size_t>(dim));
    if (std::fread(record.vector.data(), sizeof(float), record.vector.size(), file) !=
        record.vector.size()) {
      Fail("a row of " + path + " is cut off");
    }
    if (row % batch_rows == 0) {
      batches.emplace_back();
    }
    batches.back().push_back(std::move(record));
  }
  std::fclose(file);
  if (batches.empty()) {
    Fail("no rows in " + path);
  }
  return batches;
}

void Run(const std::string& base, const std::string& directory, const std::string& durability,
         size_t batch_rows) {
  std::vector<std::vector<Record>> batches = ReadBatches(base, batch_rows);
  leadline::DatabaseOptions options;
  options.create_if_missing = true;
  options.durability =
      durability == "sync" ? leadline::Durability::kSync : leadline::Durability::kOs;
  const auto database = OrDie(leadline::Database::Open(directory, options));
  leadline::CollectionOptions shape;
  shape.vectors = {
      {.dim = static_cast<uint32_t>(batches[0][0].vector.size()), .metric = leadline::Metric::kL2}};
  const auto collection = OrDie(database->CreateCollection("bench", shape));

  size_t rows = 0;
  const auto wall = std::chrono::steady_clock::now();
  const std::clock_t cpu = std::clock();
  for (std::vector<Record>& batch : batches) {
    rows += batch.size();
    OrDie(collection->Upsert(std::move(batch)));
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - wall).count();
  const double cpu_s = static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC;
  const leadline::DatabaseStats stats = OrDie(database->Stats());
  std::printf("{\"rows\": %zu, \"seconds\": %.4f, \"cpu_s\": %.4f, \"log_syncs\": %" PRIu64
              ", \"disk_bytes\": %" PRIu64 "}\n",
              rows, seconds, cpu_s, stats.log_syncs, stats.store_bytes + stats.segment_bytes);
  if (!database->Close().ok()) {
    Fail("the database did not close");
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string durability = argc == 5 ? argv[3] : "";
  const int batch = argc == 5 ? std::atoi(argv[4]) : 0;
  if ((durability != "sync" && durability != "os") || batch < 1) {
    std::fprintf(stderr, "usage: ingest_pass BASE.fvecs DIRECTORY sync|os BATCH\n");
    return 2;
  }
  Run(argv[1], argv[2], durability, static_cast<size_t>(batch));
  return 0;
}
