/// Leadline under the line protocol of bench/peers/worker.py: holds an opened database and runs
/// timed passes on command, so that a script can interleave them with passes of other systems. Uses
/// the public calls of the library alone.
///
/// A JSON object a line on standard input, one a line back. Beside what worker.py does:
///   "config": {"index", "codes", "m", "ef_construction", "nlist"}, each as in VectorField, and
///     {"synced": true}, which makes each batch durable before the next
///   "params": {"ef_search", "nprobe", "rescore", "exact", "full_scan_threshold"}, as in
///   SearchOptions build with "attributes": an ibin file [rows x 2] that becomes the payload
///   {"u":..,"axis":..} pass with "filters": one filter a query, in the filter language insert:
///   {"base","begin","end","rate"} upserts these rows in batches of 100 on a thread of its own,
///     "rate" a second, and answers at once; "inserted" waits for the end: {"seconds","rows"}

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "leadline/leadline.h"

namespace {

using Json = nlohmann::json;
using leadline::SearchOptions;
using leadline::SearchResponse;
using Clock = std::chrono::steady_clock;

constexpr const char* kCollection = "bench";
constexpr size_t kIngestBatch = 1000;
constexpr size_t kInsertBatch = 100;
constexpr size_t kWarmUp = 50;

/// Ends the command with this text.
struct CommandError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

template <typename T>
T OrThrow(leadline::Result<T> result) {
  if (!result.ok()) {
    throw CommandError(result.status().ToString());
  }
  return std::move(result).value();
}

void OrThrow(const leadline::Status& status) {
  if (!status.ok()) {
    throw CommandError(status.ToString());
  }
}

double Seconds(Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

double CpuSeconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

/// Not from statm, whose counters lag behind.
/// `name` is "Rss:", or "Anonymous:" for what no file stands behind.
int64_t ResidentBytes(std::string_view name = "Rss:") {
  std::ifstream file("/proc/self/smaps_rollup");
  std::string word;
  int64_t kib = 0;
  while (file >> word && word != name) {
  }
  file >> kib;
  return kib * 1024;
}

uint64_t DiskBytes(const std::string& folder) {
  uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    bytes += entry.is_regular_file() ? entry.file_size() : 0;
  }
  return bytes;
}

/// Reads fbin or ibin a block of rows at a time: u32 rows, u32 dim, then the values.
template <typename T>
class BinFile {
 public:
  explicit BinFile(const std::string& path) : file_(path, std::ios::binary) {
    uint32_t shape[2] = {};
    if (!file_.read(reinterpret_cast<char*>(shape), sizeof shape)) {
      throw CommandError("cannot read " + path);
    }
    rows_ = shape[0];
    dim_ = shape[1];
  }

  [[nodiscard]] size_t rows() const { return rows_; }

  [[nodiscard]] size_t dim() const { return dim_; }

  std::vector<T> Read(size_t begin, size_t end) {
    std::vector<T> values((end - begin) * dim_);
    file_.seekg(static_cast<std::streamoff>(2 * sizeof(uint32_t) + begin * dim_ * sizeof(T)));
    if (!file_.read(reinterpret_cast<char*>(values.data()),
                    static_cast<std::streamsize>(values.size() * sizeof(T)))) {
      throw CommandError("a file of vectors is cut off");
    }
    return values;
  }

 private:
  std::ifstream file_;
  size_t rows_ = 0;
  size_t dim_ = 0;
};

std::vector<leadline::Record> ReadRecords(BinFile<float>& base, BinFile<int32_t>* attributes,
                                          size_t begin, size_t end) {
  const std::vector<float> values = base.Read(begin, end);
  const std::vector<int32_t> numbers =
      attributes != nullptr ? attributes->Read(begin, end) : std::vector<int32_t>();
  std::vector<leadline::Record> records(end - begin);
  for (size_t i = 0; i < records.size(); ++i) {
    records[i].id = std::to_string(begin + i);
    const float* row = values.data() + i * base.dim();
    records[i].vector.assign(row, row + base.dim());
    if (attributes != nullptr) {
      records[i].payload = "{\"u\":" + std::to_string(numbers[2 * i]) +
                           ",\"axis\":" + std::to_string(numbers[2 * i + 1]) + "}";
    }
  }
  return records;
}

leadline::VectorField FieldOf(const Json& config, const std::string& metric, size_t dim) {
  leadline::VectorField field;
  field.dim = static_cast<uint32_t>(dim);
  field.metric = OrThrow(leadline::ParseMetric(metric));
  field.index = OrThrow(leadline::ParseIndexKind(config.value("index", "auto")));
  field.codes = OrThrow(leadline::ParseCodeType(config.value("codes", "auto")));
  field.m = config.value("m", field.m);
  field.ef_construction = config.value("ef_construction", field.ef_construction);
  field.nlist = config.value("nlist", field.nlist);
  return field;
}

SearchOptions OptionsOf(const Json& command) {
  SearchOptions options;
  options.limit = command.at("k");
  const Json& params = command.at("params");
  options.ef_search = params.value("ef_search", options.ef_search);
  options.nprobe = params.value("nprobe", options.nprobe);
  if (params.contains("target_recall")) {
    options.target_recall = params["target_recall"].get<double>();
  }
  options.rescore = params.value("rescore", options.rescore);
  options.exact = params.value("exact", options.exact);
  if (params.contains("full_scan_threshold")) {
    options.full_scan_threshold = params["full_scan_threshold"].get<uint64_t>();
  }
  return options;
}

/// A few filters, and the number of that of each query; none where `which` is empty.
struct QueryFilters {
  std::vector<leadline::Filter> filters;
  std::vector<size_t> which;
};

QueryFilters FiltersOf(const Json& command) {
  QueryFilters result;
  if (command.contains("filters")) {
    for (const std::string text : command["filters"].at("texts")) {
      result.filters.push_back(OrThrow(leadline::Filter::Parse(text)));
    }
    result.which = command["filters"].at("which").get<std::vector<size_t>>();
  }
  return result;
}

class Worker {
 public:
  Worker() = default;
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  ~Worker() {
    if (inserter_.joinable()) {
      inserter_.join();
    }
  }

  Json Answer(const Json& command) {
    const std::string what = command.at("do");
    if (what == "build") {
      return Build(command);
    }
    if (what == "open") {
      return Open(command);
    }
    if (what == "pass") {
      return Pass(command);
    }
    if (what == "memory") {
      return Memory();
    }
    if (what == "insert") {
      return Insert(command);
    }
    if (what == "inserted") {
      inserter_.join();
      OrThrow(insert_status_);
      return {{"seconds", insert_seconds_}, {"rows", inserted_rows_}};
    }
    throw CommandError("unknown command: " + what);
  }

 private:
  Json Build(const Json& command) {
    const std::string folder = command.at("folder");
    leadline::DatabaseOptions options;
    options.create_if_missing = true;
    options.durability = command.at("config").value("synced", false) ? leadline::Durability::kSync
                                                                     : leadline::Durability::kOs;
    options.background_threads = command.at("threads");
    options.background_maintenance = false;  // all building is inside the time of Optimize
    const auto database = OrThrow(leadline::Database::Open(folder, options));
    BinFile<float> base(command.at("base"));
    std::unique_ptr<BinFile<int32_t>> attributes;
    if (command.contains("attributes")) {
      attributes = std::make_unique<BinFile<int32_t>>(command["attributes"]);
    }
    leadline::CollectionOptions shape;
    shape.vectors = {FieldOf(command.at("config"), command.at("metric"), base.dim())};
    Json answer;
    {
      const auto collection = OrThrow(database->CreateCollection(kCollection, shape));
      double ingest = 0;
      for (size_t begin = 0; begin < base.rows(); begin += kIngestBatch) {
        std::vector<leadline::Record> records =
            ReadRecords(base, attributes.get(), begin, std::min(begin + kIngestBatch, base.rows()));
        const auto started = Clock::now();
        OrThrow(collection->Upsert(std::move(records)));
        ingest += Seconds(Clock::now() - started);
      }
      const auto started = Clock::now();
      const double cpu = CpuSeconds();
      OrThrow(collection->Optimize());
      answer = {{"build_s", Seconds(Clock::now() - started)},
                {"build_cpu_s", CpuSeconds() - cpu},
                {"ingest_s", ingest}};
    }
    const auto started = Clock::now();
    OrThrow(database->Close());
    answer["save_s"] = Seconds(Clock::now() - started);
    answer["disk_bytes"] = DiskBytes(folder);
    return answer;
  }

  Json Open(const Json& command) {
    BinFile<float> queries(command.at("queries"));
    query_rows_ = queries.rows();
    dim_ = queries.dim();
    queries_ = queries.Read(0, query_rows_);
    resident_before_ = ResidentBytes();
    anonymous_before_ = ResidentBytes("Anonymous:");
    leadline::DatabaseOptions options;
    options.read_only = !command.value("writable", false);
    const auto started = Clock::now();
    database_ = OrThrow(leadline::Database::Open(command.at("folder"), options));
    collection_ = OrThrow(database_->OpenCollection(kCollection));
    const double seconds = Seconds(Clock::now() - started);
    return {{"open_s", seconds}, {"rss_bytes", ResidentBytes() - resident_before_}};
  }

  /// "kept_bytes": the heap, and of the mapped files what every search reads: codes, links, lists.
  /// Vectors, of which a search reads a few, are the rest of "rss_bytes".
  Json Memory() const {
    int64_t kept = ResidentBytes("Anonymous:") - anonymous_before_;
    for (const auto& index : OrThrow(collection_->Stats()).indexes) {
      kept += static_cast<int64_t>(index.code_bytes + index.link_bytes);
    }
    return {{"rss_bytes", ResidentBytes() - resident_before_}, {"kept_bytes", kept}};
  }

  Json Pass(const Json& command) {
    SearchOptions options = OptionsOf(command);
    const QueryFilters filters = FiltersOf(command);
    const bool one = command.at("mode") == "one";
    const size_t count = one ? 1 : command.value("count", query_rows_);
    std::vector<SearchResponse> found;
    RunQueries(0, std::min(command.value("warm_up", kWarmUp), query_rows_), count, options, filters,
               &found);
    std::vector<int32_t> rows(query_rows_ * options.limit, -1);
    Json answer = {{"seconds", Json::array()}, {"cpu_s", Json::array()}};
    for (const Json& part : command.at("parts")) {
      const size_t begin = part.at(0);
      const size_t end = part.at(1);
      found.clear();
      found.reserve(end - begin);
      const auto wall = Clock::now();
      const double cpu = CpuSeconds();
      RunQueries(begin, end, count, options, filters, &found);
      answer["seconds"].push_back(Seconds(Clock::now() - wall));
      answer["cpu_s"].push_back(CpuSeconds() - cpu);
      for (size_t i = 0; i < found.size(); ++i) {
        for (size_t h = 0; h < found[i].hits.size(); ++h) {
          rows[(begin + i) * options.limit + h] = std::stoi(found[i].hits[h].id);
        }
      }
    }
    if (command.contains("found")) {
      std::ofstream file(command["found"].get<std::string>(), std::ios::binary);
      file.write(reinterpret_cast<const char*>(rows.data()),
                 static_cast<std::streamsize>(rows.size() * sizeof rows[0]));
    }
    return answer;
  }

  /// `count` queries a call; one where they have filters.
  void RunQueries(size_t begin, size_t end, size_t count, SearchOptions options,
                  const QueryFilters& filters, std::vector<SearchResponse>* found) const {
    for (size_t i = begin; i < end; i += count) {
      if (!filters.which.empty()) {
        options.filter = filters.filters.at(filters.which.at(i));
      }
      const float* query = queries_.data() + i * dim_;
      if (count == 1) {
        found->push_back(OrThrow(collection_->Search({query, dim_}, options)));
        continue;
      }
      auto batch =
          OrThrow(collection_->SearchBatch({query, std::min(count, end - i), dim_}, options));
      std::move(batch.begin(), batch.end(), std::back_inserter(*found));
    }
  }

  Json Insert(const Json& command) {
    BinFile<float> base(command.at("base"));
    const size_t begin = command.at("begin");
    const size_t end = command.at("end");
    const double rate = command.at("rate");
    std::vector<std::vector<leadline::Record>> batches;
    for (size_t i = begin; i < end; i += kInsertBatch) {
      batches.push_back(ReadRecords(base, nullptr, i, std::min(i + kInsertBatch, end)));
    }
    inserted_rows_ = end - begin;
    inserter_ = std::thread([this, rate, batches = std::move(batches)]() mutable {
      const auto started = Clock::now();
      size_t done = 0;
      for (auto& batch : batches) {
        const auto due = std::chrono::duration<double>(static_cast<double>(done) / rate);
        std::this_thread::sleep_until(started + std::chrono::duration_cast<Clock::duration>(due));
        done += batch.size();
        const auto written = collection_->Upsert(std::move(batch));
        if (!written.ok()) {
          insert_status_ = written.status();
          return;
        }
      }
      insert_seconds_ = Seconds(Clock::now() - started);
    });
    return Json::object();
  }

  std::unique_ptr<leadline::Database> database_;
  std::shared_ptr<leadline::Collection> collection_;
  std::vector<float> queries_;
  size_t query_rows_ = 0;
  size_t dim_ = 0;
  int64_t resident_before_ = 0;
  int64_t anonymous_before_ = 0;
  std::thread inserter_;
  leadline::Status insert_status_;  // read after the join
  double insert_seconds_ = 0;
  size_t inserted_rows_ = 0;
};

}  // namespace

int main() {
  Worker worker;
  std::string line;
  while (std::getline(std::cin, line)) {
    Json answer;
    try {
      answer = worker.Answer(Json::parse(line));
    } catch (const std::exception& error) {
      answer = {{"error", error.what()}};
    }
    std::cout << answer.dump() << std::endl;
  }
  return 0;
}
