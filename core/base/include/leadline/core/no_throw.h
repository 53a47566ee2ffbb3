#pragma once

#include <exception>
#include <new>
#include <string>
#include <system_error>

#include "leadline/core/status.h"

namespace leadline {

/// The outcome of `call`, which returns a Status or a Result. What it throws becomes an error:
/// kResourceExhausted for memory that ran out or a system that refused, kInternal for other
/// standard exceptions. Making the error needs a little memory itself.
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
