#pragma once

#include <memory>

#include "database_handle.h"
#include "leadline/core/database.h"

namespace leadline::engine {

/// The public object over an open database. Answers exceptions with errors.
std::unique_ptr<Database> DatabaseOver(std::shared_ptr<DatabaseHandle> handle);

}  // namespace leadline::engine
