#include <memory>

#include "collection_json.h"
#include "command.h"
#include "database_opening.h"
#include "table_printer.h"

namespace leadline::cli {
namespace {

Json CurveJson(const IndexStats& index) {
  const char* const effort = index.kind == IndexKind::kIvf ? "nprobe" : "ef_search";
  Json curve = Json::array();
  for (const RecallPoint& point : index.curve) {
    curve.push_back({{effort, point.effort},
                     {"candidates", point.candidates},
                     {"rescore", point.rescore},
                     {"recall", point.recall},
                     {"promised", point.promised},
                     {"distances", point.distances}});
  }
  return curve;
}

Json CollectionStatsJson(const Collection& collection, const CollectionStats& stats) {
  Json object = CollectionJson(collection.name(), collection.options());
  object["rows"] = stats.rows;
  object["tail_rows"] = stats.tail_rows;
  object["segments"] = stats.segments;
  object["segment_rows"] = stats.segment_rows;
  object["dead_rows"] = stats.dead_rows;
  object["damaged_segments"] = stats.damaged_segments;
  object["segment_bytes"] = stats.segment_bytes;
  object["resident_bytes"] = stats.resident_bytes;
  object["min_self_recall"] = stats.min_self_recall;
  object["indexes"] = Json::array();
  for (const IndexStats& index : stats.indexes) {
    object["indexes"].push_back({{"vector", index.vector_field},
                                 {"index", IndexKindName(index.kind)},
                                 {"codes", CodeTypeName(index.codes)},
                                 {"segments", index.segments},
                                 {"rows", index.rows},
                                 {"vector_bytes", index.vector_bytes},
                                 {"code_bytes", index.code_bytes},
                                 {"link_bytes", index.link_bytes},
                                 {"resident_vector_bytes", index.resident_vector_bytes},
                                 {"resident_code_bytes", index.resident_code_bytes},
                                 {"resident_link_bytes", index.resident_link_bytes}});
    if (index.codes == CodeType::kPca8) {
      object["indexes"].back()["axes"] = index.axes;
    }
    if (!index.curve.empty()) {
      object["indexes"].back()["lists"] = index.lists;
      object["indexes"].back()["curve"] = CurveJson(index);
    }
  }
  object["degraded"] = stats.degraded;
  return object;
}

/// Shows the JSON form to people: one line a field, nested values as JSON.
void PrintObject(const Json& object, Console& console) {
  std::vector<std::pair<std::string, std::string>> fields;
  for (const auto& [name, value] : object.items()) {
    const bool is_bytes = name.ends_with("_bytes") && value.is_number_unsigned();
    fields.emplace_back(name, value.is_string() ? value.get<std::string>()
                              : is_bytes        ? FormatBytes(value.get<uint64_t>())
                                                : JsonText(value));
  }
  PrintFields(console, fields);
}

Result<Json> DatabaseStatsJson(Database& database) {
  LEADLINE_ASSIGN_OR_RETURN(const DatabaseStats stats, database.Stats());
  Json object;
  object["sequence"] = stats.sequence;
  object["collections"] = stats.collections;
  object["store_bytes"] = stats.store_bytes;
  object["segment_bytes"] = stats.segment_bytes;
  object["degraded"] = stats.degraded;
  object["damaged_collections"] = stats.damaged_collections;
  object["memory_budget_bytes"] = stats.memory.budget_bytes;
  object["heap_bytes"] = stats.memory.heap_bytes;
  object["kept_bytes"] = stats.memory.kept_bytes;
  object["locked_bytes"] = stats.memory.locked_bytes;
  object["unkept_bytes"] = stats.memory.unkept_bytes;
  object["resident_index_bytes"] = stats.memory.resident_index_bytes;
  object["resident_vector_bytes"] = stats.memory.resident_vector_bytes;
  object["lock_error"] = stats.memory.lock_error;
  LEADLINE_ASSIGN_OR_RETURN(object["names"], database.ListCollections());
  return object;
}

Result<ExitCode> RunStats(const DatabaseArguments& args, Console& console) {
  LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<Database> database, OpenDatabaseForReading(args));
  Json object;
  if (args.collection.empty()) {
    LEADLINE_ASSIGN_OR_RETURN(object, DatabaseStatsJson(*database));
  } else {
    LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> collection,
                              database->OpenCollection(args.collection));
    LEADLINE_ASSIGN_OR_RETURN(const CollectionStats stats, collection->Stats());
    object = CollectionStatsJson(*collection, stats);
  }
  if (console.json()) {
    WriteJsonLine(console, object);
  } else {
    PrintObject(object, console);
  }
  return ExitCode::kDone;
}

CommandBody DeclareStats(Arguments& arguments) {
  auto args = std::make_shared<DatabaseArguments>();
  DeclareAnyDatabase(arguments, args.get());
  arguments.Positional(&args->collection, "COLLECTION", "name of one collection").Optional();
  return [args](Console& console) { return RunStats(*args, console); };
}

}  // namespace

Command StatsCommand() {
  return {
      "stats", "Show sizes, counts and health of a database or of one collection",
      "Health is what opening and searching met so far: an index file is verified when it is "
      "first read.\n`check` reads every file.\n\n\"indexes\" of a collection has one entry for "
      "each vector, kind of index and codes that some segment has:\nsegments, rows, and bytes "
      "of vectors in full precision, of codes, and of links or lists, all in mapped\nfiles, and "
      "how "
      "much of each is in memory now; of the largest such segment the number of lists, the\nrecall "
      "curve that --target-recall goes by, and with pca8 the number of axes that rows lie along "
      "(0:\nthey need all dimensions).\n\nOf a database: heap_bytes and kept_bytes are "
      "what it holds in memory by itself, within its budget;\nresident_index_bytes and "
      "resident_vector_bytes what the page cache holds of its files now, whoever\nread them. Of a "
      "directory, heap and budget are those of this program; with --remote, of the server.",
      DeclareStats};
}

}  // namespace leadline::cli
