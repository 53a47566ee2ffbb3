#pragma once

#include <string>

#include "leadline/core/options.h"
#include "leadline/core/status.h"

namespace leadline::cli {

/// Refuses what Database::CreateCollection would refuse, naming the flag, so that `create` can tell
/// before it makes a database. Numbers that the flags bound themselves are not looked at again.
Status CheckCollection(const std::string& name, const CollectionOptions& options);

}  // namespace leadline::cli
