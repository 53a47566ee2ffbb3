#pragma once

#include <vector>

#include "configuration.h"
#include "console.h"

namespace leadline::cli {

/// Tells what every setting is and where that came from: a table, or
/// {"ok":true,"settings":[{"key","value","source","where"}]}.
void PrintSettings(const std::vector<Setting>& settings, Console& console);

}  // namespace leadline::cli
