#include "leadline/core/query_check.h"

#include <string>

#include "prepared_batch.h"

namespace leadline {

Status CheckQueries(const VectorField& field, MatrixView queries) {
  if (queries.dim != field.dim) {
    return InvalidFieldError("query has the wrong dimension", field.name,
                             std::to_string(queries.dim), std::to_string(field.dim));
  }
  for (size_t q = 0; q < queries.rows; ++q) {
    Status valid = engine::ValidateVector(field, queries.row(q));
    if (!valid.ok()) {
      valid.WithContext("query " + std::to_string(q));
      return valid;
    }
  }
  return {};
}

}  // namespace leadline
