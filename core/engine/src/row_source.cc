#include "row_source.h"

#include <bit>
#include <utility>

#include "keys.h"
#include "leadline/core/test_hooks.h"
#include "paced_control.h"

namespace leadline::engine {
namespace {

/// Records read at once; each may be a megabyte.
constexpr size_t kRecheckBatch = 64;

bool TestBit(const std::vector<uint64_t>& words, size_t row) {
  return ((words[row >> 6] >> (row & 63)) & 1U) != 0;
}

void ClearBit(std::vector<uint64_t>* words, size_t row) {
  (*words)[row >> 6] &= ~(uint64_t{1} << (row & 63));
}

template <typename Visit>
Status ForEachBit(const std::vector<uint64_t>& words, const Visit& visit) {
  for (size_t w = 0; w < words.size(); ++w) {
    for (uint64_t rest = words[w]; rest != 0; rest &= rest - 1) {
      LEADLINE_RETURN_IF_ERROR(visit(w * 64 + static_cast<size_t>(std::countr_zero(rest))));
    }
  }
  return {};
}

void AndWords(std::vector<uint64_t>* words, const std::vector<uint64_t>& other) {
  for (size_t w = 0; w < words->size(); ++w) {
    (*words)[w] &= other[w];
  }
}

/// Tests candidates, all of them alive at the view, that the columns could not decide against the
/// stored payload.
Status RecheckSegmentRows(DatabaseCore* core, const CollectionState& collection,
                          const SegmentContents& contents, const Visibility& visibility,
                          const CallControl& control, std::vector<uint64_t>* words) {
  std::vector<size_t> rows;
  std::vector<std::string> keys;
  const CompiledFilter compiled(*visibility.filter);
  PacedControl pace(control);
  const auto flush = [&]() -> Status {
    LEADLINE_RETURN_IF_ERROR(control.Check());
    LEADLINE_ASSIGN_OR_RETURN(
        const std::vector<std::optional<std::string>> records,
        core->store->MultiGet(kv::Table::kRecords, keys, visibility.snapshot));
    for (size_t i = 0; i < rows.size(); ++i) {
      // The row is alive at the view, so a record that is gone says nothing about it.
      if (!records[i].has_value()) {
        return MissingPart(visibility, "record", contents.ordinals[rows[i]]);
      }
      LEADLINE_RETURN_IF_ERROR(pace.Before(1, records[i]->size()));
      LEADLINE_ASSIGN_OR_RETURN(const StoredRecord record, DecodeRecord(*records[i]));
      if (!compiled.Matches(record.payload)) {
        ClearBit(words, rows[i]);
      }
    }
    rows.clear();
    keys.clear();
    return {};
  };
  const std::vector<uint64_t> candidates = *words;
  LEADLINE_RETURN_IF_ERROR(ForEachBit(candidates, [&](size_t row) -> Status {
    rows.push_back(row);
    keys.push_back(OrdinalKey(collection.id(), contents.ordinals[row]));
    return rows.size() == kRecheckBatch ? flush() : OkStatus();
  }));
  return rows.empty() ? OkStatus() : flush();
}

/// Rows of the segment that match the filter, whether alive or not.
Result<std::shared_ptr<const RowMask>> FilterMask(DatabaseCore* core,
                                                  const CollectionState& collection,
                                                  const SealedSegment& segment, const RowMask* live,
                                                  const Visibility& visibility,
                                                  const CallControl& control) {
  static const std::string kAnyFilter;
  const std::string& key =
      DefectPlanted(Defect::kStaleFilter) ? kAnyFilter : visibility.filter->ToString();
  std::shared_ptr<const RowMask> cached = segment.CachedFilter(key);
  if (cached != nullptr && visibility.sequence >= cached->valid_from) {
    return cached;
  }
  const SegmentContents& contents = *segment.LoadedContents();
  LEADLINE_ASSIGN_OR_RETURN(const Candidates candidates,
                            contents.columns->Evaluate(*visibility.filter, control));
  auto mask = std::make_shared<RowMask>();
  mask->words.resize((segment.rows() + 63) / 64);
  candidates.FillWords(mask->words.data(), mask->words.size());
  if (!candidates.exact()) {
    // Dead rows may have left the store: the result holds from this sequence on only.
    if (live != nullptr) {
      AndWords(&mask->words, live->words);
    }
    mask->valid_from = visibility.sequence;
    LEADLINE_RETURN_IF_ERROR(
        RecheckSegmentRows(core, collection, contents, visibility, control, &mask->words));
  }
  mask->count = CountBits(mask->words);
  segment.CacheFilter(key, mask);
  return std::shared_ptr<const RowMask>(std::move(mask));
}

}  // namespace

Status MissingPart(const Visibility& visibility, std::string_view what, uint64_t ordinal) {
  if (visibility.snapshot == nullptr) {
    return AbortedError("record was replaced while it was read: ordinal=" +
                        std::to_string(ordinal));
  }
  return DataLossError("store lacks part of a live record: part=" + std::string(what) +
                       " ordinal=" + std::to_string(ordinal));
}

Result<VisibleRows> SegmentRows(DatabaseCore* core, const CollectionState& collection,
                                const SealedSegment& segment, const Visibility& visibility,
                                const CallControl& control) {
  const SegmentContents& contents = *segment.LoadedContents();
  VisibleRows rows;
  rows.mask = segment.LiveMask(visibility.sequence);
  rows.count = rows.mask == nullptr ? segment.rows() : rows.mask->count;
  std::shared_ptr<RowMask> own;
  if (visibility.filter.has_value()) {
    LEADLINE_ASSIGN_OR_RETURN(
        rows.matching, FilterMask(core, collection, segment, rows.mask.get(), visibility, control));
    if (rows.mask == nullptr) {
      rows.mask = rows.matching;
      rows.count = rows.matching->count;
    } else {
      own = std::make_shared<RowMask>();
      own->words = rows.matching->words;
      AndWords(&own->words, rows.mask->words);
    }
  }
  const size_t excluded = visibility.excluded_ordinal == 0
                              ? segment.rows()
                              : segment.FindRow(visibility.excluded_ordinal);
  const bool expiring = contents.min_expiry <= visibility.now_ms;
  if (own == nullptr && (expiring || excluded < segment.rows())) {
    own = std::make_shared<RowMask>();
    own->words = rows.mask == nullptr ? AllRows(segment.rows()) : rows.mask->words;
  }
  if (excluded < segment.rows()) {
    ClearBit(&own->words, excluded);
  }
  if (expiring) {
    for (size_t row = 0; row < segment.rows(); ++row) {
      if (visibility.Expired(contents.expiries[row])) {
        ClearBit(&own->words, row);
      }
    }
  }
  if (own != nullptr) {
    own->count = CountBits(own->words);
    rows.count = own->count;
    rows.mask = std::move(own);
  }
  return rows;
}

Result<VisibleRows> TailRows(const TailChunk& chunk, size_t rows, uint32_t field,
                             const Visibility& visibility, const CallControl& control) {
  const bool all_but_dead = !visibility.filter.has_value() && chunk.all_have_field(field) &&
                            chunk.min_expiry() > visibility.now_ms &&
                            visibility.excluded_ordinal == 0;
  if (rows == 0 || (all_but_dead && chunk.dead().count() == 0)) {
    return VisibleRows{nullptr, rows, nullptr};
  }
  auto mask = std::make_shared<RowMask>();
  if (all_but_dead) {
    mask->words = chunk.dead().Living(visibility.sequence, rows);
    mask->count = CountBits(mask->words);
    return mask->count == rows ? VisibleRows{nullptr, rows, nullptr}
                               : VisibleRows{mask, mask->count, nullptr};
  }
  mask->words = AllRows(rows);
  bool decided = !visibility.filter.has_value();
  if (!decided) {
    LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<const PayloadColumns> columns,
                              chunk.Columns(rows, control));
    if (columns != nullptr) {
      std::vector<uint64_t> matching((TailChunk::kCapacity + 63) / 64);
      LEADLINE_ASSIGN_OR_RETURN(const Candidates candidates,
                                columns->Evaluate(*visibility.filter, control));
      candidates.FillWords(matching.data(), matching.size());
      AndWords(&mask->words, matching);
      decided = candidates.exact();
    }
  }
  std::optional<CompiledFilter> compiled;
  if (!decided) {
    compiled.emplace(*visibility.filter);
  }
  PacedControl pace(control);
  for (size_t row = 0; row < rows; ++row) {
    LEADLINE_RETURN_IF_ERROR(pace.Before(1, decided ? 0 : chunk.payload(row).size()));
    if (!TestBit(mask->words, row)) {
      continue;
    }
    const bool visible = chunk.has_field(row, field) &&
                         chunk.dead().VisibleAt(row, visibility.sequence) &&
                         !visibility.Expired(chunk.expires_at_ms(row)) &&
                         chunk.ordinal(row) != visibility.excluded_ordinal &&
                         (decided || compiled->Matches(chunk.payload(row)));
    if (!visible) {
      ClearBit(&mask->words, row);
    }
  }
  VisibleRows visible;
  mask->count = CountBits(mask->words);
  visible.count = mask->count;
  if (visible.count < rows) {
    visible.mask = std::move(mask);
  }
  return visible;
}

Status VisitStoreRecords(
    DatabaseCore* core, const CollectionState& collection, uint64_t first, uint64_t last,
    const Visibility& visibility, const CallControl& control,
    const std::function<Result<bool>(uint64_t ordinal, const StoredRecord& record)>& visit) {
  const auto it = core->store->NewIterator(kv::Table::kRecords, CollectionPrefix(collection.id()),
                                           visibility.snapshot);
  std::optional<CompiledFilter> compiled;
  if (visibility.filter.has_value()) {
    compiled.emplace(*visibility.filter);
  }
  PacedControl pace(control);
  for (it->Seek(OrdinalKey(collection.id(), first)); it->Valid(); it->Next()) {
    const uint64_t ordinal = OrdinalOfKey(it->key());
    if (ordinal > last) {
      break;
    }
    LEADLINE_RETURN_IF_ERROR(pace.Before(1, it->value().size()));
    LEADLINE_ASSIGN_OR_RETURN(const StoredRecord record, DecodeRecord(it->value()));
    if (visibility.Expired(record.expires_at_ms) || ordinal == visibility.excluded_ordinal ||
        (compiled.has_value() && !compiled->Matches(record.payload))) {
      continue;
    }
    LEADLINE_ASSIGN_OR_RETURN(const bool go_on, visit(ordinal, record));
    if (!go_on) {
      return {};
    }
  }
  return it->status();
}

}  // namespace leadline::engine
