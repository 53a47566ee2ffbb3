#pragma once

#include <exception>

#include "leadline/core/status.h"

namespace leadline {

/// The error for `error`: kResourceExhausted for memory that ran out, or for a system that has no
/// thread, lock or memory to give; kInternal for everything else. Without memory to say more it is
/// OutOfMemoryError().
Status StatusOfException(const std::exception& error) noexcept;

/// The outcome of `call`, which returns a Status or a Result. What it throws becomes an error, as
/// StatusOfException says; this holds too where no memory is left at all.
template <typename Call>
auto NoThrow(const Call& call) -> decltype(call()) {
  try {
    return call();
  } catch (const std::exception& error) {
    return StatusOfException(error);
  }
}

}  // namespace leadline
