#pragma once

#include <cstdint>
#include <vector>

#include "catalog.h"
#include "leadline/core/options.h"
#include "stored_record.h"

namespace leadline::engine {

/// Cuts the stored rows of a collection into groups no larger than what sealing makes, without
/// building any. Their entries name files that do not exist, which is what an entry whose file was
/// lost looks like: the rows are answered from the store until the group is rebuilt, and an open
/// holds none of them in memory. Thread-compatible.
class GroupPlan {
 public:
  /// `database` is the number of the database; the caps are those of `options`.
  GroupPlan(const CollectionEntry& collection, const segment::Uuid& database,
            const DatabaseOptions& options);

  /// Rows come in ascending order of ordinals.
  void Add(uint64_t ordinal, const StoredRecord& record);

  /// Full groups so far, with segments numbered from `*next_segment` on, which moves past them.
  /// What follows the last of them stays below the caps and belongs to the tail.
  std::vector<GroupEntry> Take(uint64_t build_sequence, uint64_t* next_segment);

 private:
  [[nodiscard]] GroupEntry EmptyGroup() const;

  const CollectionEntry& collection_;
  const segment::Uuid database_;
  const uint64_t row_cap_;
  const uint64_t byte_cap_;
  std::vector<GroupEntry> full_;
  GroupEntry growing_;
  uint64_t growing_bytes_ = 0;
};

}  // namespace leadline::engine
