#include "leadline/rpc/record_wire.h"

#include <bit>
#include <cstring>

#include "leadline/core/coding.h"

namespace leadline::rpc {
namespace {

Status NotWhole(std::string_view field, std::string_view form, size_t bytes, size_t unit) {
  return InvalidFieldError("not a whole number of values", std::string(field) + std::string(form),
                           std::to_string(bytes) + " bytes",
                           "a multiple of " + std::to_string(unit));
}

void AppendBf16(std::string_view bytes, std::vector<float>* out) {
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) {
    uint16_t upper = 0;
    std::memcpy(&upper, bytes.data() + i, sizeof upper);
    out->push_back(std::bit_cast<float>(static_cast<uint32_t>(upper) << 16));
  }
}

std::string AsBytes(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

}  // namespace

Status ReadVector(const VectorForms& forms, std::string_view field, std::vector<float>* out) {
  const int given =
      (forms.values.empty() ? 0 : 1) + (forms.f32.empty() ? 0 : 1) + (forms.bf16.empty() ? 0 : 1);
  if (given > 1) {
    return InvalidFieldError("vector given in several forms", field,
                             std::to_string(given) + " forms", "1");
  }
  if (forms.f32.size() % sizeof(float) != 0) {
    return NotWhole(field, "_f32", forms.f32.size(), sizeof(float));
  }
  if (forms.bf16.size() % sizeof(uint16_t) != 0) {
    return NotWhole(field, "_bf16", forms.bf16.size(), sizeof(uint16_t));
  }
  out->assign(forms.values.begin(), forms.values.end());
  if (!forms.f32.empty()) {
    out->resize(forms.f32.size() / sizeof(float));
    std::memcpy(out->data(), forms.f32.data(), forms.f32.size());
  }
  AppendBf16(forms.bf16, out);
  return {};
}

Status ReadRecord(const v1::Record& in, std::string_view where, Record* out) {
  const std::string prefix(where);
  out->id = in.id();
  LEADLINE_RETURN_IF_ERROR(ReadVector({in.vector(), in.vector_f32(), in.vector_bf16()},
                                      prefix + "vector", &out->vector));
  out->named_vectors.clear();
  for (const auto& [name, vector] : in.vectors()) {
    NamedVector named{name, {}};
    std::string field = prefix;
    field.append("vectors[").append(name).append("]");
    LEADLINE_RETURN_IF_ERROR(
        ReadVector({vector.values(), vector.f32(), vector.bf16()}, field, &named.values));
    out->named_vectors.push_back(std::move(named));
  }
  out->payload = in.payload();
  out->expires_at_ms =
      in.has_expires_at_ms() ? std::optional<int64_t>(in.expires_at_ms()) : std::nullopt;
  return {};
}

void WriteRecord(Record record, VectorAs form, v1::Record* out) {
  out->set_id(std::move(record.id));
  if (form == VectorAs::kBytes) {
    out->set_vector_f32(AsBytes(record.vector));
  } else {
    out->mutable_vector()->Add(record.vector.begin(), record.vector.end());
  }
  for (const NamedVector& named : record.named_vectors) {
    v1::Vector& vector = (*out->mutable_vectors())[named.name];
    if (form == VectorAs::kBytes) {
      vector.set_f32(AsBytes(named.values));
    } else {
      vector.mutable_values()->Add(named.values.begin(), named.values.end());
    }
  }
  out->set_payload(std::move(record.payload));
  if (record.expires_at_ms) {
    out->set_expires_at_ms(*record.expires_at_ms);
  }
}

Status ReadChanges(const google::protobuf::RepeatedPtrField<v1::Change>& changes,
                   WriteBatch* batch) {
  for (int i = 0; i < changes.size(); ++i) {
    const v1::Change& change = changes[i];
    const std::string where = "changes[" + std::to_string(i) + "]";
    switch (change.change_case()) {
      case v1::Change::kUpsert: {
        Record record;
        LEADLINE_RETURN_IF_ERROR(ReadRecord(change.upsert(), where + ".upsert.", &record));
        batch->Upsert(std::move(record));
        break;
      }
      case v1::Change::kPatch:
        batch->PatchPayload(change.patch().id(), change.patch().patch());
        break;
      case v1::Change::kDeleteId:
        batch->Delete(change.delete_id());
        break;
      case v1::Change::CHANGE_NOT_SET:
        return InvalidFieldError("empty change", where, "none",
                                 "one of upsert, patch and delete_id");
    }
  }
  return {};
}

void WriteChanges(const WriteBatch& batch,
                  google::protobuf::RepeatedPtrField<v1::Change>* changes) {
  for (const WriteBatch::Op& op : batch.ops()) {
    v1::Change* change = changes->Add();
    switch (op.kind) {
      case WriteBatch::Kind::kUpsert:
        WriteRecord(op.record, VectorAs::kBytes, change->mutable_upsert());
        break;
      case WriteBatch::Kind::kPatch:
        change->mutable_patch()->set_id(op.record.id);
        change->mutable_patch()->set_patch(op.record.payload);
        break;
      case WriteBatch::Kind::kDelete:
        change->set_delete_id(op.record.id);
        break;
    }
  }
}

void WriteResultTo(const WriteResult& result, v1::WriteResponse* out) {
  out->set_sequence(result.sequence);
  out->set_count(result.upserted + result.patched + result.deleted);
  out->set_upserted(result.upserted);
  out->set_patched(result.patched);
  out->set_deleted(result.deleted);
}

WriteResult ReadWriteResult(const v1::WriteResponse& response) {
  return {response.sequence(), response.upserted(), response.patched(), response.deleted()};
}

}  // namespace leadline::rpc
