#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "leadline/core/status.h"

namespace leadline::eval {

/// What is wrong with one row, before the reader adds where it stands.
struct RowProblem {
  std::string what;   ///< fixed text
  std::string field;  ///< may be empty
  std::string value;  ///< cut to a printable length
  std::string limit;
};

/// kInvalidArgument "what: file=.. line=.. field=.. value=.. limit=..". `unit` is "line" or "row".
Status RowError(const RowProblem& problem, const std::string& path, std::string_view unit,
                uint64_t number);

/// At most 64 printable bytes of `value`, for messages.
std::string Shorten(std::string_view value);

}  // namespace leadline::eval
