#pragma once

#include <exception>
#include <new>
#include <string>
#include <system_error>

#include "leadline/core/status.h"

namespace leadline {

/// The outcome of `call`, which returns a Status or a Result. What it throws becomes an error:
/// kResourceExhausted for memory or threads that ran out, kInternal for anything else.
template <typename Call>
auto NoThrow(const Call& call) -> decltype(call()) {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return ResourceExhaustedError("not enough memory");
  } catch (const std::system_error& error) {
    return ResourceExhaustedError(std::string("the system refused: ") + error.what());
  } catch (const std::exception& error) {
    return InternalError(std::string("unexpected exception: ") + error.what());
  }
}

}  // namespace leadline
