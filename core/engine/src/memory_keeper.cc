#include "memory_keeper.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <memory>
#include <numeric>
#include <string_view>
#include <utility>

namespace leadline::engine {
namespace {

/// A section that searches use now.
struct UsedSection {
  std::shared_ptr<SealedSegment> segment;
  size_t section = 0;  ///< of KeptSections
};

void VisitSegments(DatabaseCore* core,
                   const std::function<void(const std::shared_ptr<SealedSegment>&)>& visit) {
  for (const std::shared_ptr<CollectionState>& collection : core->Collections()) {
    const std::shared_ptr<const ReadState> state = collection->Load();
    for (const auto& group : *state->groups) {
      for (const auto& segment : group->segments) {
        if (segment != nullptr) {
          visit(segment);
        }
      }
    }
  }
}

}  // namespace

MemoryUse MeasureMemory(DatabaseCore* core) {
  MemoryUse use;
  for (const std::shared_ptr<CollectionState>& collection : core->Collections()) {
    const std::shared_ptr<const ReadState> state = collection->Load();
    for (const std::shared_ptr<TailChunk>& chunk : state->tail->chunks) {
      use.heap += chunk->resident_bytes();
    }
  }
  VisitSegments(core, [&](const std::shared_ptr<SealedSegment>& segment) {
    const KeptSections& kept = segment->kept();
    use.heap += segment->heap_bytes();
    use.kept += kept.kept_bytes();
    use.locked += kept.locked_bytes();
    for (const std::string_view bytes : kept.sections()) {
      use.left += bytes.size();
    }
    if (std::string problem = kept.lock_problem(); !problem.empty()) {
      use.problem = std::move(problem);
    }
  });
  use.left -= std::min(use.left, use.kept);
  return use;
}

std::vector<bool> PlanKept(const std::vector<KeepOffer>& offers, uint64_t room) {
  const auto bytes_a_row = [&](size_t i) {
    return static_cast<double>(offers[i].bytes) /
           static_cast<double>(std::max<uint64_t>(offers[i].rows, 1));
  };
  std::vector<size_t> order(offers.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return bytes_a_row(a) < bytes_a_row(b); });
  std::vector<bool> kept(offers.size());
  for (const size_t i : order) {
    kept[i] = offers[i].bytes <= room;
    room -= kept[i] ? offers[i].bytes : 0;
  }
  return kept;
}

uint64_t RoomForSections(uint64_t budget, uint64_t heap) {
  if (budget == 0) {
    return std::numeric_limits<uint64_t>::max();
  }
  const uint64_t taken = std::max(budget / 4, heap + budget / 8);
  return taken < budget ? budget - taken : 0;
}

Status MemoryKeeper::Keep(DatabaseCore* core, const CallControl& control) {
  const uint64_t budget = core->options.memory_budget_bytes;
  const bool again = budget > 0 && ++calls_ % kCallsPerReview == 0;
  const auto hold =
      core->options.lock_memory ? KeptSections::Hold::kLocked : KeptSections::Hold::kWarm;
  std::vector<UsedSection> used;
  std::vector<KeepOffer> offers;
  VisitSegments(core, [&](const std::shared_ptr<SealedSegment>& segment) {
    const std::vector<std::string_view> sections = segment->kept().sections();
    for (size_t i = 0; i < sections.size(); ++i) {
      used.push_back({segment, i});
      offers.push_back({.bytes = sections[i].size(), .rows = segment->rows()});
    }
  });
  const uint64_t heap =
      budget > 0 ? MeasureMemory(core).heap + core->wanted_bytes.load(std::memory_order_relaxed)
                 : 0;
  const std::vector<bool> kept = PlanKept(offers, RoomForSections(budget, heap));
  for (size_t i = 0; i < used.size(); ++i) {
    if (!kept[i]) {
      used[i].segment->kept().LetGo(used[i].section);
    }
  }
  for (size_t i = 0; i < used.size(); ++i) {
    if (kept[i]) {
      // A page that cannot be read is the business of the search that needs it.
      used[i].segment->kept().Keep(used[i].section, hold, again, control).IgnoreError();
      LEADLINE_RETURN_IF_ERROR(control.Check());
    }
  }
  return {};
}

}  // namespace leadline::engine
