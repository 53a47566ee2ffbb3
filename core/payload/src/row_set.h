#pragma once

/// The persisted row set (payload_columns_format.h). Read here and not by CRoaring 0.2, whose
/// deserialiser trusts the order and cardinality of containers; rows go from the mapped bytes
/// straight into a bitmap.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "leadline/core/status.h"
#include "row_bits.h"

namespace leadline {

/// Appends the row set of ascending, distinct rows; nothing when there are none.
void PutRowSet(std::string* out, std::span<const uint32_t> rows);

/// kDataLoss unless `bytes` is empty or exactly one row set whose rows lie below `row_bound`.
Status CheckRowSet(std::string_view bytes, uint32_t row_bound);

/// Adds the rows of a checked row set to `bits`, which has room for them.
void AddRowSet(std::string_view bytes, RowBits* bits);

}  // namespace leadline
