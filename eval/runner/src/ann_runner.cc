#include "leadline/eval/ann_runner.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "leadline/simd/distance.h"
#include "leadline/simd/normalize.h"

namespace leadline::eval {
namespace {

std::vector<AnnHit> HitsOf(const std::vector<RunHit>& hits) {
  std::vector<AnnHit> views;
  views.reserve(hits.size());
  for (const RunHit& hit : hits) {
    views.push_back({hit.id, hit.score});
  }
  return views;
}

/// Computes scores exactly as search does: the same kernels on the same form of the vectors.
class Scorer {
 public:
  Scorer(const VectorField& field, VectorView query)
      : metric_(field.metric),
        distance_(field.metric, field.dim),
        query_(query.begin(), query.end()) {
    usable_ = Prepare(&query_);
  }

  /// nullopt where the vector cannot be compared.
  std::optional<float> Score(std::vector<float> vector) const {
    if (!usable_ || vector.size() != query_.size() || !Prepare(&vector)) {
      return std::nullopt;
    }
    const float distance = distance_.Pair(query_.data(), vector.data());
    return HigherIsBetter(metric_) ? -distance : distance;
  }

 private:
  [[nodiscard]] bool Prepare(std::vector<float>* vector) const {
    return metric_ != Metric::kCosine ||
           simd::NormalizeToUnit(vector->data(), vector->data(), vector->size());
  }

  Metric metric_;
  simd::MetricDistance distance_;
  std::vector<float> query_;
  bool usable_ = false;
};

const std::vector<float>* VectorOf(const Record& record, const CollectionOptions& options,
                                   const std::string& field) {
  if (field.empty() || field == options.vectors.front().name) {
    return &record.vector;
  }
  for (const NamedVector& named : record.named_vectors) {
    if (named.name == field) {
      return &named.values;
    }
  }
  return nullptr;
}

/// Fills in the scores of one query's neighbours; false where one cannot be computed.
Result<bool> ScoreNeighbours(Collection& collection, const VectorField& field, VectorView query,
                             std::vector<RunHit>* neighbours) {
  std::vector<std::string> ids;
  for (const RunHit& hit : *neighbours) {
    ids.push_back(hit.id);
  }
  ReadOptions reading;
  reading.with_payload = false;
  LEADLINE_ASSIGN_OR_RETURN(const auto records, collection.Get(ids, reading));
  const Scorer scorer(field, query);
  for (size_t i = 0; i < records.size(); ++i) {
    if (!records[i]) {
      return InvalidFieldError("the truth names a record that the collection lacks", "--truth",
                               (*neighbours)[i].id, "ids of the collection");
    }
    const std::vector<float>* vector = VectorOf(*records[i], collection.options(), field.name);
    const std::optional<float> score = vector == nullptr ? std::nullopt : scorer.Score(*vector);
    if (!score) {
      return false;
    }
    (*neighbours)[i].score = *score;
  }
  return true;
}

/// As many queries as a scan compares a row with before it goes on to the next.
constexpr size_t kExactBatch = 256;

const VectorField* FindField(const CollectionOptions& options, const std::string& name) {
  for (const VectorField& field : options.vectors) {
    if (name.empty() || field.name == name) {
      return &field;
    }
  }
  return nullptr;
}

}  // namespace

Result<AnnTruth> ExactTruth(Database& database, Collection& collection,
                            std::span<const InputQuery> queries, const RunOptions& options) {
  RunOptions exact = options;
  exact.search.exact = true;
  exact.warmup = 0;
  exact.batch = kExactBatch;
  LEADLINE_ASSIGN_OR_RETURN(RunResult run, RunQueries(database, collection, queries, exact));
  AnnTruth truth;
  truth.seconds = run.wall_seconds;
  truth.neighbours.reserve(run.queries.size());
  for (QueryOutcome& query : run.queries) {
    truth.neighbours.push_back(std::move(query.hits));
  }
  return truth;
}

Status CheckTruth(const NeighborTruth& file, size_t queries, size_t k) {
  if (file.queries < queries) {
    return InvalidFieldError("the truth has fewer queries than the query file", "--truth",
                             std::to_string(file.queries), std::to_string(queries));
  }
  if (file.k < k) {
    return InvalidFieldError("the truth has fewer neighbours a query than k", "-k",
                             std::to_string(k), std::to_string(file.k));
  }
  return OkStatus();
}

Result<AnnTruth> FileTruth(Collection& collection, std::span<const InputQuery> queries,
                           const NeighborTruth& file, size_t k, uint64_t id_offset,
                           const std::string& vector_field) {
  LEADLINE_RETURN_IF_ERROR(CheckTruth(file, queries.size(), k));
  const VectorField* field = FindField(collection.options(), vector_field);
  if (field == nullptr) {
    return InvalidFieldError("no such vector field", "vector_field", vector_field,
                             "one of the collection's");
  }
  AnnTruth truth;
  for (size_t q = 0; q < queries.size(); ++q) {
    std::vector<RunHit>& neighbours = truth.neighbours.emplace_back();
    for (const int64_t row : file.row(q).first(k)) {
      if (row >= 0) {
        const std::string id = std::to_string(static_cast<uint64_t>(row) + id_offset);
        neighbours.push_back({id, 0.0F, id});
      }
    }
    if (truth.has_scores) {
      LEADLINE_ASSIGN_OR_RETURN(
          truth.has_scores, ScoreNeighbours(collection, *field, queries[q].vector, &neighbours));
    }
  }
  return truth;
}

std::string AnnSetting::name() const {
  return parameter == Parameter::kEfSearch ? "ef_search" : "nprobe";
}

Result<AnnPoint> MeasureAnn(Database& database, Collection& collection,
                            std::span<const InputQuery> queries, const AnnTruth& truth,
                            const AnnSetting& setting, const RunOptions& options) {
  RunOptions approximate = options;
  approximate.search.exact = false;
  approximate.batch = 1;  // its latency is a result
  if (setting.parameter == AnnSetting::Parameter::kEfSearch) {
    approximate.search.ef_search = setting.value;
  } else {
    approximate.search.nprobe = setting.value;
  }
  LEADLINE_ASSIGN_OR_RETURN(const RunResult run,
                            RunQueries(database, collection, queries, approximate));
  AnnRecallOptions comparing;
  comparing.k = options.search.limit;
  comparing.metric = run.metric;
  comparing.exact_has_scores = truth.has_scores;
  std::vector<AnnRecall> recalls;
  recalls.reserve(run.queries.size());
  AnnPoint point;
  for (size_t q = 0; q < run.queries.size(); ++q) {
    const QueryOutcome& query = run.queries[q];
    std::vector<AnnHit> exact = HitsOf(truth.neighbours[q]);
    if (!query.error.empty()) {
      point.failed.push_back({query.id, query.error});
      exact.clear();
    }
    Result<AnnRecall> recall = ComputeAnnRecall(exact, HitsOf(query.hits), comparing);
    if (!recall.ok()) {
      return std::move(recall).status().WithContext("query " + query.id + ", row " +
                                                    std::to_string(q + 1) + " of the truth");
    }
    recalls.push_back(*recall);
  }
  point.setting = setting;
  point.recall = SummariseAnnRecall(recalls);
  point.latency = run.latency;
  const auto searched = static_cast<double>(run.queries.size() - point.failed.size());
  point.qps = run.wall_seconds > 0 ? searched / run.wall_seconds : 0.0;
  return point;
}

}  // namespace leadline::eval
