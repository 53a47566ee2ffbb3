#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "leadline/core/status.h"
#include "leadline/index/segment_index.h"

namespace leadline::index::testing {

/// Lets all rows pass, and counts how many it was asked for.
class CountingRowCheck final : public RowCheck {
 public:
  [[nodiscard]] Status Check(std::span<const uint32_t> rows) const override {
    asked_ += rows.size();
    return {};
  }

  [[nodiscard]] size_t asked() const { return asked_; }

 private:
  mutable size_t asked_ = 0;
};

}  // namespace leadline::index::testing
