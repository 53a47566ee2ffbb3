#include "search_call.h"

#include <algorithm>
#include <span>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "keys.h"
#include "leadline/core/filter_tree.h"
#include "leadline/core/payload_json.h"
#include "leadline/core/query_check.h"
#include "leadline/core/range_check.h"
#include "prepared_batch.h"

namespace leadline::engine {
namespace {

/// A grouped search first fetches this many rows per wanted group, then doubles.
constexpr size_t kGroupOverfetch = 4;

Status CheckPath(std::string_view field, const std::string& path) {
  Status parsed = ParseFilterPath(path).status();
  if (parsed.ok()) {
    return parsed;
  }
  return InvalidFieldError("not a path", field, path.substr(0, 64),
                           "keys joined by dots, as in a filter");
}

float ScoreOf(Metric metric, float distance) {
  if (metric == Metric::kL2) {
    return distance;
  }
  // 0 - x rather than -x: no negative zero reaches the caller.
  const float score = 0.0F - distance;
  // Vectors of unit length are so within rounding; a cosine is never past 1.
  return metric == Metric::kCosine ? std::clamp(score, -1.0F, 1.0F) : score;
}

/// Adds what one more round of a grouped search did: the work of a source sums up, unless another
/// strategy did it.
void AddRound(Plan round, Plan* total) {
  total->sequence = round.sequence;
  total->simd = std::move(round.simd);
  total->distances += round.distances;
  // Sources come in the same order in every round; parts of the tail share a name.
  std::vector<bool> summed(total->steps.size(), false);
  for (PlanStep& step : round.steps) {
    size_t i = 0;
    while (i < summed.size() && (summed[i] || total->steps[i].source != step.source ||
                                 total->steps[i].strategy != step.strategy)) {
      ++i;
    }
    if (i == summed.size()) {
      total->steps.push_back(std::move(step));
      continue;
    }
    summed[i] = true;
    total->steps[i].distances += step.distances;
    total->steps[i].rescored += step.rescored;
    total->steps[i].candidates += step.candidates;
    total->steps[i].ef_search = std::max(total->steps[i].ef_search, step.ef_search);
    total->steps[i].nprobe = std::max(total->steps[i].nprobe, step.nprobe);
    total->steps[i].fallback = total->steps[i].fallback || step.fallback;
  }
}

}  // namespace

Status SearchCall::Validate(const CollectionOptions& collection, const SearchOptions& options) {
  LEADLINE_RETURN_IF_ERROR(CheckRange("limit", options.limit, 1, kMaxTopK));
  LEADLINE_RETURN_IF_ERROR(CheckRange("ef_search", options.ef_search, 0, kMaxEfSearch));
  LEADLINE_RETURN_IF_ERROR(CheckRange("nprobe", options.nprobe, 0, kMaxNprobe));
  LEADLINE_RETURN_IF_ERROR(CheckRange("rescore", options.rescore, 0, kMaxEfSearch));
  if (options.target_recall.has_value() &&
      !(*options.target_recall >= kMinTargetRecall && *options.target_recall <= kMaxTargetRecall)) {
    return InvalidFieldError("value out of range", "target_recall",
                             std::to_string(*options.target_recall), "0.5 to 0.999");
  }
  if (options.min_score.has_value() && !(*options.min_score == *options.min_score)) {
    return InvalidFieldError("value is not a number", "min_score", "nan", "a finite number");
  }
  if (!options.group_by.empty()) {
    LEADLINE_RETURN_IF_ERROR(CheckPath("group_by", options.group_by));
  }
  for (const std::string& path : options.fields) {
    LEADLINE_RETURN_IF_ERROR(CheckPath("fields", path));
  }
  return FindField(collection, options.vector_field).status();
}

Result<std::vector<float>> SearchCall::PrepareQueries(const VectorField& field,
                                                      MatrixView queries) {
  LEADLINE_RETURN_IF_ERROR(CheckQueries(field, queries));
  std::vector<float> forms(queries.rows * queries.dim);
  for (size_t q = 0; q < queries.rows; ++q) {
    WriteSearchForm(field, queries.row(q), forms.data() + q * queries.dim);
  }
  return forms;
}

SearchSettings SearchCall::Settings() const {
  SearchSettings settings;
  settings.k = options_.limit;
  settings.ef_search = options_.ef_search;
  settings.nprobe = options_.nprobe;
  settings.rescore = options_.rescore;
  settings.target_recall = options_.target_recall;
  settings.full_scan_threshold = options_.full_scan_threshold;
  settings.exact = options_.exact;
  settings.explain = options_.explain;
  settings.share_scan = share_scan_;
  return settings;
}

bool SearchCall::Acceptable(float score, Metric metric) const {
  if (!options_.min_score.has_value()) {
    return true;
  }
  return HigherIsBetter(metric) ? score >= *options_.min_score : score <= *options_.min_score;
}

Result<std::vector<SearchResponse>> SearchCall::Run(MatrixView queries, uint32_t field) {
  LEADLINE_RETURN_IF_ERROR(control_.Check());
  Searcher searcher(view_.core.get(), *view_.collection, view_.state, field, view_.visibility,
                    control_);
  LEADLINE_RETURN_IF_ERROR(searcher.Prepare());
  if (options_.group_by.empty()) {
    return RunPlain(&searcher, queries, field);
  }
  std::vector<SearchResponse> responses;
  for (size_t q = 0; q < queries.rows; ++q) {
    LEADLINE_ASSIGN_OR_RETURN(SearchResponse response,
                              RunGrouped(&searcher, queries.row(q), field));
    responses.push_back(std::move(response));
  }
  return responses;
}

Result<std::vector<SearchResponse>> SearchCall::RunPlain(Searcher* searcher, MatrixView queries,
                                                         uint32_t field) {
  const int64_t start = view_.core->clock->MonotonicNanos();
  LEADLINE_ASSIGN_OR_RETURN(const std::vector<std::vector<Candidate>> found,
                            searcher->Run(queries, Settings()));
  std::vector<SearchResponse> responses;
  responses.reserve(queries.rows);
  for (size_t q = 0; q < queries.rows; ++q) {
    LEADLINE_ASSIGN_OR_RETURN(SearchResponse response, MakeResponse(*searcher, found[q], field));
    if (options_.explain) {
      response.plan = std::move(searcher->plans()[q]);
    }
    responses.push_back(std::move(response));
  }
  const int64_t took_us = (view_.core->clock->MonotonicNanos() - start) / 1000;
  for (SearchResponse& response : responses) {
    response.took_us = took_us / static_cast<int64_t>(queries.rows);
  }
  return responses;
}

Result<SearchResponse> SearchCall::RunGrouped(Searcher* searcher, VectorView query,
                                              uint32_t field) {
  const int64_t start = view_.core->clock->MonotonicNanos();
  SearchSettings settings = Settings();
  settings.k = std::min(options_.limit * kGroupOverfetch, kMaxTopK);
  settings.share_scan = false;  // groups take one query after the other
  GroupKeys keys;
  LEADLINE_ASSIGN_OR_RETURN(keys.path, ParseFilterPath(options_.group_by));
  Plan plan;
  while (true) {
    // Past the caps of an index only a scan can go.
    settings.exact = options_.exact || settings.k > kMaxTopK;
    if (options_.ef_search != 0) {
      settings.ef_search = std::min(std::max(options_.ef_search, settings.k), kMaxEfSearch);
    }
    LEADLINE_ASSIGN_OR_RETURN(const std::vector<std::vector<Candidate>> found,
                              searcher->Run({query.data(), 1, query.size()}, settings));
    if (options_.explain) {
      AddRound(std::move(searcher->plans()[0]), &plan);
    }
    bool complete = found[0].size() < settings.k;  // fewer rows than asked for: there are no more
    LEADLINE_ASSIGN_OR_RETURN(const std::vector<Candidate> best,
                              BestOfGroups(*searcher, found[0], field, &keys, &complete));
    if (complete) {
      LEADLINE_ASSIGN_OR_RETURN(SearchResponse response, MakeResponse(*searcher, best, field));
      if (options_.explain) {
        response.plan = std::move(plan);
      }
      response.took_us = (view_.core->clock->MonotonicNanos() - start) / 1000;
      return response;
    }
    settings.k *= 2;
  }
}

Result<std::vector<Candidate>> SearchCall::BestOfGroups(const Searcher& searcher,
                                                        const std::vector<Candidate>& found,
                                                        uint32_t field, GroupKeys* keys,
                                                        bool* complete) {
  const Metric metric = view_.collection->fields()[field].metric;
  std::unordered_set<std::string_view> groups;
  std::vector<Candidate> best;
  for (const Candidate& candidate : found) {
    if (best.size() == options_.limit || !Acceptable(ScoreOf(metric, candidate.distance), metric)) {
      *complete = true;
      break;
    }
    LEADLINE_RETURN_IF_ERROR(control_.Check());
    auto known = keys->by_ordinal.find(candidate.ordinal);
    if (known == keys->by_ordinal.end()) {
      std::string id;
      LEADLINE_ASSIGN_OR_RETURN(const std::string payload, LoadPayload(searcher, candidate, &id));
      LEADLINE_ASSIGN_OR_RETURN(std::string key, leadline::GroupKey(payload, keys->path));
      known = keys->by_ordinal.emplace(candidate.ordinal, std::move(key)).first;
    }
    if (!known->second.empty() && groups.insert(known->second).second) {
      best.push_back(candidate);
    }
  }
  *complete = *complete || best.size() == options_.limit;
  return best;
}

Result<SearchResponse> SearchCall::MakeResponse(const Searcher& searcher,
                                                const std::vector<Candidate>& found,
                                                uint32_t field) {
  SearchResponse response;
  response.metric = view_.collection->fields()[field].metric;
  response.higher_is_better = HigherIsBetter(response.metric);
  response.degraded = searcher.degraded();
  response.hits.reserve(found.size());
  searcher.PrefetchIds(found);
  for (const Candidate& candidate : found) {
    if (!Acceptable(ScoreOf(response.metric, candidate.distance), response.metric)) {
      break;
    }
    LEADLINE_RETURN_IF_ERROR(control_.Check());
    LEADLINE_ASSIGN_OR_RETURN(Hit hit, MakeHit(searcher, candidate, field));
    response.hits.push_back(std::move(hit));
  }
  return response;
}

Result<Hit> SearchCall::MakeHit(const Searcher& searcher, const Candidate& candidate,
                                uint32_t field) {
  const VectorField& vector_field = view_.collection->fields()[field];
  Hit hit;
  hit.score = ScoreOf(vector_field.metric, candidate.distance);
  hit.id = searcher.IdOf(candidate);
  if (options_.with_payload || hit.id.empty()) {
    LEADLINE_ASSIGN_OR_RETURN(std::string payload, LoadPayload(searcher, candidate, &hit.id));
    if (options_.with_payload && !options_.fields.empty()) {
      LEADLINE_ASSIGN_OR_RETURN(payload, SelectFields(payload, options_.fields));
    }
    if (options_.with_payload) {
      hit.payload = std::move(payload);
    }
  }
  if (options_.with_vectors) {
    LEADLINE_ASSIGN_OR_RETURN(
        const std::optional<std::string> bytes,
        view_.core->store->Get(kv::Table::kVectors,
                               VectorKey(view_.collection->id(), field, candidate.ordinal),
                               view_.visibility.snapshot));
    if (!bytes.has_value()) {
      return MissingPart(view_.visibility, "vector", candidate.ordinal);
    }
    LEADLINE_ASSIGN_OR_RETURN(hit.vector, DecodeVector(*bytes, vector_field.dim));
  }
  return hit;
}

Result<std::string> SearchCall::LoadPayload(const Searcher& searcher, const Candidate& candidate,
                                            std::string* id) {
  if (const std::string* payload = searcher.PayloadOf(candidate)) {
    return *payload;
  }
  LEADLINE_ASSIGN_OR_RETURN(
      const std::optional<std::string> bytes,
      view_.core->store->Get(kv::Table::kRecords,
                             OrdinalKey(view_.collection->id(), candidate.ordinal),
                             view_.visibility.snapshot));
  if (!bytes.has_value()) {
    return MissingPart(view_.visibility, "record", candidate.ordinal);
  }
  LEADLINE_ASSIGN_OR_RETURN(StoredRecord record, DecodeRecord(*bytes));
  *id = std::move(record.id);
  return std::move(record.payload);
}

}  // namespace leadline::engine
