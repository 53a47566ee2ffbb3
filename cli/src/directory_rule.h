#pragma once

#include <string>
#include <string_view>

#include "leadline/core/status.h"

namespace leadline::cli {

/// kFailedPrecondition "what: field=.. value=.." unless `directory` is one. Not the fault of the
/// setting: a disk may not be mounted yet.
Status CheckDirectory(std::string_view what, const std::string& flag, const std::string& value,
                      const std::string& directory);

}  // namespace leadline::cli
