#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "leadline/eval/runner.h"

namespace leadline::eval {

/// Hash of a query set: ids, texts, vector bits and filters, in order.
uint64_t HashQueries(std::span<const InputQuery> queries);
/// RunResult::hash.
std::string HashRun(const RunResult& result);

}  // namespace leadline::eval
