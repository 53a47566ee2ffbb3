#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "leadline/core/call_control.h"
#include "leadline/core/mutex.h"
#include "leadline/core/status.h"

namespace leadline::engine {

/// The sections of one mapped segment file that searches touch all over - codes, links, lists - and
/// which of them are kept in memory: warmed once, and locked where that is wanted. Vectors are
/// never among them. Thread-safe.
class KeptSections {
 public:
  KeptSections() = default;
  KeptSections(const KeptSections&) = delete;
  KeptSections& operator=(const KeptSections&) = delete;
  ~KeptSections() = default;

  /// Says which sections there are, verified ones. Call once; they must outlive this.
  void Offer(const std::vector<std::string_view>& sections);

  /// What was offered; nothing before that.
  [[nodiscard]] std::vector<std::string_view> sections() const;

  enum class Hold : uint8_t { kNone, kWarm, kLocked };

  /// Keeps section `i` from now on. A lock that the system refuses is noted (lock_problem), not
  /// tried again, and no error. `again` reads what the system took back since. Errors: those of
  /// WarmPages; the section counts as kept all the same, so that nothing else takes its room.
  Status Keep(size_t i, Hold hold, bool again, const CallControl& control);
  /// Leaves section `i` to the page cache.
  void LetGo(size_t i);
  [[nodiscard]] Hold hold(size_t i) const;

  /// Bytes that are kept, and those of them that are locked.
  [[nodiscard]] uint64_t kept_bytes() const { return kept_.load(std::memory_order_relaxed); }

  [[nodiscard]] uint64_t locked_bytes() const { return locked_.load(std::memory_order_relaxed); }

  /// Why a section could not be locked; empty where all could.
  [[nodiscard]] std::string lock_problem() const;

 private:
  struct Section {
    std::string_view bytes;
    Hold hold = Hold::kNone;
    bool lock_refused = false;
  };

  mutable Mutex mutex_;
  std::vector<Section> sections_ LEADLINE_GUARDED_BY(mutex_);
  std::string lock_problem_ LEADLINE_GUARDED_BY(mutex_);
  std::atomic<uint64_t> kept_{0};
  std::atomic<uint64_t> locked_{0};
};

}  // namespace leadline::engine
