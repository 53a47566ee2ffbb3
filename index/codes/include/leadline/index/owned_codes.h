#pragma once

#include <string_view>
#include <utility>

#include "leadline/core/call_control.h"
#include "leadline/core/executor.h"
#include "leadline/core/huge_array.h"
#include "leadline/core/status.h"
#include "leadline/core/types.h"
#include "leadline/index/row_codes.h"

namespace leadline::index {

/// A table of sq8 codes for the time of a build.
class OwnedCodes {
 public:
  /// That of `vectors`. Errors: kCancelled, kDeadlineExceeded. May throw std::bad_alloc.
  static Result<OwnedCodes> Make(MatrixView vectors, Metric metric, Executor* executor,
                                 const CallControl& control);

  /// That of a section, which is copied. Errors: those of RowCodes::Open. May throw std::bad_alloc.
  static Result<OwnedCodes> Copy(std::string_view section, size_t rows, size_t dim, Metric metric);

  [[nodiscard]] const RowCodes& codes() const { return codes_; }

  /// The section they are.
  [[nodiscard]] std::string_view section() const { return {block_.get(), bytes_}; }

 private:
  using Block = HugeArray<char>;

  OwnedCodes(Block block, size_t bytes, const RowCodes& codes)
      : block_(std::move(block)), bytes_(bytes), codes_(codes) {}

  Block block_;
  size_t bytes_;
  RowCodes codes_;
};

}  // namespace leadline::index
