#include "prepared_batch.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include "index_registry.h"
#include "leadline/core/coding.h"
#include "leadline/core/hash.h"
#include "leadline/core/payload_json.h"
#include "leadline/core/range_check.h"
#include "leadline/core/thread_priority.h"
#include "leadline/core/utf8_check.h"
#include "leadline/simd/normalize.h"
#include "leadline/text/utf8.h"

namespace leadline::engine {
namespace {

constexpr size_t kMaxShownBytes = 64;

std::string Shown(std::string_view text) {
  std::string shown = text::ReplaceInvalidUtf8(text.substr(0, kMaxShownBytes));
  return text.size() > kMaxShownBytes ? shown + "..." : shown;
}

std::string ComponentRange() {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), kMaxComponent).ptr;
  const std::string limit(text.data(), end);
  return "-" + limit + ".." + limit;
}

bool IsNameByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}

Status ValidateName(std::string_view what, std::string_view name) {
  if (name.empty() || name.size() > kMaxCollectionNameBytes ||
      !std::all_of(name.begin(), name.end(), IsNameByte)) {
    return InvalidFieldError("bad name", what, Shown(name), "[A-Za-z0-9_-]{1,128}");
  }
  return {};
}

Status PlaceVector(const CollectionOptions& options, std::string_view name,
                   const std::vector<float>& values, PreparedOp* op) {
  LEADLINE_ASSIGN_OR_RETURN(const uint32_t f, FindField(options, name));
  if (!op->stored[f].empty()) {
    return InvalidFieldError("vector given twice", "vectors", options.vectors[f].name, "once");
  }
  LEADLINE_RETURN_IF_ERROR(ValidateVector(options.vectors[f], values));
  op->stored[f] = values;
  op->search[f] = SearchForm(options.vectors[f], values);
  op->record.fields |= uint32_t{1} << f;
  return {};
}

Status PrepareUpsert(const CollectionOptions& options, const Record& record, PreparedOp* op) {
  op->stored.resize(options.vectors.size());
  op->search.resize(options.vectors.size());
  if (!record.vector.empty()) {
    LEADLINE_RETURN_IF_ERROR(PlaceVector(options, "", record.vector, op));
  }
  for (const NamedVector& named : record.named_vectors) {
    LEADLINE_RETURN_IF_ERROR(PlaceVector(options, named.name, named.values, op));
  }
  if (op->record.fields == 0) {
    return InvalidFieldError("record has no vector", "vector", "absent", "at least one");
  }
  op->record.payload = record.payload.empty() ? "{}" : record.payload;
  LEADLINE_RETURN_IF_ERROR(ValidatePayload(op->record.payload));
  if (record.expires_at_ms.has_value()) {
    if (*record.expires_at_ms <= 0) {
      return InvalidFieldError("value out of range", "expires_at_ms",
                               std::to_string(*record.expires_at_ms), "> 0");
    }
    op->record.expires_at_ms = *record.expires_at_ms;
  }
  return {};
}

Status PrepareOp(const CollectionOptions& options, const WriteBatch::Op& source, PreparedOp* op) {
  op->kind = source.kind;
  LEADLINE_RETURN_IF_ERROR(ValidateId(source.record.id));
  op->record.id = source.record.id;
  if (source.kind == WriteBatch::Kind::kUpsert) {
    return PrepareUpsert(options, source.record, op);
  }
  if (source.kind == WriteBatch::Kind::kPatch) {
    LEADLINE_RETURN_IF_ERROR(ValidatePayload(source.record.payload));
    op->record.payload = source.record.payload;
  }
  return {};
}

}  // namespace

size_t BytesOf(const PreparedOp& op) {
  size_t bytes = op.record.id.size() + op.record.payload.size();
  for (const std::vector<float>& vector : op.stored) {
    bytes += vector.size() * sizeof(float);
  }
  return bytes;
}

uint64_t DigestOf(const std::vector<PreparedOp>& ops) {
  Hasher hasher;
  std::string bytes;
  for (const PreparedOp& op : ops) {
    bytes.clear();
    bytes.push_back(static_cast<char>(op.kind));
    PutString(&bytes, op.record.id);
    PutString(&bytes, op.record.payload);
    PutFixed64(&bytes, static_cast<uint64_t>(op.record.expires_at_ms));
    PutFixed32(&bytes, op.record.fields);
    hasher.Update(bytes);
    for (const std::vector<float>& vector : op.stored) {
      hasher.Update(VectorBytes(vector));
    }
  }
  return hasher.Digest();
}

Status ValidateIdempotencyKey(std::string_view key) {
  if (key.size() > kMaxIdempotencyKeyBytes) {
    return InvalidFieldError("key is too long", "idempotency_key",
                             std::to_string(key.size()) + " bytes",
                             "1.." + std::to_string(kMaxIdempotencyKeyBytes) + " bytes");
  }
  const bool printable =
      std::all_of(key.begin(), key.end(), [](char c) { return c >= ' ' && c <= '~'; });
  return printable ? OkStatus()
                   : InvalidFieldError("key has a byte that is not printable", "idempotency_key",
                                       Shown(key), "printable ASCII");
}

Status ValidateId(std::string_view id) {
  if (id.empty() || id.size() > kMaxIdBytes) {
    return InvalidFieldError("id has a bad length", "id", std::to_string(id.size()) + " bytes",
                             "1.." + std::to_string(kMaxIdBytes) + " bytes");
  }
  if (!IsValidUtf8(id)) {
    return InvalidFieldError("id is not UTF-8", "id", Shown(id), "well-formed UTF-8");
  }
  return {};
}

Status ValidateVector(const VectorField& field, VectorView values) {
  if (values.size() != field.dim) {
    return InvalidFieldError("vector has the wrong dimension", field.name,
                             std::to_string(values.size()), std::to_string(field.dim));
  }
  const bool sound = simd::AllWithin(values.data(), values.size(), kMaxComponent);
  for (size_t i = 0; !sound && i < values.size(); ++i) {
    if (!simd::AllWithin(&values[i], 1, kMaxComponent)) {
      return InvalidFieldError("vector value is not finite or too large",
                               field.name + "[" + std::to_string(i) + "]",
                               std::to_string(values[i]), ComponentRange());
    }
  }
  if (field.metric == Metric::kCosine && !simd::HasDirection(values.data(), values.size())) {
    return InvalidFieldError("vector has no direction", field.name, "norm 0",
                             "a non-zero norm for cosine");
  }
  return {};
}

std::vector<float> SearchForm(const VectorField& field, VectorView values) {
  std::vector<float> form(values.size());
  WriteSearchForm(field, values, form.data());
  return form;
}

void WriteSearchForm(const VectorField& field, VectorView values, float* form) {
  // A vector without direction was refused on its way in; it would stay as it is.
  if (field.metric != Metric::kCosine ||
      !simd::NormalizeToUnit(values.data(), form, values.size())) {
    std::copy(values.begin(), values.end(), form);
  }
}

Result<std::vector<PreparedOp>> PrepareBatch(const CollectionOptions& options,
                                             const WriteBatch& batch) {
  LEADLINE_RETURN_IF_ERROR(CheckRange("batch records", batch.size(), 1, kMaxBatchRecords));
  LEADLINE_RETURN_IF_ERROR(ValidateIdempotencyKey(batch.idempotency_key()));
  std::vector<PreparedOp> ops(batch.size());
  size_t bytes = 0;
  for (size_t i = 0; i < ops.size(); ++i) {
    Status prepared = PrepareOp(options, batch.ops()[i], &ops[i]);
    if (!prepared.ok()) {
      prepared.WithContext("record " + std::to_string(i) + " (id '" +
                           Shown(batch.ops()[i].record.id) + "')");
      return prepared;
    }
    bytes += BytesOf(ops[i]);
  }
  LEADLINE_RETURN_IF_ERROR(CheckBatchBytes("batch bytes", bytes));
  return ops;
}

Status CheckBatchBytes(std::string_view what, uint64_t bytes) {
  return CheckRange(what, bytes, 0, kMaxBatchBytes);
}

Status ValidateCollectionName(std::string_view name) {
  return ValidateName("collection", name);
}

Status ValidateCollectionOptions(const CollectionOptions& options) {
  LEADLINE_RETURN_IF_ERROR(CheckRange("vectors", options.vectors.size(), 1, kMaxVectorFields));
  std::set<std::string> names;
  for (const VectorField& field : options.vectors) {
    LEADLINE_RETURN_IF_ERROR(ValidateName("vector field", field.name));
    if (!names.insert(field.name).second) {
      return InvalidFieldError("vector field named twice", "vectors", field.name, "unique names");
    }
    LEADLINE_RETURN_IF_ERROR(CheckRange("dim", field.dim, 1, kMaxDim));
    LEADLINE_RETURN_IF_ERROR(CheckRange("m", field.m, kMinM, kMaxM));
    LEADLINE_RETURN_IF_ERROR(
        CheckRange("ef_construction", field.ef_construction, 1, kMaxEfConstruction));
    LEADLINE_RETURN_IF_ERROR(CheckRange("nlist", field.nlist, 0, kMaxNlist));
    LEADLINE_RETURN_IF_ERROR(CheckCodes(field));
  }
  LEADLINE_RETURN_IF_ERROR(
      CheckRange("text_fields", options.text_fields.size(), 0, kMaxTextFields));
  for (const std::string& field : options.text_fields) {
    LEADLINE_RETURN_IF_ERROR(
        CheckRange("text field name bytes", field.size(), 1, kMaxTextFieldBytes));
    if (std::count(options.text_fields.begin(), options.text_fields.end(), field) > 1) {
      return InvalidFieldError("text field is named twice", "text_fields", Shown(field),
                               "each field once");
    }
  }
  LEADLINE_RETURN_IF_ERROR(CheckRange("embedder name bytes", options.embedder.size(), 0, 128));
  return CheckRange("language code bytes", options.language.size(), 0, kMaxLanguageBytes);
}

Status ValidateDatabaseOptions(const DatabaseOptions& options) {
  LEADLINE_RETURN_IF_ERROR(CheckRange("interval_ms", options.interval_ms, 1, 60'000));
  LEADLINE_RETURN_IF_ERROR(
      CheckRange("background_threads", options.background_threads, 1, kMaxThreads));
  LEADLINE_RETURN_IF_ERROR(CheckRange("search_threads", options.search_threads, 1, kMaxThreads));
  LEADLINE_RETURN_IF_ERROR(CheckRange("seal_rows", options.seal_rows, 16, 10'000'000));
  LEADLINE_RETURN_IF_ERROR(
      CheckRange("seal_bytes", options.seal_bytes, uint64_t{64} << 10, uint64_t{16} << 30));
  LEADLINE_RETURN_IF_ERROR(CheckRange("background_nice", options.background_nice, 0, kMaxNice));
  LEADLINE_RETURN_IF_ERROR(CheckRange("seal_idle_ms", options.seal_idle_ms, 0, 3'600'000));
  return options.memory_budget_bytes == 0
             ? OkStatus()
             : CheckRange("memory_budget_bytes", options.memory_budget_bytes, kMinMemoryBudgetBytes,
                          kMaxMemoryBudgetBytes);
}

Result<uint32_t> FindField(const CollectionOptions& options, std::string_view name) {
  if (name.empty()) {
    return 0U;
  }
  std::string known;
  for (uint32_t f = 0; f < options.vectors.size(); ++f) {
    if (options.vectors[f].name == name) {
      return f;
    }
    known.append(known.empty() ? "" : "|").append(options.vectors[f].name);
  }
  return InvalidFieldError("unknown vector field", "vector_field", Shown(name), known);
}

}  // namespace leadline::engine
