#include <string>

#include "leadline/eval/runner.h"

namespace leadline::eval {
namespace {

std::string YesNo(bool value) {
  return value ? "yes" : "no";
}

std::string Joined(const std::vector<std::string>& words) {
  std::string joined;
  for (const std::string& word : words) {
    joined += (joined.empty() ? "" : ",") + word;
  }
  return joined;
}

std::string FieldText(const VectorField& field) {
  return field.name + " dim=" + std::to_string(field.dim) +
         " metric=" + std::string(MetricName(field.metric)) +
         " index=" + std::string(IndexKindName(field.index)) +
         " codes=" + std::string(CodeTypeName(field.codes)) + " M=" + std::to_string(field.m) +
         " ef_construction=" + std::to_string(field.ef_construction) +
         " nlist=" + std::to_string(field.nlist);
}

}  // namespace

std::vector<std::pair<std::string, std::string>> PinList(const RunPins& pins) {
  std::vector<std::pair<std::string, std::string>> list = {
      {"leadline_version", pins.leadline_version},
      {"simd", pins.simd},
      {"collection", pins.collection},
      {"sequence", std::to_string(pins.sequence)},
      {"rows", std::to_string(pins.rows)},
      {"index_build", pins.index_build},
  };
  for (const VectorField& field : pins.options.vectors) {
    list.emplace_back("vector", FieldText(field));
  }
  list.insert(list.end(),
              {{"text_fields", Joined(pins.options.text_fields)},
               {"embedder", pins.options.embedder},
               {"embedder_version", pins.embedder_version},
               {"language", pins.options.language},
               {"mode", pins.mode},
               {"vector_field", pins.vector_field},
               {"k", std::to_string(pins.k)},
               {"exact", YesNo(pins.exact)},
               {"ef_search", std::to_string(pins.ef_search)},
               {"nprobe", std::to_string(pins.nprobe)},
               {"rescore", std::to_string(pins.rescore)},
               {"target_recall", pins.target_recall ? std::to_string(*pins.target_recall) : ""},
               {"filter", pins.filter},
               {"document_key", pins.document_key},
               {"queries", std::to_string(pins.queries)},
               {"query_hash", std::to_string(pins.query_hash)},
               {"seed", std::to_string(pins.seed)}});
  return list;
}

RankedRun ToRankedRun(const RunResult& result) {
  const double sign = HigherIsBetter(result.metric) ? 1 : -1;
  RankedRun run;
  run.tag = "leadline-" + result.hash;
  for (const QueryOutcome& query : result.queries) {
    if (query.hits.empty()) {
      continue;
    }
    RankedQuery& ranked = run.queries.emplace_back();
    ranked.id = query.id;
    ranked.docs.reserve(query.hits.size());
    for (const RunHit& hit : query.hits) {
      ranked.docs.push_back({hit.id, sign * hit.score + 0.0});  // never -0
    }
  }
  return run;
}

}  // namespace leadline::eval
