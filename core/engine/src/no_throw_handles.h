#pragma once

#include <memory>

#include "leadline/core/collection.h"
#include "leadline/core/database.h"

namespace leadline::engine {

// What the public objects wrap may throw, std::bad_alloc above all; they answer with an error.
// Collections come from the database wrapped already.
std::unique_ptr<Database> WithoutThrowing(std::unique_ptr<Database> database);
std::shared_ptr<Collection> WithoutThrowing(std::shared_ptr<Collection> collection);

}  // namespace leadline::engine
