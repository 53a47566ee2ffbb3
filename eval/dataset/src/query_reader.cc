#include "leadline/eval/query_reader.h"

#include <optional>
#include <unordered_map>

#include <nlohmann/json.hpp>

#include "jsonl_reader.h"
#include "kept_input.h"
#include "row_problem.h"

namespace leadline::eval {
namespace {

using nlohmann::json;

/// Moves a string member of the payload into `*out`.
std::optional<RowProblem> TakeString(const json& payload, const char* name, std::string* out) {
  const auto it = payload.find(name);
  if (it == payload.end() || it->is_null()) {
    return std::nullopt;
  }
  if (!it->is_string()) {
    return RowProblem{"wrong type", name, it->type_name(), "a string"};
  }
  *out = it->get<std::string>();
  return std::nullopt;
}

/// Turns a record into a query: `text` and `filter` stand in its payload.
std::optional<RowProblem> FillQuery(InputRecord&& record, uint64_t row_id, InputQuery* query) {
  bool has_text = false;
  query->id = record.id.empty() ? std::to_string(row_id) : std::move(record.id);
  query->vector = std::move(record.vector);
  query->row = record.row;
  if (record.payload_json != "{}") {
    // The reader wrote this text, so it parses; an exception would still not leave the module.
    const json payload = json::parse(record.payload_json, nullptr, false);
    if (payload.is_discarded()) {
      return RowProblem{"malformed JSON", "", "", ""};
    }
    if (auto problem = TakeString(payload, "text", &query->text)) {
      return problem;
    }
    has_text = payload.contains("text") && payload["text"].is_string();
    if (auto problem = TakeString(payload, "filter", &query->filter)) {
      return problem;
    }
  }
  if (query->vector.empty() && !has_text) {
    return RowProblem{"query without vector and text", "vector", "", "vector or text"};
  }
  return std::nullopt;
}

Result<std::unique_ptr<RecordReader>> OpenRows(FileSystem* fs, const std::string& path,
                                               FileFormat format,
                                               const QueryReaderOptions& options) {
  RecordReaderOptions records;
  records.id_offset = options.id_offset;
  records.hdf5_dataset = options.hdf5_dataset;
  if (format == FileFormat::kBeir) {
    LEADLINE_ASSIGN_OR_RETURN(const bool folder, fs->IsDirectory(path));
    return OpenJsonl(fs, folder ? JoinPath(path, "queries.jsonl") : path, false, records);
  }
  if (format == FileFormat::kJsonl) {
    return OpenJsonl(fs, path, false, records);
  }
  return OpenRecords(fs, path, format, records);
}

/// What a query takes in memory, its second copy of the id and its row included.
uint64_t MemoryOf(const InputQuery& query) {
  return sizeof(InputQuery) + sizeof(std::string) + sizeof(uint64_t) + 2 * query.id.size() +
         query.text.size() + query.filter.size() + query.vector.size() * sizeof(float);
}

}  // namespace

Result<std::vector<InputQuery>> ReadQueries(FileSystem* fs, const std::string& path,
                                            FileFormat format, const QueryReaderOptions& options) {
  if (format == FileFormat::kAuto) {
    LEADLINE_ASSIGN_OR_RETURN(format, DetectFileFormat(fs, path));
  }
  LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<RecordReader> reader,
                            OpenRows(fs, path, format, options));
  const std::string unit(reader->row_unit());
  std::vector<InputQuery> queries;
  std::unordered_map<std::string, uint64_t> rows;  // by id
  KeptInput kept(reader->path(), options.limits);
  while (queries.size() < options.max_queries) {
    InputRecord record;
    LEADLINE_ASSIGN_OR_RETURN(const bool more, reader->Next(&record));
    if (!more) {
      break;
    }
    InputQuery query;
    const uint64_t row = record.row;
    auto problem = FillQuery(std::move(record), options.id_offset + queries.size(), &query);
    if (!problem) {
      const auto [first, added] = rows.try_emplace(query.id, row);
      if (!added) {
        problem = RowProblem{"query given twice", "id", query.id,
                             "once, first on " + unit + " " + std::to_string(first->second)};
      }
    }
    if (problem) {
      return RowError(*problem, reader->path(), unit, row);
    }
    LEADLINE_RETURN_IF_ERROR(kept.AddRow(MemoryOf(query)));
    queries.push_back(std::move(query));
  }
  return queries;
}

}  // namespace leadline::eval
