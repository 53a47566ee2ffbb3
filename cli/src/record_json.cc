#include "record_json.h"

#include "leadline/eval/shortest_double.h"

namespace leadline::cli {

Json VectorJson(const std::vector<float>& vector) {
  Json array = Json::array();
  for (const float value : vector) {
    array.push_back(eval::ShortestDouble(value));
  }
  return array;
}

std::string VectorsText(const Record& record) {
  if (record.named_vectors.empty()) {
    return JsonText(VectorJson(record.vector));
  }
  Json all;
  if (!record.vector.empty()) {
    all["vector"] = VectorJson(record.vector);
  }
  for (const NamedVector& named : record.named_vectors) {
    all[named.name] = VectorJson(named.values);
  }
  return JsonText(all);
}

Json RecordJson(const Record& record, bool with_vectors) {
  Json object;
  object["id"] = record.id;
  if (with_vectors) {
    if (!record.vector.empty()) {
      object["vector"] = VectorJson(record.vector);
    }
    for (const NamedVector& named : record.named_vectors) {
      object["vectors"][named.name] = VectorJson(named.values);
    }
  }
  object["payload"] = PayloadJson(record.payload);
  if (record.expires_at_ms) {
    object["expires_at_ms"] = *record.expires_at_ms;
  }
  return object;
}

}  // namespace leadline::cli
