#include "metric_families.h"

#include <algorithm>
#include <sstream>
#include <sys/resource.h>
#include <unistd.h>

#include <prometheus/client_metric.h>

namespace leadline::rpc {
namespace {

constexpr size_t kMaxProcBytes = 64 << 10;

struct CollectionMetric {
  std::string_view name;
  std::string_view help;
  double (*value)(const CollectionStats& stats);
};

constexpr CollectionMetric kCollectionMetrics[] = {
    {"leadline_collection_rows", "Live records.",
     [](const CollectionStats& s) { return static_cast<double>(s.rows); }},
    {"leadline_collection_tail_rows", "Rows in memory that every search compares.",
     [](const CollectionStats& s) { return static_cast<double>(s.tail_rows); }},
    {"leadline_collection_dead_rows", "Rows of segments that were deleted or replaced.",
     [](const CollectionStats& s) { return static_cast<double>(s.dead_rows); }},
    {"leadline_collection_segments", "Segment files.",
     [](const CollectionStats& s) { return static_cast<double>(s.segments); }},
    {"leadline_collection_segment_bytes", "Bytes of segment files.",
     [](const CollectionStats& s) { return static_cast<double>(s.segment_bytes); }},
    {"leadline_collection_resident_bytes", "Heap of tail and indexes, without mapped files.",
     [](const CollectionStats& s) { return static_cast<double>(s.resident_bytes); }},
    {"leadline_collection_degraded", "1 where a segment is damaged or cannot be read.",
     [](const CollectionStats& s) { return s.degraded ? 1.0 : 0.0; }},
    {"leadline_collection_building_fails",
     "1 while the newest sealing, merging or rebuilding failed.",
     [](const CollectionStats& s) { return s.last_build_error.empty() ? 0.0 : 1.0; }},
};

/// What a file of the proc file system says; its size says nothing.
std::string ReadProc(FileSystem* fs, const std::string& path) {
  std::string text(kMaxProcBytes, '\0');
  Result<std::unique_ptr<SequentialFile>> file = fs->NewSequentialFile(path);
  if (!file.ok()) {
    return "";
  }
  const Result<std::string_view> read = (*file)->Read(text.size(), text.data());
  text.resize(read.ok() ? read->size() : 0);
  return text;
}

/// Seconds since the epoch at which the system started; 0 where that is not known.
double BootSeconds(FileSystem* fs) {
  const std::string text = ReadProc(fs, "/proc/stat");
  const size_t line = text.find("\nbtime ");
  double seconds = 0;
  if (line != std::string::npos) {
    std::istringstream(text.substr(line + 7, 32)) >> seconds;
  }
  return seconds;
}

/// Fields of /proc/self/stat by their numbers of proc(5), from the third on; the second may hold
/// anything and ends at the last parenthesis.
std::vector<double> StatFields(FileSystem* fs) {
  const std::string text = ReadProc(fs, "/proc/self/stat");
  const size_t name_end = text.rfind(')');
  std::vector<double> fields(3);
  if (name_end == std::string::npos) {
    return fields;
  }
  std::istringstream rest(text.substr(name_end + 1));
  std::string state;
  rest >> state;
  for (double value = 0; rest >> value;) {
    fields.push_back(value);
  }
  fields.insert(fields.begin() + 3, 0);  // the state is field 3
  return fields;
}

}  // namespace

void AddMetric(std::string_view name, std::string_view help, MetricLabels labels, double value,
               MetricFamilies* families) {
  const bool counter = name.ends_with("_total");
  if (families->empty() || families->back().name != name) {
    prometheus::MetricFamily family;
    family.name = name;
    family.help = help;
    family.type = counter ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge;
    families->push_back(std::move(family));
  }
  prometheus::ClientMetric metric;
  for (const auto& [label, text] : labels) {
    metric.label.push_back({std::string(label), std::string(text)});
  }
  (counter ? metric.counter.value : metric.gauge.value) = value;
  families->back().metric.push_back(std::move(metric));
}

void AddEngineMetrics(Database* database, MetricFamilies* families) {
  const Result<DatabaseStats> stats = database->Stats();
  if (!stats.ok()) {
    return;
  }
  const auto add = [families](std::string_view name, std::string_view help, double value) {
    AddMetric(name, help, {}, value, families);
  };
  add("leadline_collections", "Collections.", static_cast<double>(stats->collections));
  add("leadline_sequence", "Of the last committed batch.", static_cast<double>(stats->sequence));
  add("leadline_store_bytes", "Bytes of the record store.",
      static_cast<double>(stats->store_bytes));
  add("leadline_segment_bytes", "Bytes of all segment files.",
      static_cast<double>(stats->segment_bytes));
  add("leadline_log_syncs_total", "Times the log was made durable.",
      static_cast<double>(stats->log_syncs));
  add("leadline_memory_budget_bytes", "What heap and kept sections share; 0 means no limit.",
      static_cast<double>(stats->memory.budget_bytes));
  add("leadline_memory_heap_bytes", "Fresh rows, indexes, deletes and answers of filters.",
      static_cast<double>(stats->memory.heap_bytes));
  add("leadline_memory_kept_bytes", "Codes, links and lists kept in memory for searches.",
      static_cast<double>(stats->memory.kept_bytes));
  add("leadline_memory_locked_bytes", "Of those, locked.",
      static_cast<double>(stats->memory.locked_bytes));
  add("leadline_memory_unkept_bytes", "Codes, links and lists in use that did not fit.",
      static_cast<double>(stats->memory.unkept_bytes));
  add("leadline_degraded", "1 where something cannot be used, or no write is taken.",
      stats->degraded ? 1 : 0);
  add("leadline_read_only", "1 while no write is taken until the next start.",
      stats->store_error.empty() ? 0 : 1);

  Result<std::vector<std::string>> names = database->ListCollections();
  if (!names.ok()) {
    return;
  }
  names->resize(std::min(names->size(), kMaxScrapedCollections));
  std::vector<std::pair<std::string, CollectionStats>> collections;
  for (std::string& name : *names) {
    CollectionStats one;
    one.degraded = true;  // until it opens
    const auto collection = database->OpenCollection(name);
    if (collection.ok()) {
      const Result<CollectionStats> known = (*collection)->Stats();
      if (known.ok()) {
        one = *known;
      }
    }
    if (!collection.ok() && collection.status().code() == StatusCode::kNotFound) {
      continue;  // dropped since
    }
    collections.emplace_back(std::move(name), std::move(one));
  }
  for (const CollectionMetric& metric : kCollectionMetrics) {
    for (const auto& [name, known] : collections) {
      AddMetric(metric.name, metric.help, {{"collection", name}}, metric.value(known), families);
    }
  }
}

void AddProcessMetrics(FileSystem* fs, MetricFamilies* families) {
  const std::vector<double> stat = StatFields(fs);
  if (stat.size() <= 24) {
    return;
  }
  const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  const auto add = [families](std::string_view name, std::string_view help, double value) {
    AddMetric(name, help, {}, value, families);
  };
  add("process_cpu_seconds_total", "Processor time of user and system, in seconds.",
      (stat[14] + stat[15]) / ticks);
  add("process_start_time_seconds", "Start of the process, in seconds since the Unix epoch.",
      BootSeconds(fs) + stat[22] / ticks);
  add("process_virtual_memory_bytes", "Virtual memory.", stat[23]);
  add("process_resident_memory_bytes", "Resident memory.",
      stat[24] * static_cast<double>(::sysconf(_SC_PAGESIZE)));
  const Result<std::vector<std::string>> open = fs->ListDirectory("/proc/self/fd");
  if (open.ok()) {
    // One of them is of the list itself.
    add("process_open_fds", "Open file descriptors.", static_cast<double>(open->size()) - 1);
  }
  struct rlimit limit = {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    add("process_max_fds", "Most open file descriptors.", static_cast<double>(limit.rlim_cur));
  }
}

}  // namespace leadline::rpc
