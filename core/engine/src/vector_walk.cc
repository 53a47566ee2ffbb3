#include "vector_walk.h"

#include "keys.h"

namespace leadline::engine {
namespace {

/// A seek costs about as much as this many steps.
constexpr int kStepsBeforeSeek = 8;

}  // namespace

VectorWalk::VectorWalk(DatabaseCore* core, const CollectionState& collection, uint32_t field,
                       const kv::StoreSnapshot* snapshot)
    : core_(core), collection_(collection.id()), field_(field), snapshot_(snapshot) {}

Result<std::optional<std::string_view>> VectorWalk::At(uint64_t ordinal) {
  int steps = kStepsBeforeSeek;
  if (it_ == nullptr) {
    it_ = core_->store->NewIterator(kv::Table::kVectors, VectorPrefix(collection_, field_),
                                    snapshot_);
    steps = 0;
  }
  while (steps > 0 && it_->Valid() && OrdinalOfKey(it_->key()) < ordinal) {
    it_->Next();
    --steps;
  }
  if (it_->Valid() && OrdinalOfKey(it_->key()) < ordinal) {
    it_->Seek(VectorKey(collection_, field_, ordinal));
  }
  if (!it_->Valid()) {
    LEADLINE_RETURN_IF_ERROR(it_->status());
    return std::optional<std::string_view>();
  }
  if (OrdinalOfKey(it_->key()) != ordinal) {
    return std::optional<std::string_view>();
  }
  return std::optional<std::string_view>(it_->value());
}

}  // namespace leadline::engine
