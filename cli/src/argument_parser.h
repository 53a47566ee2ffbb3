#pragma once

#include <string>
#include <vector>

#include "arguments.h"
#include "leadline/core/status.h"

namespace leadline::cli {

enum class ParseOutcome { kReady, kHelpWanted };

/// Cuts command-line words into arguments and stores every given value. kInvalidArgument names the
/// argument, the value and the limit; the targets may then hold part of the values.
Result<ParseOutcome> ParseArguments(const Arguments& arguments,
                                    const std::vector<std::string>& words);

}  // namespace leadline::cli
