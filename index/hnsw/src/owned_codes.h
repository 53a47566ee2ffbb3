#pragma once

#include <memory>
#include <new>
#include <utility>

#include "leadline/core/call_control.h"
#include "leadline/core/executor.h"
#include "leadline/core/status.h"
#include "leadline/core/types.h"
#include "leadline/index/row_codes.h"
#include "leadline/simd/code_kernels.h"

namespace leadline::index::hnsw {

/// A table of sq8 codes of `vectors` for the time of a build.
class OwnedCodes {
 public:
  /// Errors: kCancelled, kDeadlineExceeded. May throw std::bad_alloc.
  static Result<OwnedCodes> Make(MatrixView vectors, Metric metric, Executor* executor,
                                 const CallControl& control);

  [[nodiscard]] const RowCodes& codes() const { return codes_; }

 private:
  struct FreeAligned {
    void operator()(char* block) const {
      ::operator delete (block, std::align_val_t{simd::kCodeBytes});
    }
  };

  using Block = std::unique_ptr<char, FreeAligned>;

  OwnedCodes(Block block, const RowCodes& codes) : block_(std::move(block)), codes_(codes) {}

  Block block_;
  RowCodes codes_;
};

}  // namespace leadline::index::hnsw
