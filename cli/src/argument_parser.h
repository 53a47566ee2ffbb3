#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "arguments.h"
#include "leadline/core/status.h"

namespace leadline::cli {

enum class ParseOutcome { kReady, kHelpWanted };

/// Cuts command-line words into arguments, stores every given value and notes it in
/// Argument::given. kInvalidArgument names the argument, the value and the limit; the targets may
/// then hold part of the values.
Result<ParseOutcome> ParseArguments(Arguments& arguments, const std::vector<std::string>& words);

/// The value that the words give to the option `name`; nullopt where they do not name it.
std::optional<std::string> GivenOption(const Arguments& arguments,
                                       const std::vector<std::string>& words,
                                       std::string_view name);

/// How many words from `at` on are one of `arguments`, its value included; 0 where that word is
/// none of them.
size_t WordsOfOption(const Arguments& arguments, const std::vector<std::string>& words, size_t at);

}  // namespace leadline::cli
