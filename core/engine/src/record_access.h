#pragma once

#include <optional>
#include <string>
#include <vector>

#include "leadline/core/collection.h"
#include "read_view.h"

namespace leadline::engine {

/// Reads one record by id at the view; nullopt when no visible record has it. MissingPart when the
/// record was replaced between two look-ups.
Result<std::optional<Record>> ReadRecordById(const ReadView& view, const std::string& id,
                                             const ReadOptions& options);

/// The stored vector of one field of the record `id`, and its ordinal. kNotFound when no visible
/// record has the id or it has no vector in that field; MissingPart as above.
Result<std::vector<float>> ReadVectorById(const ReadView& view, const std::string& id,
                                          uint32_t field, uint64_t* ordinal);

/// Turns a stored record into the public form, with its vectors when asked for.
Result<Record> ToRecord(const ReadView& view, uint64_t ordinal, StoredRecord stored,
                        const ReadOptions& options);

}  // namespace leadline::engine
