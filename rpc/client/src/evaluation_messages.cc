#include "evaluation_messages.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "leadline/rpc/error_wire.h"
#include "lease_keeper.h"

namespace leadline::rpc {
namespace {

using JudgmentList = google::protobuf::RepeatedPtrField<v1::QueryJudgments>;
using QueryList = google::protobuf::RepeatedPtrField<v1::EvaluationQuery>;

constexpr std::string_view kAllQueries = "all";

/// Numbers over 32 bits are over every limit, and so is this one.
uint32_t Narrow(uint64_t value) {
  return static_cast<uint32_t>(std::min<uint64_t>(value, UINT32_MAX));
}

void WriteJudgments(const eval::Qrels& qrels, JudgmentList* out) {
  for (const eval::JudgedQuery& query : qrels.queries) {
    v1::QueryJudgments* const judged = out->Add();
    judged->set_query(query.id);
    for (const eval::JudgedDoc& doc : query.docs) {
      v1::JudgedDocument* const one = judged->add_docs();
      one->set_id(doc.id);
      one->set_relevance(doc.relevance);
    }
  }
}

void WriteQueries(const std::vector<EvaluationQuery>& queries, QueryList* out) {
  for (const EvaluationQuery& query : queries) {
    v1::EvaluationQuery* const one = out->Add();
    one->set_id(query.id);
    one->set_filter(query.filter);
    if (query.vector.empty()) {
      one->set_text(query.text);
    } else {
      one->set_vector_f32(query.vector.data(), query.vector.size() * sizeof(float));
    }
  }
}

v1::TrecRules WriteRules(eval::TrecRules rules) {
  return rules == eval::TrecRules::kTrec9 ? v1::TREC_RULES_TREC9 : v1::TREC_RULES_TREC10;
}

Status Meaningless(std::string_view field) {
  return InvalidFieldError("an evaluation has no such setting", field, "given", "its default");
}

/// Refuses settings that would change the hits and that no message has.
Status CheckSearch(const SearchOptions& search) {
  if (!search.group_by.empty()) {
    return Meaningless("group_by");
  }
  if (search.min_score) {
    return Meaningless("min_score");
  }
  return search.full_scan_threshold ? Meaningless("full_scan_threshold") : OkStatus();
}

/// What both kinds of search have.
template <typename Request>
Status WriteSearch(const SearchOptions& search, Request* request) {
  LEADLINE_RETURN_IF_ERROR(CheckSearch(search));
  request->set_limit(Narrow(search.limit));
  request->set_vector_field(search.vector_field);
  if (search.filter) {
    request->set_filter(search.filter->ToString());
  }
  request->set_rescore(Narrow(search.rescore));
  LEADLINE_ASSIGN_OR_RETURN(*request->mutable_snapshot(), NameOf(search.snapshot));
  return {};
}

Result<eval::MetricValue> ReadValue(const v1::MeasureValue& value) {
  if (value.has_value()) {
    return eval::MetricValue{value.value(), eval::UndefinedReason::kDefined};
  }
  using eval::UndefinedReason;
  for (const UndefinedReason reason :
       {UndefinedReason::kNoRelevant, UndefinedReason::kNothingReturned,
        UndefinedReason::kSummaryOnly, UndefinedReason::kNoQueries}) {
    if (value.undefined() == eval::UndefinedReasonName(reason)) {
      return eval::MetricValue{0, reason};
    }
  }
  return DataLossError("a measure without value and reason: measure=" + value.measure());
}

/// The values of an answer, one after the other.
class ValueReader {
 public:
  ValueReader(const v1::ScoreResponse& response, std::span<const eval::Measure> measures,
              const eval::RankedRun& run)
      : response_(response), measures_(measures) {
    for (const eval::RankedQuery& query : run.queries) {
      returned_.insert(query.id);
    }
  }

  Result<eval::ScoreReport> Read() {
    eval::ScoreReport report;
    report.measures.assign(measures_.begin(), measures_.end());
    const int of_means = static_cast<int>(measures_.size());
    const int of_queries = response_.values_size() - of_means - kCounts;
    while (at_ < of_queries) {
      LEADLINE_ASSIGN_OR_RETURN(report.queries.emplace_back(), ReadQuery(of_queries));
    }
    for (const eval::Measure& measure : measures_) {
      LEADLINE_ASSIGN_OR_RETURN(report.means.emplace_back(), ReadMean(measure));
    }
    LEADLINE_ASSIGN_OR_RETURN(report.counts, ReadCounts());
    report.counts.queries_returned = returned_.size();
    return report;
  }

 private:
  static constexpr int kCounts = 7;

  /// The next value, where it is of this measure and query.
  const v1::MeasureValue* Take(const std::string& measure, std::string_view query, int end) {
    if (at_ >= end || response_.values(at_).measure() != measure ||
        response_.values(at_).query() != query) {
      return nullptr;
    }
    return &response_.values(at_++);
  }

  Result<eval::QueryScores> ReadQuery(int end) {
    eval::QueryScores scores;
    scores.id = response_.values(at_).query();
    scores.missing = !returned_.contains(scores.id);
    const int begin = at_;
    for (const eval::Measure& measure : measures_) {
      eval::MetricValue value{0, eval::UndefinedReason::kSummaryOnly};
      if (const v1::MeasureValue* found = Take(measure.name(), scores.id, end)) {
        LEADLINE_ASSIGN_OR_RETURN(value, ReadValue(*found));
      }
      scores.values.push_back(value);
    }
    return at_ > begin ? Result<eval::QueryScores>(std::move(scores))
                       : DataLossError("values of other measures: query=" + scores.id);
  }

  Result<eval::MeanValue> ReadMean(const eval::Measure& measure) {
    const v1::MeasureValue* const found =
        Take(measure.name(), kAllQueries, response_.values_size());
    if (found == nullptr) {
      return DataLossError("no mean of a measure: measure=" + measure.name());
    }
    LEADLINE_ASSIGN_OR_RETURN(const eval::MetricValue value, ReadValue(*found));
    return eval::MeanValue{value, found->n_used(), found->n_total()};
  }

  Result<eval::ScoreCounts> ReadCounts() {
    eval::ScoreCounts counts;
    const std::pair<const char*, size_t*> list[kCounts] = {
        {"queries_judged", &counts.queries_judged},
        {"queries_evaluated", &counts.queries_evaluated},
        {"queries_missing", &counts.queries_missing},
        {"queries_extra", &counts.queries_extra},
        {"queries_without_relevant", &counts.queries_without_relevant},
        {"docs_returned", &counts.docs_returned},
        {"docs_unjudged", &counts.docs_unjudged}};
    for (const auto& [name, count] : list) {
      const v1::MeasureValue* const found = Take(name, kAllQueries, response_.values_size());
      if (found == nullptr) {
        return DataLossError(std::string("no count: name=") + name);
      }
      *count = static_cast<size_t>(found->value());
    }
    return counts;
  }

  const v1::ScoreResponse& response_;
  const std::span<const eval::Measure> measures_;
  std::unordered_set<std::string> returned_;
  int at_ = 0;
};

}  // namespace

v1::ScoreRequest WriteScoreRequest(const eval::RankedRun& run, const eval::Qrels& qrels,
                                   std::span<const eval::Measure> measures,
                                   const eval::ScoreOptions& options) {
  v1::ScoreRequest request;
  WriteJudgments(qrels, request.mutable_judgments());
  for (const eval::RankedQuery& query : run.queries) {
    v1::QueryResults* const results = request.add_run();
    results->set_query(query.id);
    for (const eval::ScoredDoc& doc : query.docs) {
      v1::ScoredDocument* const one = results->add_docs();
      one->set_id(doc.id);
      one->set_score(doc.score);
    }
  }
  for (const eval::Measure& measure : measures) {
    request.add_measures(measure.name());
  }
  request.set_rules(WriteRules(options.rules));
  request.set_only_returned(options.queries == eval::QuerySet::kOnlyReturned);
  request.set_relevance_level(static_cast<uint32_t>(std::max(0, options.relevance_level)));
  request.set_depth(Narrow(options.max_docs));
  request.set_judged_only(options.judged_only);
  request.set_exclude_without_relevant(options.exclude_without_relevant);
  request.set_per_query(true);
  return request;
}

Result<eval::ScoreReport> ReadScoreResponse(const v1::ScoreResponse& response,
                                            std::span<const eval::Measure> measures,
                                            const eval::RankedRun& run) {
  return ValueReader(response, measures, run).Read();
}

Result<v1::StartRunRequest> WriteRunRequest(const RunEvaluation& run) {
  v1::StartRunRequest request;
  LEADLINE_RETURN_IF_ERROR(WriteSearch(run.search, &request));
  request.set_exact(run.search.exact);
  request.set_ef_search(Narrow(run.search.ef_search));
  request.set_nprobe(Narrow(run.search.nprobe));
  if (run.search.target_recall) {
    request.set_target_recall(*run.search.target_recall);
  }
  WriteQueries(run.queries, request.mutable_queries());
  WriteJudgments(run.judgments, request.mutable_judgments());
  request.mutable_measures()->Add(run.measures.begin(), run.measures.end());
  request.set_rules(WriteRules(run.rules));
  request.set_document_key(run.document_key);
  request.set_all_queries(run.all_queries);
  request.set_batch(Narrow(run.batch));
  request.set_warmup(Narrow(run.warmup));
  request.set_seed(run.seed);
  request.set_per_query(run.per_query);
  return request;
}

Result<v1::StartAnnRequest> WriteAnnRequest(const AnnEvaluation& ann) {
  v1::StartAnnRequest request;
  LEADLINE_RETURN_IF_ERROR(WriteSearch(ann.search, &request));
  WriteQueries(ann.queries, request.mutable_queries());
  for (const size_t value : ann.ef_search) {
    request.add_sweep()->set_ef_search(Narrow(value));
  }
  for (const size_t value : ann.nprobe) {
    request.add_sweep()->set_nprobe(Narrow(value));
  }
  return request;
}

Result<v1::StartGroundRequest> WriteGroundRequest(const GroundEvaluation& ground) {
  if (!ground.labels.empty() && ground.labels.size() != ground.responses.size()) {
    return InvalidFieldError("not a label for each response", "labels",
                             std::to_string(ground.labels.size()),
                             "0 or " + std::to_string(ground.responses.size()));
  }
  v1::StartGroundRequest request;
  request.set_tier(ground.options.tier < 0 ? UINT32_MAX
                                           : static_cast<uint32_t>(ground.options.tier));
  for (size_t i = 0; i < ground.responses.size(); ++i) {
    const GroundInput& response = ground.responses[i];
    v1::GroundText* const text = request.add_responses();
    text->set_id(response.id);
    text->set_response(response.response);
    text->mutable_contexts()->Add(response.contexts.begin(), response.contexts.end());
    text->set_question(response.question);
    if (!ground.labels.empty() && ground.labels[i]) {
      text->set_label(*ground.labels[i]);
    }
  }
  return request;
}

Result<EvaluationJob> ReadJob(const v1::Job& job) {
  if (job.kind() < v1::JOB_KIND_RUN || job.kind() > v1::JOB_KIND_GROUND ||
      job.state() < v1::JOB_STATE_WAITING || job.state() > v1::JOB_STATE_CANCELLED) {
    return DataLossError("answer with an unknown kind or state of a job: kind=" +
                         std::to_string(job.kind()) + " state=" + std::to_string(job.state()));
  }
  EvaluationJob read;
  read.name = job.job();
  read.kind = static_cast<EvaluationKind>(job.kind());
  read.collection = job.collection();
  read.state = static_cast<EvaluationState>(job.state());
  read.step = job.step();
  read.done = job.done();
  read.total = job.total();
  if (job.has_error()) {
    const Status error = ReadError(job.error());
    read.error_code = error.code();
    read.error = error.message();
  }
  read.warnings.assign(job.warnings().begin(), job.warnings().end());
  read.lines = job.lines();
  read.created_unix_ms = job.created_unix_ms();
  if (job.has_expires_in_ms()) {
    read.expires_in_ms = job.expires_in_ms();
  }
  return read;
}

}  // namespace leadline::rpc
