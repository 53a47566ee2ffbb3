#include "record_access.h"

#include <utility>

#include "keys.h"

namespace leadline::engine {
namespace {

/// One vector of a record that has it.
Result<std::vector<float>> ReadVector(const ReadView& view, uint64_t ordinal, uint32_t field) {
  LEADLINE_ASSIGN_OR_RETURN(
      const std::optional<std::string> bytes,
      view.core->store->Get(kv::Table::kVectors, VectorKey(view.collection->id(), field, ordinal),
                            view.visibility.snapshot));
  if (!bytes.has_value()) {
    return MissingPart(view.visibility, "vector", ordinal);
  }
  return DecodeVector(*bytes, view.collection->fields()[field].dim);
}

/// The visible record with this id as it is stored; nullopt when there is none.
Result<std::optional<StoredRecord>> FindStored(const ReadView& view, const std::string& id,
                                               uint64_t* ordinal) {
  LEADLINE_ASSIGN_OR_RETURN(
      const std::optional<std::string> location,
      view.core->store->Get(kv::Table::kLocations, LocationKey(view.collection->id(), id),
                            view.visibility.snapshot));
  if (!location.has_value()) {
    return std::optional<StoredRecord>();
  }
  if (location->size() != sizeof(uint64_t)) {
    return DataLossError("bad location entry: id=" + id);
  }
  *ordinal = DecodeFixed64(location->data());
  LEADLINE_ASSIGN_OR_RETURN(
      const std::optional<std::string> bytes,
      view.core->store->Get(kv::Table::kRecords, OrdinalKey(view.collection->id(), *ordinal),
                            view.visibility.snapshot));
  if (!bytes.has_value()) {
    return MissingPart(view.visibility, "record", *ordinal);
  }
  LEADLINE_ASSIGN_OR_RETURN(StoredRecord stored, DecodeRecord(*bytes));
  return view.visibility.Expired(stored.expires_at_ms)
             ? std::optional<StoredRecord>()
             : std::optional<StoredRecord>(std::move(stored));
}

}  // namespace

Result<Record> ToRecord(const ReadView& view, uint64_t ordinal, StoredRecord stored,
                        const ReadOptions& options) {
  Record record;
  record.id = std::move(stored.id);
  if (options.with_payload) {
    record.payload = std::move(stored.payload);
  }
  if (stored.expires_at_ms != kNeverExpires) {
    record.expires_at_ms = stored.expires_at_ms;
  }
  const std::vector<VectorField>& fields = view.collection->fields();
  for (uint32_t f = 0; options.with_vectors && f < fields.size(); ++f) {
    if (((stored.fields >> f) & 1U) == 0) {
      continue;
    }
    LEADLINE_ASSIGN_OR_RETURN(std::vector<float> values, ReadVector(view, ordinal, f));
    if (f == 0) {
      record.vector = std::move(values);
    } else {
      record.named_vectors.push_back({fields[f].name, std::move(values)});
    }
  }
  return record;
}

Result<std::optional<Record>> ReadRecordById(const ReadView& view, const std::string& id,
                                             const ReadOptions& options) {
  uint64_t ordinal = 0;
  LEADLINE_ASSIGN_OR_RETURN(std::optional<StoredRecord> stored, FindStored(view, id, &ordinal));
  if (!stored.has_value()) {
    return std::optional<Record>();
  }
  LEADLINE_ASSIGN_OR_RETURN(Record record, ToRecord(view, ordinal, std::move(*stored), options));
  return std::optional<Record>(std::move(record));
}

Result<std::vector<float>> ReadVectorById(const ReadView& view, const std::string& id,
                                          uint32_t field, uint64_t* ordinal) {
  LEADLINE_ASSIGN_OR_RETURN(const std::optional<StoredRecord> stored,
                            FindStored(view, id, ordinal));
  if (!stored.has_value()) {
    return NotFoundError("no such record: id=" + id);
  }
  if (((stored->fields >> field) & 1U) == 0) {
    return NotFoundError("record has no vector in this field: id=" + id +
                         " field=" + view.collection->fields()[field].name);
  }
  return ReadVector(view, *ordinal, field);
}

}  // namespace leadline::engine
