#include "read_view.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace leadline::engine {

Result<std::shared_ptr<const PinnedSnapshot>> PinnedSnapshot::Take(
    std::shared_ptr<DatabaseCore> core) {
  std::shared_ptr<PinnedSnapshot> pinned(new PinnedSnapshot());
  {
    MutexLock lock(&core->commit_mutex);
    pinned->sequence_ = core->sequence;
    pinned->store_ = core->store->NewSnapshot();
    for (const std::shared_ptr<CollectionState>& collection : core->Collections()) {
      pinned->states_.emplace(collection->id(), collection->Load());
    }
  }
  if (pinned->store_ == nullptr) {
    return FailedPreconditionError("store gives no snapshot: path=" + core->path);
  }
  pinned->now_ms_ = core->clock->UnixMillis();
  pinned->core_ = std::move(core);
  return std::shared_ptr<const PinnedSnapshot>(std::move(pinned));
}

std::shared_ptr<const ReadState> PinnedSnapshot::StateOf(uint32_t collection) const {
  const auto found = states_.find(collection);
  return found == states_.end() ? nullptr : found->second;
}

Result<ReadView> MakeReadView(std::shared_ptr<DatabaseCore> core,
                              std::shared_ptr<CollectionState> collection,
                              const std::shared_ptr<const Snapshot>& snapshot,
                              const std::optional<Filter>& filter) {
  ReadView view;
  view.core = std::move(core);
  view.collection = std::move(collection);
  if (snapshot != nullptr) {
    view.pinned = std::dynamic_pointer_cast<const PinnedSnapshot>(snapshot);
    if (view.pinned == nullptr || view.pinned->core()->uuid != view.core->uuid) {
      return InvalidArgumentError("snapshot belongs to another database");
    }
    view.core = view.pinned->core();
    view.state = view.pinned->StateOf(view.collection->id());
    if (view.state == nullptr) {
      return NotFoundError("collection is younger than the snapshot: name=" +
                           view.collection->entry().name);
    }
    view.visibility.sequence = view.pinned->sequence();
    view.visibility.now_ms = view.pinned->now_ms();
    view.visibility.snapshot = view.pinned->store();
  } else {
    view.state = view.collection->Load();
    view.visibility.sequence = view.state->sequence;
    view.visibility.now_ms = view.core->clock->UnixMillis();
  }
  view.visibility.filter = filter;
  return view;
}

Status PinStore(ReadView* view) {
  if (view->visibility.snapshot != nullptr) {
    return {};
  }
  view->store = view->core->store->NewSnapshot();
  if (view->store == nullptr) {
    return FailedPreconditionError("store gives no snapshot: path=" + view->core->path);
  }
  view->visibility.snapshot = view->store.get();
  return {};
}

Result<CallControl> MakeControl(Clock* clock, int64_t timeout_ms, const CancelToken* cancel) {
  constexpr int64_t kNanosPerMilli = 1'000'000;
  if (timeout_ms < 0) {
    return InvalidFieldError("value out of range", "timeout_ms", std::to_string(timeout_ms),
                             ">= 0");
  }
  CallControl control;
  control.cancel = cancel;
  control.clock = clock;
  if (timeout_ms > 0) {
    const int64_t now = clock->MonotonicNanos();
    const int64_t most = std::numeric_limits<int64_t>::max() - std::max<int64_t>(now, 0);
    if (timeout_ms <= most / kNanosPerMilli) {
      control.deadline_nanos = now + timeout_ms * kNanosPerMilli;
    }
  }
  return control;
}

}  // namespace leadline::engine
