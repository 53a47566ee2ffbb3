#pragma once

#include <string>

#include "console.h"
#include "leadline/core/database.h"

namespace leadline::cli {

/// Tells that a copy was made at `where`: `key` names it in JSON, `sentence` in text. Names on
/// standard error what the copy lacks.
void ShowCopy(Console& console, const std::string& key, const std::string& sentence,
              const std::string& where, const CopyReport& report);

}  // namespace leadline::cli
