#include "collection_changes.h"

#include <set>

#include "prepared_batch.h"

namespace leadline::engine {
namespace {

void ApplyToField(const VectorFieldChanges& changes, VectorField* field) {
  field->index = changes.index.value_or(field->index);
  field->codes = changes.codes.value_or(field->codes);
  field->m = changes.m.value_or(field->m);
  field->ef_construction = changes.ef_construction.value_or(field->ef_construction);
  field->nlist = changes.nlist.value_or(field->nlist);
}

bool Empty(const VectorFieldChanges& changes) {
  return !changes.index && !changes.codes && !changes.m && !changes.ef_construction &&
         !changes.nlist;
}

}  // namespace

Status ApplyChanges(const CollectionChanges& changes, CollectionOptions* options) {
  if (changes.vectors.empty() && !changes.language) {
    return InvalidFieldError("nothing to change", "changes", "none", "at least one");
  }
  std::set<uint32_t> changed;
  for (const VectorFieldChanges& field : changes.vectors) {
    LEADLINE_ASSIGN_OR_RETURN(const uint32_t f, FindField(*options, field.name));
    const std::string& name = options->vectors[f].name;
    if (!changed.insert(f).second) {
      return InvalidFieldError("vector field named twice", "vectors", name, "each field once");
    }
    if (Empty(field)) {
      return InvalidFieldError("nothing to change", "vectors", name,
                               "index, codes, m, ef_construction or nlist");
    }
    ApplyToField(field, &options->vectors[f]);
  }
  options->language = changes.language.value_or(options->language);
  return ValidateCollectionOptions(*options);
}

}  // namespace leadline::engine
