#include "leadline/rpc/search_wire.h"

#include <algorithm>

namespace leadline::rpc {
namespace {

/// Numbers over 32 bits are over every limit, and so is this one.
uint32_t Narrow(size_t value) {
  return static_cast<uint32_t>(std::min<size_t>(value, UINT32_MAX));
}

void WritePlan(const Plan& plan, v1::Plan* out) {
  out->set_sequence(plan.sequence);
  out->set_simd(plan.simd);
  out->set_distances(plan.distances);
  for (const PlanStep& step : plan.steps) {
    v1::PlanStep* written = out->add_steps();
    written->set_source(step.source);
    written->set_strategy(step.strategy);
    written->set_rows(step.rows);
    written->set_matches(step.matches);
    written->set_distances(step.distances);
    written->set_candidates(step.candidates);
    written->set_fallback(step.fallback);
    written->set_rescored(step.rescored);
    written->set_codes(step.codes);
    written->set_ef_search(step.ef_search);
    written->set_nprobe(step.nprobe);
    if (step.promised_recall) {
      written->set_promised_recall(*step.promised_recall);
    }
    written->set_target_missed(step.target_missed);
  }
}

Plan ReadPlan(const v1::Plan& in) {
  Plan plan{in.sequence(), in.simd(), in.distances(), {}};
  for (const v1::PlanStep& step : in.steps()) {
    plan.steps.push_back({.source = step.source(),
                          .strategy = step.strategy(),
                          .codes = step.codes(),
                          .rows = step.rows(),
                          .matches = step.matches(),
                          .distances = step.distances(),
                          .rescored = step.rescored(),
                          .candidates = step.candidates(),
                          .ef_search = step.ef_search(),
                          .nprobe = step.nprobe(),
                          .promised_recall = step.has_promised_recall()
                                                 ? std::optional(step.promised_recall())
                                                 : std::nullopt,
                          .target_missed = step.target_missed(),
                          .fallback = step.fallback()});
  }
  return plan;
}

}  // namespace

Result<SearchOptions> ReadSearchOptions(const v1::SearchOptions& in) {
  SearchOptions options;
  options.limit = in.has_limit() ? in.limit() : options.limit;
  options.vector_field = in.vector_field();
  if (!in.filter().empty()) {
    LEADLINE_ASSIGN_OR_RETURN(options.filter, Filter::Parse(in.filter()));
  }
  options.exact = in.exact();
  options.ef_search = in.has_ef_search() ? in.ef_search() : options.ef_search;
  options.nprobe = in.nprobe();
  options.rescore = in.rescore();
  if (in.has_full_scan_threshold()) {
    options.full_scan_threshold = in.full_scan_threshold();
  }
  options.group_by = in.group_by();
  if (in.has_min_score()) {
    options.min_score = in.min_score();
  }
  options.with_payload = !in.has_with_payload() || in.with_payload();
  options.fields.assign(in.fields().begin(), in.fields().end());
  options.with_vectors = in.with_vectors();
  options.explain = in.explain();
  options.as_single = in.as_single();
  if (in.has_target_recall()) {
    options.target_recall = in.target_recall();
  }
  return options;
}

void WriteSearchOptions(const SearchOptions& options, v1::SearchOptions* out) {
  out->set_limit(Narrow(options.limit));
  out->set_vector_field(options.vector_field);
  if (options.filter) {
    out->set_filter(options.filter->ToString());
  }
  out->set_exact(options.exact);
  if (options.ef_search != 0) {
    out->set_ef_search(Narrow(options.ef_search));
  }
  out->set_nprobe(Narrow(options.nprobe));
  out->set_rescore(Narrow(options.rescore));
  if (options.full_scan_threshold) {
    out->set_full_scan_threshold(*options.full_scan_threshold);
  }
  out->set_group_by(options.group_by);
  if (options.min_score) {
    out->set_min_score(*options.min_score);
  }
  out->set_with_payload(options.with_payload);
  for (const std::string& field : options.fields) {
    out->add_fields(field);
  }
  out->set_with_vectors(options.with_vectors);
  out->set_explain(options.explain);
  out->set_as_single(options.as_single);
  if (options.target_recall) {
    out->set_target_recall(*options.target_recall);
  }
}

void WriteSearchResponse(SearchResponse response, v1::SearchResponse* out) {
  out->mutable_hits()->Reserve(static_cast<int>(response.hits.size()));
  for (Hit& hit : response.hits) {
    v1::Hit* written = out->add_hits();
    written->set_id(std::move(hit.id));
    written->set_score(hit.score);
    if (!hit.payload.empty()) {  // an empty one would be memory of its own, and says nothing
      written->set_payload(std::move(hit.payload));
    }
    written->mutable_vector()->Add(hit.vector.begin(), hit.vector.end());
  }
  out->set_metric(static_cast<v1::Metric>(response.metric));
  out->set_higher_is_better(response.higher_is_better);
  out->set_took_us(response.took_us);
  out->set_degraded(response.degraded);
  if (response.plan) {
    WritePlan(*response.plan, out->mutable_plan());
  }
}

Result<SearchResponse> ReadSearchResponse(const v1::SearchResponse& in) {
  SearchResponse response;
  response.hits.reserve(static_cast<size_t>(in.hits_size()));
  for (const v1::Hit& hit : in.hits()) {
    response.hits.push_back(
        {hit.id(), hit.score(), hit.payload(), {hit.vector().begin(), hit.vector().end()}});
  }
  if (in.metric() == v1::METRIC_UNSPECIFIED || !v1::Metric_IsValid(in.metric())) {
    return DataLossError("answer with an unknown metric " + std::to_string(in.metric()));
  }
  response.metric = static_cast<Metric>(in.metric());
  response.higher_is_better = in.higher_is_better();
  response.took_us = in.took_us();
  response.degraded = in.degraded();
  if (in.has_plan()) {
    response.plan = ReadPlan(in.plan());
  }
  return response;
}

}  // namespace leadline::rpc
