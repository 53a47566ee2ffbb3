#pragma once

#include <string>
#include <string_view>

#include "leadline/core/status.h"

namespace leadline::cli {

/// kInvalidArgument "what: field=.." unless `name` is `[A-Za-z0-9_-]{1,128}`, the form of the names
/// of collections, vector fields and saved runs.
Status CheckName(std::string_view what, std::string_view field, const std::string& name);

}  // namespace leadline::cli
