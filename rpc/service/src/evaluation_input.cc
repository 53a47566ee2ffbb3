#include "evaluation_input.h"

#include <unordered_set>
#include <utility>

#include "leadline/rpc/record_wire.h"

namespace leadline::rpc {
namespace {

std::string ItemName(std::string_view list, size_t index) {
  return std::string(list) + "[" + std::to_string(index) + "]";
}

/// Refuses ids that occur twice.
class OwnIds {
 public:
  explicit OwnIds(std::string_view list) : list_(list) {}

  Status Add(const std::string& id, size_t index) {
    return seen_.insert(id).second
               ? OkStatus()
               : InvalidFieldError("id given twice", ItemName(list_, index) + ".id",
                                   id.substr(0, 64), "once");
  }

 private:
  const std::string list_;
  std::unordered_set<std::string> seen_;
};

Status CheckContexts(const v1::GroundText& text, size_t index) {
  size_t bytes = 0;
  for (const std::string& context : text.contexts()) {
    bytes += context.size();
  }
  return bytes <= kMaxGroundContextBytes
             ? OkStatus()
             : InvalidFieldError("contexts are too large",
                                 ItemName("responses", index) + ".contexts",
                                 std::to_string(bytes) + " bytes together",
                                 std::to_string(kMaxGroundContextBytes));
}

}  // namespace

Result<eval::Qrels> ReadJudgments(const JudgmentList& judgments) {
  if (judgments.empty()) {
    return InvalidFieldError("no judgments", "judgments", "0 queries", "at least 1");
  }
  eval::Qrels qrels;
  qrels.queries.reserve(static_cast<size_t>(judgments.size()));
  for (const v1::QueryJudgments& judged : judgments) {
    eval::JudgedQuery& query = qrels.queries.emplace_back();
    query.id = judged.query();
    query.docs.reserve(static_cast<size_t>(judged.docs_size()));
    for (const v1::JudgedDocument& doc : judged.docs()) {
      query.docs.push_back({doc.id(), static_cast<int32_t>(doc.relevance())});
    }
  }
  return qrels;
}

eval::RankedRun ReadResults(const ResultList& run) {
  eval::RankedRun ranked;
  ranked.queries.reserve(static_cast<size_t>(run.size()));
  for (const v1::QueryResults& results : run) {
    eval::RankedQuery& query = ranked.queries.emplace_back();
    query.id = results.query();
    query.docs.reserve(static_cast<size_t>(results.docs_size()));
    for (const v1::ScoredDocument& doc : results.docs()) {
      query.docs.push_back({doc.id(), doc.score()});
    }
  }
  return ranked;
}

Result<std::vector<eval::InputQuery>> ReadQueries(const QueryList& queries) {
  if (queries.empty()) {
    return InvalidFieldError("no queries", "queries", "0", "at least 1");
  }
  std::vector<eval::InputQuery> inputs;
  inputs.reserve(static_cast<size_t>(queries.size()));
  OwnIds ids("queries");
  for (const v1::EvaluationQuery& query : queries) {
    const size_t index = inputs.size();
    LEADLINE_RETURN_IF_ERROR(ids.Add(query.id(), index));
    eval::InputQuery& input = inputs.emplace_back();
    input.id = query.id();
    input.row = index + 1;
    input.text = query.text();
    input.filter = query.filter();
    LEADLINE_RETURN_IF_ERROR(ReadVector({query.vector(), query.vector_f32(), query.vector_bf16()},
                                        ItemName("queries", index) + ".vector", &input.vector));
    if (input.vector.empty() && !query.has_text()) {
      return InvalidFieldError("query without vector and text", ItemName("queries", index), "",
                               "vector or text");
    }
  }
  return inputs;
}

Result<std::vector<eval::Measure>> ReadMeasures(const MeasureNames& names,
                                                const std::vector<std::string>& fallback) {
  const std::vector<std::string> given(names.begin(), names.end());
  return eval::ParseMeasures(given.empty() ? fallback : given);
}

eval::TrecRules ReadRules(v1::TrecRules rules) {
  return rules == v1::TREC_RULES_TREC9 ? eval::TrecRules::kTrec9 : eval::TrecRules::kTrec10;
}

Result<VectorField> ReadSearchedField(const CollectionOptions& options, const std::string& name) {
  for (const VectorField& field : options.vectors) {
    if (name.empty() || field.name == name) {
      return field;
    }
  }
  return InvalidFieldError("unknown vector field", "vector_field", name.substr(0, 64),
                           "a field of the collection");
}

Result<std::vector<eval::AnnSetting>> ReadSweep(const v1::StartAnnRequest& request) {
  using Parameter = eval::AnnSetting::Parameter;
  std::vector<eval::AnnSetting> sweep;
  for (const v1::SweepSetting& setting : request.sweep()) {
    if (setting.has_ef_search() == setting.has_nprobe()) {
      return InvalidFieldError("no setting, or two", ItemName("sweep", sweep.size()),
                               setting.has_nprobe() ? "both" : "none", "ef_search or nprobe");
    }
    sweep.push_back(setting.has_nprobe()
                        ? eval::AnnSetting{Parameter::kNprobe, setting.nprobe()}
                        : eval::AnnSetting{Parameter::kEfSearch, setting.ef_search()});
  }
  return sweep;
}

Result<std::vector<GroundTask>> ReadGroundTasks(const v1::StartGroundRequest& request) {
  if (request.responses().empty()) {
    return InvalidFieldError("no responses", "responses", "0", "at least 1");
  }
  std::vector<GroundTask> tasks;
  tasks.reserve(static_cast<size_t>(request.responses_size()));
  OwnIds ids("responses");
  for (const v1::GroundText& text : request.responses()) {
    LEADLINE_RETURN_IF_ERROR(ids.Add(text.id(), tasks.size()));
    LEADLINE_RETURN_IF_ERROR(CheckContexts(text, tasks.size()));
    GroundTask& task = tasks.emplace_back();
    task.input = {text.id(),
                  text.response(),
                  {text.contexts().begin(), text.contexts().end()},
                  text.question()};
    if (text.has_label()) {
      task.grounded = text.label();
    }
  }
  return tasks;
}

}  // namespace leadline::rpc
