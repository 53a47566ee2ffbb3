#pragma once

#include <cstddef>
#include <functional>

#include "leadline/core/executor.h"
#include "leadline/core/status.h"

namespace leadline::index::hnsw {

/// Runs body(0) ... body(n - 1), which must not depend on each other, on `executor` (null: on this
/// thread) and returns one of the errors, after which the rest is skipped. An exception becomes an
/// error (NoThrow) and never reaches a pool's thread.
Status ForEachInParallel(Executor* executor, size_t n, const std::function<Status(size_t)>& body);

}  // namespace leadline::index::hnsw
