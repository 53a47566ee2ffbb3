#pragma once

#include <string>
#include <vector>

#include "json_lines.h"
#include "leadline/core/record.h"

namespace leadline::cli {

/// A stored record with the keys that `ingest` reads: id, vector, vectors, payload, expires_at_ms.
Json RecordJson(const Record& record, bool with_vectors);
Json VectorJson(const std::vector<float>& vector);
/// The record's vectors for a cell of a table: that of the default field, or all by name.
std::string VectorsText(const Record& record);

}  // namespace leadline::cli
