#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "ivf_parts.h"
#include "leadline/index/coded_matches.h"
#include "leadline/index/filter_slot.h"
#include "list_masks.h"
#include "match_blocks.h"
#include "match_table.h"

namespace leadline::index {

/// What lists make of a filter.
///
/// Where each list has about its share of the matches, only the filter's bits in the order of the
/// lists are kept, and these not before some searches have asked, for they change no answer. Where
/// matches are many in some lists and few in others, a table says where in each list they lie: who
/// searches by the middles of whole lists looks at the wrong ones then.
class ListFilter {
 public:
  /// `rows` [one bit a row] must outlive the object. REQUIRES: sq8 codes of rows.
  /// Cost: 16 bits a list; where matches are uneven, a look at every bit, the codes of 16 rows of a
  /// list at most, and a copy of what MatchBlocks keeps.
  ListFilter(const IvfParts& parts, const uint64_t* rows, uint64_t count);

  /// Null where each list has about its share of the matches.
  [[nodiscard]] const MatchTable* table() const { return table_.has_value() ? &*table_ : nullptr; }

  /// Null where there is no table, or nothing is scanned in blocks.
  [[nodiscard]] const MatchBlocks* blocks() const {
    return blocks_.has_value() ? &*blocks_ : nullptr;
  }

  /// Null until enough searches have asked.
  [[nodiscard]] const ListMasks* masks() const;

  [[nodiscard]] size_t resident_bytes() const;

 private:
  const IvfView lists_;
  const uint64_t* const rows_;
  mutable std::atomic<uint32_t> asked_{0};
  mutable std::atomic<const ListMasks*> ready_{nullptr};
  mutable std::unique_ptr<const ListMasks> kept_;  ///< set by one search, once
  std::optional<MatchTable> table_;
  std::optional<MatchBlocks> blocks_;
};

/// What an index of lists makes of a filter, each part when a search first needs it. Thread-safe.
class IvfFilter final : public PreparedFilter {
 public:
  /// For searches of the lists.
  [[nodiscard]] MadeOnce<ListFilter>& lists() const { return lists_; }

  /// For those that compare every match.
  [[nodiscard]] RepeatedMatches& matches() const { return matches_; }

  [[nodiscard]] size_t resident_bytes() const override {
    return sizeof(*this) + (lists_.get() == nullptr ? 0 : lists_.get()->resident_bytes()) +
           matches_.resident_bytes();
  }

 private:
  mutable MadeOnce<ListFilter> lists_;
  mutable RepeatedMatches matches_;
};

/// How many times farther the numbers of matches in the lists are apart than by chance: the mean
/// square of their differences to what is expected of a sample, over the variance expected of it.
double Unevenness(const IvfView& lists, const uint64_t* rows, double share);

}  // namespace leadline::index
