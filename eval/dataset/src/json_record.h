#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "leadline/eval/record_reader.h"
#include "row_problem.h"

namespace leadline::eval {

/// Reads one JSON object as OpenRecords describes it into `record` (row untouched). The id may be
/// absent: it is then empty.
std::optional<RowProblem> ParseJsonRecord(std::string_view line, InputRecord* record);

/// Appends `text` to `*out` as a JSON string with quotes. `text` is valid UTF-8.
void AppendJsonString(std::string_view text, std::string* out);

/// True where `text` is exactly one JSON number.
bool IsJsonNumber(std::string_view text);

}  // namespace leadline::eval
