#include "collection_json.h"

namespace leadline::cli {

Json VectorFieldJson(const VectorField& field) {
  Json object;
  object["name"] = field.name;
  object["dim"] = field.dim;
  object["metric"] = MetricName(field.metric);
  object["index"] = IndexKindName(field.index);
  object["codes"] = CodeTypeName(field.codes);
  object["M"] = field.m;
  object["ef_construction"] = field.ef_construction;
  object["nlist"] = field.nlist;
  return object;
}

Json CollectionJson(const std::string& name, const CollectionOptions& options) {
  Json object;
  object["name"] = name;
  object["vectors"] = Json::array();
  for (const VectorField& field : options.vectors) {
    object["vectors"].push_back(VectorFieldJson(field));
  }
  object["text_fields"] = options.text_fields;
  object["embedder"] = options.embedder;
  object["language"] = options.language;
  return object;
}

}  // namespace leadline::cli
