#include "catalog.h"

#include <bit>
#include <cstdio>
#include <cstring>

#include "leadline/core/coding.h"
#include "leadline/core/types.h"

namespace leadline::engine {
namespace {

constexpr size_t kMaxNameBytes = 4096;

void PutByte(std::string* out, uint8_t value) {
  out->push_back(static_cast<char>(value));
}

Status GetText(Decoder* decoder, std::string* out) {
  std::string_view text;
  LEADLINE_RETURN_IF_ERROR(decoder->GetString(&text, kMaxNameBytes));
  *out = text;
  return {};
}

Status GetCount(Decoder* decoder, uint32_t limit, uint32_t* count) {
  LEADLINE_RETURN_IF_ERROR(decoder->GetFixed32(count));
  if (*count > limit) {
    return DataLossError("catalog entry has too many items: count=" + std::to_string(*count) +
                         " limit=" + std::to_string(limit));
  }
  return {};
}

Status CheckStoredRange(std::string_view field, uint64_t value, uint64_t low, uint64_t high) {
  if (value < low || value > high) {
    return DataLossError("catalog entry is out of range: field=" + std::string(field) +
                         " value=" + std::to_string(value) + " limit=" + std::to_string(low) +
                         ".." + std::to_string(high));
  }
  return {};
}

template <typename Enum>
Status GetEnum(Decoder* decoder, uint8_t last, Enum* value) {
  uint8_t byte = 0;
  LEADLINE_RETURN_IF_ERROR(decoder->GetByte(&byte));
  if (byte == 0 || byte > last) {
    return DataLossError("catalog entry has an unknown code: value=" + std::to_string(byte));
  }
  *value = static_cast<Enum>(byte);
  return {};
}

void PutVectorField(std::string* out, const VectorField& field) {
  PutString(out, field.name);
  PutFixed32(out, field.dim);
  PutByte(out, static_cast<uint8_t>(field.metric));
  PutByte(out, static_cast<uint8_t>(field.index));
  PutByte(out, static_cast<uint8_t>(field.codes));
  PutFixed32(out, field.m);
  PutFixed32(out, field.ef_construction);
  PutFixed32(out, field.nlist);
}

Status GetVectorField(Decoder* decoder, VectorField* field) {
  LEADLINE_RETURN_IF_ERROR(GetText(decoder, &field->name));
  LEADLINE_RETURN_IF_ERROR(decoder->GetFixed32(&field->dim));
  LEADLINE_RETURN_IF_ERROR(GetEnum(decoder, 3, &field->metric));
  LEADLINE_RETURN_IF_ERROR(GetEnum(decoder, 4, &field->index));
  LEADLINE_RETURN_IF_ERROR(GetEnum(decoder, 8, &field->codes));
  LEADLINE_RETURN_IF_ERROR(decoder->GetFixed32(&field->m));
  LEADLINE_RETURN_IF_ERROR(decoder->GetFixed32(&field->ef_construction));
  LEADLINE_RETURN_IF_ERROR(decoder->GetFixed32(&field->nlist));
  LEADLINE_RETURN_IF_ERROR(CheckStoredRange("dim", field->dim, 1, kMaxDim));
  LEADLINE_RETURN_IF_ERROR(CheckStoredRange("m", field->m, kMinM, kMaxM));
  LEADLINE_RETURN_IF_ERROR(
      CheckStoredRange("ef_construction", field->ef_construction, 1, kMaxEfConstruction));
  return CheckStoredRange("nlist", field->nlist, 0, kMaxNlist);
}

void PutFieldSegment(std::string* out, const FieldSegment& field) {
  const segment::SegmentInfo& info = field.info;
  out->append(reinterpret_cast<const char*>(info.database.data()), info.database.size());
  PutFixed64(out, info.segment_id);
  PutFixed32(out, info.collection_id);
  PutFixed32(out, info.field_id);
  PutByte(out, static_cast<uint8_t>(info.metric));
  PutByte(out, static_cast<uint8_t>(info.kind));
  PutByte(out, static_cast<uint8_t>(info.codes));
  PutFixed32(out, info.dim);
  PutFixed64(out, info.rows);
  PutFixed64(out, info.min_sequence);
  PutFixed64(out, info.max_sequence);
  PutFixed32(out, info.m);
  PutFixed32(out, info.ef_construction);
  PutFixed32(out, info.nlist);
  PutFixed64(out, info.seed);
  PutFixed64(out, std::bit_cast<uint64_t>(info.self_recall));
  PutFixed64(out, field.identity.size);
  PutFixed64(out, field.identity.hash);
}

Status GetFieldSegment(Decoder* decoder, FieldSegment* field) {
  segment::SegmentInfo& info = field->info;
  std::string_view uuid;
  LEADLINE_RETURN_IF_ERROR(decoder->GetBytes(&uuid, info.database.size()));
  std::memcpy(info.database.data(), uuid.data(), uuid.size());
  LEADLINE_RETURN_IF_ERROR(decoder->GetFixed64(&info.segment_id));
  LEADLINE_RETURN_IF_ERROR(decoder->GetFixed32(&info.collection_id));
  LEADLINE_RETURN_IF_ERROR(decoder->GetFixed32(&info.field_id));
  LEADLINE_RETURN_IF_ERROR(GetEnum(decoder, 3, &info.metric));
  LEADLINE_RETURN_IF_ERROR(GetEnum(decoder, 4, &info.kind));
  LEADLINE_RETURN_IF_ERROR(GetEnum(decoder, 8, &info.codes));
  LEADLINE_RETURN_IF_ERROR(decoder->GetFixed32(&info.dim));
  LEADLINE_RETURN_IF_ERROR(decoder->GetFixed64(&info.rows));
  LEADLINE_RETURN_IF_ERROR(decoder->GetFixed64(&info.min_sequence));
  LEADLINE_RETURN_IF_ERROR(decoder->GetFixed64(&info.max_sequence));
  LEADLINE_RETURN_IF_ERROR(decoder->GetFixed32(&info.m));
  LEADLINE_RETURN_IF_ERROR(decoder->GetFixed32(&info.ef_construction));
  LEADLINE_RETURN_IF_ERROR(decoder->GetFixed32(&info.nlist));
  LEADLINE_RETURN_IF_ERROR(decoder->GetFixed64(&info.seed));
  LEADLINE_RETURN_IF_ERROR(decoder->GetDouble(&info.self_recall));
  LEADLINE_RETURN_IF_ERROR(decoder->GetFixed64(&field->identity.size));
  LEADLINE_RETURN_IF_ERROR(decoder->GetFixed64(&field->identity.hash));
  LEADLINE_RETURN_IF_ERROR(CheckStoredRange("dim", info.dim, info.rows == 0 ? 0 : 1, kMaxDim));
  LEADLINE_RETURN_IF_ERROR(CheckStoredRange("rows", info.rows, 0, kMaxSegmentRows));
  LEADLINE_RETURN_IF_ERROR(
      CheckStoredRange("min_sequence", info.min_sequence, 0, info.max_sequence));
  LEADLINE_RETURN_IF_ERROR(
      CheckStoredRange("ef_construction", info.ef_construction, 0, kMaxEfConstruction));
  return CheckStoredRange("segment", info.segment_id, info.rows == 0 ? 0 : 1, UINT64_MAX);
}

}  // namespace

std::string EncodeDatabaseEntry(const DatabaseEntry& entry) {
  std::string bytes;
  PutFixed32(&bytes, entry.format_version);
  bytes.append(reinterpret_cast<const char*>(entry.uuid.data()), entry.uuid.size());
  return bytes;
}

Result<DatabaseEntry> DecodeDatabaseEntry(std::string_view bytes) {
  DatabaseEntry entry;
  Decoder decoder(bytes);
  std::string_view uuid;
  LEADLINE_RETURN_IF_ERROR(decoder.GetFixed32(&entry.format_version));
  if (entry.format_version > kDatabaseFormatVersion) {
    return UnimplementedError("database written by a newer release: format_version=" +
                              std::to_string(entry.format_version) +
                              " limit=" + std::to_string(kDatabaseFormatVersion));
  }
  LEADLINE_RETURN_IF_ERROR(decoder.GetBytes(&uuid, entry.uuid.size()));
  std::memcpy(entry.uuid.data(), uuid.data(), uuid.size());
  LEADLINE_RETURN_IF_ERROR(decoder.ExpectEnd());
  return entry;
}

std::string EncodeCollectionEntry(const CollectionEntry& entry) {
  std::string bytes;
  PutFixed32(&bytes, entry.id);
  PutString(&bytes, entry.name);
  PutFixed32(&bytes, static_cast<uint32_t>(entry.options.vectors.size()));
  for (const VectorField& field : entry.options.vectors) {
    PutVectorField(&bytes, field);
  }
  PutFixed32(&bytes, static_cast<uint32_t>(entry.options.text_fields.size()));
  for (const std::string& field : entry.options.text_fields) {
    PutString(&bytes, field);
  }
  PutString(&bytes, entry.options.embedder);
  PutString(&bytes, entry.options.language);
  PutString(&bytes, entry.embedder_version);
  return bytes;
}

Result<CollectionEntry> DecodeCollectionEntry(std::string_view bytes) {
  CollectionEntry entry;
  Decoder decoder(bytes);
  uint32_t count = 0;
  LEADLINE_RETURN_IF_ERROR(decoder.GetFixed32(&entry.id));
  LEADLINE_RETURN_IF_ERROR(GetText(&decoder, &entry.name));
  LEADLINE_RETURN_IF_ERROR(GetCount(&decoder, kMaxVectorFields, &count));
  LEADLINE_RETURN_IF_ERROR(CheckStoredRange("vectors", count, 1, kMaxVectorFields));
  LEADLINE_RETURN_IF_ERROR(CheckStoredRange("number", entry.id, 1, UINT32_MAX));
  entry.options.vectors.resize(count);
  for (VectorField& field : entry.options.vectors) {
    LEADLINE_RETURN_IF_ERROR(GetVectorField(&decoder, &field));
  }
  LEADLINE_RETURN_IF_ERROR(GetCount(&decoder, kMaxTextFields, &count));
  entry.options.text_fields.resize(count);
  for (std::string& field : entry.options.text_fields) {
    LEADLINE_RETURN_IF_ERROR(GetText(&decoder, &field));
  }
  LEADLINE_RETURN_IF_ERROR(GetText(&decoder, &entry.options.embedder));
  LEADLINE_RETURN_IF_ERROR(GetText(&decoder, &entry.options.language));
  LEADLINE_RETURN_IF_ERROR(GetText(&decoder, &entry.embedder_version));
  LEADLINE_RETURN_IF_ERROR(decoder.ExpectEnd());
  return entry;
}

std::string EncodeNextIds(const NextIds& next) {
  std::string bytes;
  PutFixed32(&bytes, next.collection);
  PutFixed64(&bytes, next.segment);
  return bytes;
}

Result<NextIds> DecodeNextIds(std::string_view bytes) {
  NextIds next;
  Decoder decoder(bytes);
  LEADLINE_RETURN_IF_ERROR(decoder.GetFixed32(&next.collection));
  LEADLINE_RETURN_IF_ERROR(decoder.GetFixed64(&next.segment));
  LEADLINE_RETURN_IF_ERROR(decoder.ExpectEnd());
  return next;
}

std::string EncodeCounters(const Counters& counters) {
  std::string bytes;
  PutFixed64(&bytes, counters.next_ordinal);
  PutFixed64(&bytes, counters.live_rows);
  PutFixed64(&bytes, counters.sealed_ordinal);
  return bytes;
}

Result<Counters> DecodeCounters(std::string_view bytes) {
  Counters counters;
  Decoder decoder(bytes);
  LEADLINE_RETURN_IF_ERROR(decoder.GetFixed64(&counters.next_ordinal));
  LEADLINE_RETURN_IF_ERROR(decoder.GetFixed64(&counters.live_rows));
  LEADLINE_RETURN_IF_ERROR(decoder.GetFixed64(&counters.sealed_ordinal));
  LEADLINE_RETURN_IF_ERROR(decoder.ExpectEnd());
  return counters;
}

std::string EncodeGroupEntry(const GroupEntry& entry) {
  std::string bytes;
  PutFixed64(&bytes, entry.first_ordinal);
  PutFixed64(&bytes, entry.last_ordinal);
  PutFixed64(&bytes, entry.build_sequence);
  PutFixed64(&bytes, entry.rows);
  PutFixed32(&bytes, static_cast<uint32_t>(entry.fields.size()));
  for (const FieldSegment& field : entry.fields) {
    PutFieldSegment(&bytes, field);
  }
  return bytes;
}

Result<GroupEntry> DecodeGroupEntry(std::string_view bytes) {
  GroupEntry entry;
  Decoder decoder(bytes);
  uint32_t count = 0;
  LEADLINE_RETURN_IF_ERROR(decoder.GetFixed64(&entry.first_ordinal));
  LEADLINE_RETURN_IF_ERROR(decoder.GetFixed64(&entry.last_ordinal));
  LEADLINE_RETURN_IF_ERROR(decoder.GetFixed64(&entry.build_sequence));
  LEADLINE_RETURN_IF_ERROR(decoder.GetFixed64(&entry.rows));
  LEADLINE_RETURN_IF_ERROR(GetCount(&decoder, kMaxVectorFields, &count));
  entry.fields.resize(count);
  LEADLINE_RETURN_IF_ERROR(
      CheckStoredRange("first_ordinal", entry.first_ordinal, 1, UINT64_MAX - 1));
  LEADLINE_RETURN_IF_ERROR(
      CheckStoredRange("last_ordinal", entry.last_ordinal, entry.first_ordinal, UINT64_MAX - 1));
  const uint64_t width = entry.last_ordinal - entry.first_ordinal + 1;
  LEADLINE_RETURN_IF_ERROR(CheckStoredRange("rows", entry.rows, 0, width));
  for (FieldSegment& field : entry.fields) {
    LEADLINE_RETURN_IF_ERROR(GetFieldSegment(&decoder, &field));
    LEADLINE_RETURN_IF_ERROR(CheckStoredRange("rows of a field", field.info.rows, 0, entry.rows));
  }
  LEADLINE_RETURN_IF_ERROR(decoder.ExpectEnd());
  return entry;
}

std::string SegmentFileName(uint64_t segment_id) {
  char name[32];
  std::snprintf(name, sizeof name, "%016llx.seg", static_cast<unsigned long long>(segment_id));
  return name;
}

}  // namespace leadline::engine
