#pragma once

#include <string>
#include <string_view>

#include "leadline/core/status.h"

namespace leadline::cli {

/// An id as one column of the run.trec files this program writes. Percent-encoded are `%`, blanks,
/// and at the start `#` and the byte-order mark, which a reader takes for something else. Different
/// ids give different columns.
std::string EncodeTrecColumn(std::string_view id);

/// The id that EncodeTrecColumn was given. kInvalidArgument where `%` is not followed by two
/// hexadecimal digits: another program wrote the column.
Result<std::string> DecodeTrecColumn(std::string_view column);

}  // namespace leadline::cli
