#include "kept_sections.h"

#include <utility>

#include "leadline/core/mapped_pages.h"

namespace leadline::engine {

void KeptSections::Offer(const std::vector<std::string_view>& sections) {
  std::vector<Section> offered;
  offered.reserve(sections.size());
  for (const std::string_view bytes : sections) {
    offered.push_back({.bytes = bytes});
  }
  MutexLock lock(&mutex_);
  sections_ = std::move(offered);
}

std::vector<std::string_view> KeptSections::sections() const {
  MutexLock lock(&mutex_);
  std::vector<std::string_view> all;
  all.reserve(sections_.size());
  for (const Section& section : sections_) {
    all.push_back(section.bytes);
  }
  return all;
}

Status KeptSections::Keep(size_t i, Hold hold, bool again, const CallControl& control) {
  Section before;
  {
    MutexLock lock(&mutex_);
    before = sections_[i];
    if (before.hold == Hold::kNone) {
      sections_[i].hold = Hold::kWarm;
      kept_.fetch_add(before.bytes.size(), std::memory_order_relaxed);
    }
  }
  if (before.hold != Hold::kLocked &&
      (before.hold == Hold::kNone ||
       (again && ResidentBytes(before.bytes) < before.bytes.size()))) {
    LEADLINE_RETURN_IF_ERROR(WarmPages(before.bytes, control));
  }
  if (hold != Hold::kLocked || before.hold == Hold::kLocked || before.lock_refused) {
    return {};
  }
  const Status locked = LockPages(before.bytes);
  MutexLock lock(&mutex_);
  if (locked.ok()) {
    sections_[i].hold = Hold::kLocked;
    locked_.fetch_add(before.bytes.size(), std::memory_order_relaxed);
  } else {
    sections_[i].lock_refused = true;
    lock_problem_ = locked.ToString();
  }
  return {};
}

void KeptSections::LetGo(size_t i) {
  MutexLock lock(&mutex_);
  Section& section = sections_[i];
  if (section.hold == Hold::kLocked) {
    UnlockPages(section.bytes);
    locked_.fetch_sub(section.bytes.size(), std::memory_order_relaxed);
  }
  if (section.hold != Hold::kNone) {
    kept_.fetch_sub(section.bytes.size(), std::memory_order_relaxed);
  }
  section.hold = Hold::kNone;
}

KeptSections::Hold KeptSections::hold(size_t i) const {
  MutexLock lock(&mutex_);
  return sections_[i].hold;
}

std::string KeptSections::lock_problem() const {
  MutexLock lock(&mutex_);
  return lock_problem_;
}

}  // namespace leadline::engine
