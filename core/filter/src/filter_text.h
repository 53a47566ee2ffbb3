#pragma once

#include <string>
#include <string_view>

#include "leadline/core/filter_tree.h"

namespace leadline {

/// Canonical text of one predicate.
std::string PredicateText(const FilterNode& node);

/// True for a byte that may start (continue) an unquoted key: letters, `_`, any non-ASCII byte
/// (digits).
bool IsKeyStart(char c);
bool IsKeyPart(char c);

}  // namespace leadline
