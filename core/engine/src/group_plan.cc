#include "group_plan.h"

#include <algorithm>
#include <utility>

namespace leadline::engine {

GroupPlan::GroupPlan(const CollectionEntry& collection, const segment::Uuid& database,
                     const DatabaseOptions& options)
    : collection_(collection),
      database_(database),
      row_cap_(options.seal_rows),
      byte_cap_(options.seal_bytes),
      growing_(EmptyGroup()) {}

GroupEntry GroupPlan::EmptyGroup() const {
  GroupEntry group;
  for (const VectorField& field : collection_.options.vectors) {
    segment::SegmentInfo info;
    info.database = database_;
    info.collection_id = collection_.id;
    info.field_id = static_cast<uint32_t>(group.fields.size());
    info.metric = field.metric;
    info.dim = field.dim;
    info.m = field.m;
    info.ef_construction = field.ef_construction;
    info.nlist = field.nlist;
    info.self_recall = 1;
    group.fields.push_back({info, {}});
  }
  return group;
}

void GroupPlan::Add(uint64_t ordinal, const StoredRecord& record) {
  if (growing_.rows == 0) {
    growing_.first_ordinal = ordinal;
  }
  growing_.last_ordinal = ordinal;
  ++growing_.rows;
  growing_bytes_ += record.id.size() + record.payload.size();
  for (size_t f = 0; f < growing_.fields.size(); ++f) {
    if (((record.fields >> f) & 1U) == 0) {
      continue;
    }
    segment::SegmentInfo& info = growing_.fields[f].info;
    info.min_sequence =
        info.rows == 0 ? record.sequence : std::min(info.min_sequence, record.sequence);
    info.max_sequence = std::max(info.max_sequence, record.sequence);
    ++info.rows;
    growing_bytes_ += info.dim * sizeof(float);
  }
  if (growing_.rows >= row_cap_ || growing_bytes_ >= byte_cap_) {
    full_.push_back(std::exchange(growing_, EmptyGroup()));
    growing_bytes_ = 0;
  }
}

std::vector<GroupEntry> GroupPlan::Take(uint64_t build_sequence, uint64_t* next_segment) {
  for (GroupEntry& group : full_) {
    group.build_sequence = build_sequence;
    for (FieldSegment& field : group.fields) {
      field.info.segment_id = (*next_segment)++;
    }
  }
  return std::exchange(full_, {});
}

}  // namespace leadline::engine
