#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "ivf_parts.h"
#include "leadline/core/call_control.h"
#include "leadline/core/status.h"

namespace leadline::index {

/// How much nearer than the middle of a list's rows (MatchTable) those may be that matter, measured
/// on rows of the index itself: for each number of lists the reach within which, on average, so
/// many lists may hold one of a row's ten nearest. Immutable, thread-safe.
class MatchReach {
 public:
  /// REQUIRES: sq8 codes of rows. Cost: 32 searches. Equal for equal indexes.
  /// Errors: kCancelled, kDeadlineExceeded.
  static Result<std::unique_ptr<const MatchReach>> Measure(const IvfParts& parts,
                                                           const CallControl& control);

  /// `lists` >= 1.
  [[nodiscard]] float For(size_t lists) const;

  [[nodiscard]] size_t resident_bytes() const { return reaches_.capacity() * sizeof(float); }

 private:
  std::vector<float> reaches_;  ///< ascending; element n - 1 for n lists
};

}  // namespace leadline::index
