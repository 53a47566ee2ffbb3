#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "leadline/core/call_control.h"
#include "leadline/core/mutex.h"
#include "leadline/core/status.h"
#include "leadline/core/types.h"
#include "leadline/index/segment_index.h"
#include "leadline/storage/segment_file.h"

namespace leadline::engine {

/// Rules V3 and V7 for the vectors of a segment, row by row or all at once: by far the largest
/// section, of which a search on codes needs a few rows. No row is read twice: each that was found
/// good is remembered, those that CheckAll has passed while it is still under way too. Thread-safe.
class UnverifiedVectors final : public index::RowCheck {
 public:
  /// `file` and `hashes` [rows], which are verified, must outlive it.
  UnverifiedVectors(const segment::SegmentFile& file, const uint32_t* hashes);

  /// True once all of them were verified: the mapping may be read.
  [[nodiscard]] bool done() const { return done_.load(std::memory_order_acquire); }

  /// Reads rows that nobody has met yet from the file, not from its mapping.
  /// Errors: kDataLoss (names path and row), what reading answers.
  [[nodiscard]] Status Check(std::span<const uint32_t> rows) const override;

  /// Verifies all rows, once; others who ask meanwhile wait. Cost: reads the section.
  /// Errors: as Check, and those of `control`.
  [[nodiscard]] Status CheckAll(const CallControl& control) const;

 private:
  [[nodiscard]] bool Met(size_t row) const {
    return ((met_[row >> 6].load(std::memory_order_acquire) >> (row & 63)) & 1U) != 0;
  }

  /// Compares `vector` with what is known of `row`, and remembers it where they agree.
  [[nodiscard]] Status Meet(size_t row, VectorView vector) const;

  const segment::SegmentFile& file_;
  const uint32_t* const hashes_;
  mutable std::vector<std::atomic<uint64_t>> met_;  ///< one bit a row: it is good
  mutable std::atomic<bool> done_{false};
  mutable Mutex mutex_;  ///< held while all rows are being verified
};

/// What section kVectorHashes holds for a row.
uint32_t VectorHash(VectorView vector);

/// Rule V7: unit length for cosine, finite for all.
[[nodiscard]] bool VectorIsSound(VectorView vector, Metric metric);

/// Compares the section of vectors with its hash and each of them with rule V7, in one reading.
/// Errors: kDataLoss (names path, section and row), what reading answers, those of `control`.
Status VerifyVectorSection(const segment::SegmentFile& file, const CallControl& control);

}  // namespace leadline::engine
