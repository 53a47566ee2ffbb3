#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ivf_parts.h"
#include "leadline/core/call_control.h"
#include "leadline/core/status.h"
#include "leadline/index/growing_codes.h"
#include "leadline/index/segment_index.h"

namespace leadline::index {

/// ListedRows of an IVF index with sq8 codes, pq4 and rabitq included.
///
/// Products have learned what the index's own rows look like, and bits say the less of a row the
/// farther it lies from its list. A row for which they stand much worse than for the index's own is
/// left to its sq8 code, so that rows of another kind are found as well, only more slowly.
class IvfListedRows final : public ListedRows {
 public:
  /// The rows of one list. Immutable.
  struct List {
    std::vector<uint32_t> plain;  ///< numbers of those that are in no blocks, ascending
    std::vector<uint32_t> coded;  ///< of those that have, ascending

    [[nodiscard]] const uint8_t* blocks() const {
      return reinterpret_cast<const uint8_t*>(lines.data());
    }

    // Beside each row of the blocks; empty where the index's own ListBlocks have none.
    std::vector<float> adds;
    std::vector<float> scales;

    struct alignas(64) Line {
      uint8_t bytes[64];
    };

    std::vector<Line> lines;  ///< blocks of `coded`, and a line that kernels may read
  };

  /// SegmentIndex::ListRows; `before` may be null.
  static Result<std::shared_ptr<const IvfListedRows>> Make(const IvfParts& parts,
                                                           const IvfListedRows* before,
                                                           std::span<const float* const> rows,
                                                           const CallControl& control);

  [[nodiscard]] size_t size() const override { return size_; }

  [[nodiscard]] size_t resident_bytes() const override;

  /// Null where the list has no rows.
  [[nodiscard]] const List* list(uint32_t number) const { return lists_[number].get(); }

  [[nodiscard]] const RowCodes& codes() const { return store_->codes.table(); }

  [[nodiscard]] const float* row(uint32_t number) const { return store_->rows[number]; }

 private:
  static constexpr uint32_t kNoList = UINT32_MAX;

  /// What successive objects share: whoever made the last of them adds to it, others copy.
  struct Store {
    GrowingCodes codes;
    std::vector<const float*> rows;
    std::atomic<size_t> used{0};

    Store(const RowCodes& like, size_t capacity) : codes(like, capacity), rows(capacity) {}
  };

  /// A store whose slots from `begin` to `end` are the caller's.
  static std::shared_ptr<Store> StoreFor(const RowCodes& like, const IvfListedRows* before,
                                         size_t begin, size_t end);
  /// The list of each of `rows`, kNoList where there is none.
  static Result<std::vector<uint32_t>> ChooseLists(const IvfParts& parts,
                                                   std::span<const float* const> rows,
                                                   const CallControl& control);
  /// Adds rows to copies of their lists. `lists` [rows], the rows numbered from `begin` on.
  void AddToLists(const IvfParts& parts, std::span<const float* const> rows,
                  std::span<const uint32_t> lists, size_t begin);

  std::shared_ptr<Store> store_;
  size_t size_ = 0;
  double most_error_ = 0;  ///< of a row in blocks
  std::vector<std::shared_ptr<const List>> lists_;
};

}  // namespace leadline::index
