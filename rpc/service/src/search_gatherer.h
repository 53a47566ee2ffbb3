#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "leadline/core/clock.h"
#include "leadline/core/collection.h"
#include "leadline/core/status.h"
#include "leadline/rpc/call_context.h"
#include "leadline/rpc/lane.h"
#include "leadline/v1/search.pb.h"
#include "service_metrics.h"

namespace leadline::rpc {

/// A search that may be answered with others.
struct GatherableSearch {
  std::shared_ptr<Collection> collection;
  std::string likeness;       ///< equal for searches that differ in nothing but their vectors
  std::vector<float> vector;  ///< sound for the field that is searched
};

/// The call of one.
struct GatherableCall {
  GatherableSearch search;
  const v1::SearchOptions* options = nullptr;
  CallContext context;  ///< with a record
  v1::SearchResponse* response = nullptr;
  std::function<void(const Status&)> answered;
  std::function<void()> answer_alone;  ///< as without others, `answered` included
};

/// Answers searches that wait for the same lane in batches. Whoever has a slot takes along what
/// waits behind it and is alike, and nobody waits for what has not come: a search that finds
/// nothing waiting is answered at once. No call depends on another: whatever a batch cannot answer
/// is answered alone. Thread-safe.
class SearchGatherer {
 public:
  static constexpr size_t kMaxTogether = 32;  ///< as many as the library looks for together

  /// Borrowed; outlive it. Gathers for `max_nanos` at most.
  SearchGatherer(Lane* lane, Clock* clock, int64_t max_nanos, ServiceMetrics* metrics)
      : lane_(lane), clock_(clock), max_nanos_(max_nanos), metrics_(metrics) {}

  SearchGatherer(const SearchGatherer&) = delete;
  SearchGatherer& operator=(const SearchGatherer&) = delete;

  /// For work that was given to Lane::SubmitAlong, as the last that it does: answers `call`, here
  /// and now or, where this work is taken along by other such work, when that has gathered. The
  /// request and what else the call borrows must live until it is answered.
  void Answer(GatherableCall call);

 private:
  /// Runs what may go along, each of which adds itself to `calls`.
  void Gather(std::vector<GatherableCall>* calls);
  void AnswerAll(std::span<GatherableCall> calls);
  /// Calls that are alike. False where it answered none of them.
  bool AnswerTogether(std::span<GatherableCall> calls);

  Lane* const lane_;
  Clock* const clock_;
  const int64_t max_nanos_;
  ServiceMetrics* const metrics_;
};

}  // namespace leadline::rpc
