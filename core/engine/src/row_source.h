#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "collection_state.h"
#include "database_core.h"
#include "leadline/core/filter.h"
#include "leadline/core/payload_json.h"

namespace leadline::engine {

/// What decides whether a row may be returned, fixed for one call.
struct Visibility {
  uint64_t sequence = 0;
  int64_t now_ms = 0;
  std::optional<Filter> filter;
  /// Store view of a pinned snapshot; null reads the newest state.
  const kv::StoreSnapshot* snapshot = nullptr;
  /// A row that is left out although all else admits it; 0 (no row has it) leaves out none.
  uint64_t excluded_ordinal = 0;

  [[nodiscard]] bool Expired(int64_t expires_at_ms) const {
    return expires_at_ms != kNeverExpires && expires_at_ms <= now_ms;
  }
};

/// What it means that the store lacks something of a record that exists at the view: kAborted where
/// the view sees the newest store (it was replaced meanwhile: take a newer view), kDataLoss where
/// it sees one moment.
Status MissingPart(const Visibility& visibility, std::string_view what, uint64_t ordinal);

/// Rows of one source that may be returned. Null mask: all of them.
struct VisibleRows {
  std::shared_ptr<const RowMask> mask;
  uint64_t count = 0;
  /// Of a segment: the rows its filter passes, `mask` among them; null without a filter.
  std::shared_ptr<const RowMask> matching;

  [[nodiscard]] const uint64_t* words() const {
    return mask == nullptr ? nullptr : mask->words.data();
  }
};

/// Rows of a segment that are alive, unexpired and match. Filter results are kept per segment.
/// REQUIRES: segment.Contents() != nullptr. Errors: store faults, kCancelled, kDeadlineExceeded,
/// MissingPart when payloads had to be read and one of them was replaced meanwhile.
Result<VisibleRows> SegmentRows(DatabaseCore* core, const CollectionState& collection,
                                const SealedSegment& segment, const Visibility& visibility,
                                const CallControl& control);

/// The same for the first `rows` rows of a tail chunk, restricted to rows that have `field`.
Result<VisibleRows> TailRows(const TailChunk& chunk, size_t rows, uint32_t field,
                             const Visibility& visibility, const CallControl& control);

/// Calls `visit` for every visible, matching record of [first, last], in order, read from the
/// store; stops early when it returns false. Exact whatever state the segments are in. Sees the
/// moment of `visibility.snapshot`, or the present one: together with rows of a state (the tail,
/// other segments) only a snapshot taken with that state gives one answer.
Status VisitStoreRecords(
    DatabaseCore* core, const CollectionState& collection, uint64_t first, uint64_t last,
    const Visibility& visibility, const CallControl& control,
    const std::function<Result<bool>(uint64_t ordinal, const StoredRecord& record)>& visit);

}  // namespace leadline::engine
