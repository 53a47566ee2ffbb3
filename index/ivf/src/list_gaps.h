#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "leadline/core/call_control.h"
#include "leadline/core/status.h"

namespace leadline::index {

struct IvfParts;

/// How many lists a query visits where `nprobe` is what all do on average: a query that is near to
/// a few lists and far from the others finds its neighbours there, one between many lists needs
/// more. Measured on rows of the index itself. Immutable, thread-safe.
class ListGaps {
 public:
  /// Fewer lists tell too little.
  static constexpr size_t kLeastLists = 32;

  /// REQUIRES: sq8 codes of rows, not kInnerProduct, kLeastLists or more. Cost: compares 32 rows
  /// with all lists. Equal for equal indexes. Errors: kCancelled, kDeadlineExceeded.
  static Result<std::unique_ptr<const ListGaps>> Measure(const IvfParts& parts,
                                                         const CallControl& control);

  /// For a query to whose lists the distances are `compared` [nlist], as ListChooser::Compare left
  /// them, and `norm`; at least 1, `nprobe` >= 1 where that is all lists.
  [[nodiscard]] size_t ListsFor(const float* compared, float norm, size_t nprobe) const;

  [[nodiscard]] size_t resident_bytes() const { return gaps_.capacity() * sizeof(float); }

 private:
  static float NearBy(const float* compared, size_t nlist, float norm);

  std::vector<float> gaps_;  ///< ascending; element n - 1: within it lie n lists, on average
};

}  // namespace leadline::index
