#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string_view>

#include "catalog.h"
#include "leadline/core/payload_columns.h"
#include "leadline/index/segment_index.h"
#include "leadline/storage/segment_file.h"
#include "unverified_vectors.h"

namespace leadline::engine {

/// Ordinals [first, last] of a group.
struct OrdinalRange {
  uint64_t first = 0;
  uint64_t last = std::numeric_limits<uint64_t>::max();
};

/// What verified bytes of a segment file offer. Immutable, thread-safe.
struct SegmentContents {
  const uint64_t* ordinals = nullptr;    ///< [rows], ascending
  const uint64_t* sequences = nullptr;   ///< [rows]
  const int64_t* expiries = nullptr;     ///< [rows], null when no row expires
  const uint64_t* id_offsets = nullptr;  ///< [rows + 1] into id_bytes
  std::string_view id_bytes;
  MatrixView vectors;  ///< search form; verified where unverified is null or done
  std::unique_ptr<UnverifiedVectors> unverified;
  int64_t min_expiry = std::numeric_limits<int64_t>::max();  ///< earliest of the rows that expire
  std::unique_ptr<index::SegmentIndex> index;
  std::unique_ptr<PayloadColumns> columns;

  [[nodiscard]] std::string_view id(size_t row) const {
    return id_bytes.substr(id_offsets[row], id_offsets[row + 1] - id_offsets[row]);
  }
};

/// Verifies every byte of `file` and every rule that storage/FORMAT.md sets for its contents (V3 to
/// V8), then opens them. The vectors are left for later where the index searches by codes and asks
/// before it reads a vector. `range` is what the manifest says the rows' ordinals are in. Errors:
/// kDataLoss (names path, section and row), kUnimplemented (a section of a newer version), and what
/// reading the file or allocating answers. Cost: reads the file once, all or without its vectors.
Result<std::unique_ptr<SegmentContents>> LoadSegmentContents(const segment::SegmentFile& file,
                                                             const FieldSegment& entry,
                                                             OrdinalRange range);

}  // namespace leadline::engine
