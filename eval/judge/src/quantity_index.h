#pragma once

#include <cstdint>
#include <unordered_set>
#include <vector>

#include "quantities.h"

namespace leadline::judge {

/// Answers "does any of these quantities agree with this one?" without comparing all of them.
class QuantityIndex {
 public:
  void Add(const Quantity& given);
  /// Call once, after the last Add.
  void Finish();

  /// Same answer as Agrees(stated, given) for some given quantity; where more than kMaxCandidates
  /// distinct quantities are close to `stated` only the first are compared.
  [[nodiscard]] bool HasAgreeing(const Quantity& stated) const;

 private:
  static constexpr size_t kMaxCandidates = 1024;

  [[nodiscard]] bool Search(const std::vector<Quantity>& sorted, bool by_base,
                            const Quantity& stated) const;

  std::vector<Quantity> by_value_;
  std::vector<Quantity> by_base_;                  // in the base unit
  std::unordered_set<uint32_t> dates_;             // each date with any of its fields left out
  std::unordered_set<uint32_t> numbers_of_dates_;  // years and days
};

}  // namespace leadline::judge
