#include "record_preparer.h"

#include <algorithm>
#include <utility>

#include "json_lines.h"
#include "leadline/core/types.h"

namespace leadline::cli {
namespace {

/// Text of one payload field; empty where it is missing or null.
Result<std::string> FieldText(const Json& payload, const std::string& field) {
  const auto found = payload.find(field);
  if (found == payload.end() || found->is_null()) {
    return std::string();
  }
  if (!found->is_string()) {
    return InvalidFieldError("a text field must be a string", field, JsonText(*found).substr(0, 80),
                             "string");
  }
  return found->get<std::string>();
}

void AppendWord(std::string* text, std::string_view more) {
  if (!text->empty() && !more.empty()) {
    *text += ' ';
  }
  *text += more;
}

bool IsZero(const std::vector<float>& vector) {
  return std::all_of(vector.begin(), vector.end(), [](float value) { return value == 0; });
}

}  // namespace

size_t PreparedRow::bytes() const {
  size_t bytes = 0;
  for (const Record& record : records) {
    bytes += record.id.size() + record.payload.size() + record.vector.size() * sizeof(float);
    for (const NamedVector& named : record.named_vectors) {
      bytes += named.values.size() * sizeof(float);
    }
  }
  return bytes;
}

std::string ChunkId(std::string_view document, size_t number) {
  return std::string(document) + "#" + std::to_string(number);
}

Result<RecordPreparer> RecordPreparer::Create(const CollectionOptions& options,
                                              std::shared_ptr<const Embedder> embedder,
                                              const Chunking& chunking) {
  RecordPreparer preparer(options, chunking);
  preparer.embedder_ = std::move(embedder);
  if (chunking.unit != Chunking::Unit::kNone &&
      (preparer.embedder_ == nullptr || options.text_fields.empty())) {
    return InvalidFieldError("chunks need a collection with an embedder and text fields", "--chunk",
                             "given", "none");
  }
  return preparer;
}

std::vector<PreparedRow> RecordPreparer::Prepare(const std::string& place,
                                                 std::vector<eval::InputRecord> rows,
                                                 Executor* executor) const {
  std::vector<PreparedRow> prepared(rows.size());
  ParallelFor(executor, rows.size(), [&](size_t i) {
    prepared[i].where = place + " " + std::to_string(rows[i].row);
    if (chunking_.unit != Chunking::Unit::kNone && NeedsEmbedding(rows[i])) {
      prepared[i].document = rows[i].id;
    }
    Result<std::vector<Record>> records = PrepareRow(std::move(rows[i]));
    if (records.ok()) {
      prepared[i].records = *std::move(records);
    } else {
      prepared[i].error = records.status().WithContext(prepared[i].where);
    }
  });
  return prepared;
}

bool RecordPreparer::NeedsEmbedding(const eval::InputRecord& row) const {
  return row.vector.empty() && row.named_vectors.empty() && embedder_ != nullptr;
}

Result<std::vector<Record>> RecordPreparer::PrepareRow(eval::InputRecord row) const {
  std::vector<Record> records;
  if (NeedsEmbedding(row)) {
    LEADLINE_ASSIGN_OR_RETURN(records, EmbedRow(row));
  } else if (chunking_.unit != Chunking::Unit::kNone) {
    return InvalidFieldError("a record with a vector of its own cannot be cut into chunks",
                             row.vector.empty() ? "vectors" : "vector", "given",
                             "none with --chunk");
  } else {
    Record& record = records.emplace_back();
    record.id = std::move(row.id);
    record.vector = std::move(row.vector);
    for (auto& [name, values] : row.named_vectors) {
      record.named_vectors.push_back({name, std::move(values)});
    }
    record.payload = std::move(row.payload_json);
    record.expires_at_ms = row.expires_at_ms;
  }
  for (const Record& record : records) {
    LEADLINE_RETURN_IF_ERROR(CheckVector(record));
  }
  return records;
}

Result<std::vector<Record>> RecordPreparer::EmbedRow(const eval::InputRecord& row) const {
  Json payload = PayloadJson(row.payload_json);
  std::string heading;  // every chunk is embedded together with the fields before the last
  std::string body;
  for (size_t i = 0; i < options_.text_fields.size(); ++i) {
    LEADLINE_ASSIGN_OR_RETURN(const std::string text, FieldText(payload, options_.text_fields[i]));
    if (i + 1 < options_.text_fields.size()) {
      AppendWord(&heading, text);
    } else {
      body = text;
    }
  }
  for (const char* key : {"doc_id", "chunk"}) {
    if (chunking_.unit != Chunking::Unit::kNone && payload.contains(key)) {
      return InvalidFieldError("the payload has a key that --chunk writes", key,
                               JsonText(payload[key]), "no such key");
    }
  }
  std::vector<std::string_view> pieces = CutText(body, chunking_);
  if (pieces.empty()) {
    pieces.emplace_back();
  }
  LEADLINE_RETURN_IF_ERROR(CheckChunks(pieces.size(), row.payload_json.size() - body.size()));
  std::vector<std::string> texts;
  for (const std::string_view piece : pieces) {
    AppendWord(&texts.emplace_back(heading), piece);
  }
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  std::vector<float> vectors(texts.size() * embedder_->dim());
  const Status embedded = embedder_->Embed(views, vectors);
  if (!embedded.ok()) {
    return InvalidFieldError("the text cannot be embedded, it has no word the embedder knows",
                             options_.text_fields.empty() ? "text" : options_.text_fields.back(),
                             body.substr(0, 80), "at least one known word, or --on-error skip");
  }
  std::vector<Record> records(texts.size());
  const auto dim = static_cast<std::ptrdiff_t>(embedder_->dim());
  for (size_t i = 0; i < records.size(); ++i) {
    const auto begin = vectors.begin() + static_cast<std::ptrdiff_t>(i) * dim;
    records[i].vector.assign(begin, begin + dim);
    records[i].expires_at_ms = row.expires_at_ms;
    if (chunking_.unit == Chunking::Unit::kNone) {
      records[i].id = row.id;
      records[i].payload = row.payload_json;
    } else {
      payload[options_.text_fields.back()] = pieces[i];
      payload["doc_id"] = row.id;
      payload["chunk"] = i;
      records[i].id = ChunkId(row.id, i);
      records[i].payload = JsonText(payload);
    }
  }
  return records;
}

Status RecordPreparer::CheckChunks(size_t chunks, size_t repeated_bytes) const {
  if (chunks > kMaxBatchRecords) {
    return InvalidFieldError("too many chunks in one record", "--chunk", std::to_string(chunks),
                             std::to_string(kMaxBatchRecords));
  }
  // A record is written whole, and every chunk carries the rest of the payload and a vector.
  const size_t bytes = chunks * (repeated_bytes + embedder_->dim() * sizeof(float));
  if (bytes > kMaxBatchBytes) {
    return InvalidFieldError("the chunks of one record need too many bytes", "--chunk",
                             std::to_string(bytes), std::to_string(kMaxBatchBytes));
  }
  return OkStatus();
}

Status RecordPreparer::CheckVector(const Record& record) const {
  const VectorField& field = options_.vectors.front();
  if (record.vector.empty()) {
    return record.named_vectors.empty()
               ? InvalidFieldError("the record has no vector, and the collection no embedder",
                                   "vector", "missing", std::to_string(field.dim) + " numbers")
               : OkStatus();
  }
  if (record.vector.size() != field.dim) {
    return InvalidFieldError("wrong vector size", "vector", std::to_string(record.vector.size()),
                             std::to_string(field.dim));
  }
  if (field.metric == Metric::kCosine && IsZero(record.vector)) {
    return InvalidFieldError("a zero vector has no cosine", "vector", "all zero", "a norm above 0");
  }
  return OkStatus();
}

}  // namespace leadline::cli
