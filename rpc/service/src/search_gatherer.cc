#include "search_gatherer.h"

#include <algorithm>
#include <exception>
#include <optional>
#include <utility>

#include "leadline/rpc/call_record.h"
#include "leadline/rpc/search_wire.h"

namespace leadline::rpc {
namespace {

/// What the work of this thread gathers.
struct OpenGathering {
  const SearchGatherer* gatherer = nullptr;
  std::vector<GatherableCall>* calls = nullptr;
};

thread_local OpenGathering open_gathering;

/// Opens a gathering on this thread until it ends.
class GatheringScope {
 public:
  explicit GatheringScope(const OpenGathering& opened)
      : outer_(std::exchange(open_gathering, opened)) {}

  GatheringScope(const GatheringScope&) = delete;
  GatheringScope& operator=(const GatheringScope&) = delete;

  ~GatheringScope() { open_gathering = outer_; }

 private:
  const OpenGathering outer_;
};

/// Cancelled, or late.
bool IsOver(const GatherableCall& call) {
  return (call.context.cancel != nullptr && call.context.cancel->cancelled()) ||
         !call.context.TimeoutMs().ok();
}

/// Moves those that are like the first behind it; says how many they are with it.
size_t BringTogether(std::span<GatherableCall> calls) {
  size_t alike = 1;
  for (size_t i = 1; i < calls.size(); ++i) {
    if (calls[i].search.likeness == calls[0].search.likeness) {
      std::swap(calls[alike++], calls[i]);
    }
  }
  return alike;
}

/// Of all of `calls`: no deadline and no token of one ends the others.
Result<std::vector<SearchResponse>> SearchTogether(std::span<const GatherableCall> calls) {
  LEADLINE_ASSIGN_OR_RETURN(SearchOptions options, ReadSearchOptions(*calls[0].options));
  options.as_single = true;
  std::vector<float> matrix;
  std::vector<const CancelToken*> tokens;
  bool ends = true;
  bool cancellable = true;
  for (const GatherableCall& call : calls) {
    const std::vector<float>& vector = call.search.vector;
    matrix.insert(matrix.end(), vector.begin(), vector.end());
    LEADLINE_ASSIGN_OR_RETURN(const int64_t timeout_ms, call.context.TimeoutMs());
    ends = ends && timeout_ms > 0;
    options.timeout_ms = std::max(options.timeout_ms, timeout_ms);
    cancellable = cancellable && call.context.cancel != nullptr;
    tokens.push_back(call.context.cancel);
  }
  const CancelToken all_left(cancellable ? std::move(tokens) : std::vector<const CancelToken*>());
  options.cancel = &all_left;
  options.timeout_ms = ends ? options.timeout_ms : 0;
  return calls[0].search.collection->SearchBatch(
      {matrix.data(), calls.size(), calls[0].search.vector.size()}, options);
}

}  // namespace

void SearchGatherer::Answer(GatherableCall call) {
  call.context.record->submitted_nanos = call.context.record->began_nanos;
  if (open_gathering.gatherer == this) {
    std::vector<GatherableCall>& calls = *open_gathering.calls;
    if (calls.size() < calls.capacity()) {
      calls.push_back(std::move(call));
    } else {
      call.answer_alone();
    }
    return;
  }
  std::vector<GatherableCall> calls;
  try {
    calls.reserve(kMaxTogether);
  } catch (const std::bad_alloc&) {
    call.answer_alone();
    return;
  }
  calls.push_back(std::move(call));
  Gather(&calls);
  AnswerAll(calls);
}

void SearchGatherer::Gather(std::vector<GatherableCall>* calls) {
  const GatheringScope scope({this, calls});
  const int64_t end_nanos = clock_->MonotonicNanos() + max_nanos_;
  while (calls->size() < kMaxTogether && clock_->MonotonicNanos() < end_nanos) {
    const std::function<void()> next = lane_->TakeAlong();
    if (!next) {
      return;
    }
    next();
  }
}

void SearchGatherer::AnswerAll(std::span<GatherableCall> calls) {
  while (!calls.empty()) {
    const std::span<GatherableCall> alike = calls.first(BringTogether(calls));
    const auto over = std::partition(alike.begin(), alike.end(),
                                     [](const GatherableCall& call) { return !IsOver(call); });
    const auto together = static_cast<size_t>(over - alike.begin());
    const int64_t now = clock_->MonotonicNanos();
    for (const GatherableCall& call : alike) {
      CallRecord* const record = call.context.record;
      record->began_nanos = now;
      record->queue_nanos += now - record->submitted_nanos;
    }
    const bool answered = together > 1 && AnswerTogether(alike.first(together));
    for (const GatherableCall& call : alike.subspan(answered ? together : 0)) {
      call.answer_alone();
    }
    calls = calls.subspan(alike.size());
  }
}

bool SearchGatherer::AnswerTogether(std::span<GatherableCall> calls) {
  std::optional<std::vector<SearchResponse>> found;
  try {
    Result<std::vector<SearchResponse>> searched = SearchTogether(calls);
    if (searched.ok()) {
      found = *std::move(searched);
    }
  } catch (const std::exception&) {
    found.reset();  // each call finds out by itself
  }
  if (!found || found->size() != calls.size()) {
    return false;
  }
  metrics_->Gathered(calls.size());
  for (size_t i = 0; i < calls.size(); ++i) {
    const GatherableCall& call = calls[i];
    if (IsOver(call)) {
      call.answer_alone();  // which says so
      continue;
    }
    WriteSearchResponse(std::move((*found)[i]), call.response);
    CallRecord* const record = call.context.record;
    const int64_t now = clock_->MonotonicNanos();
    record->work_nanos += now - record->began_nanos;
    record->began_nanos = now;
    call.answered(OkStatus());
  }
  return true;
}

}  // namespace leadline::rpc
