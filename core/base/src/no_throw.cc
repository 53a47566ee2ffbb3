#include "leadline/core/no_throw.h"

#include <new>
#include <string>
#include <system_error>

namespace leadline {
namespace {

bool IsShortage(const std::error_code& code) {
  return code == std::errc::resource_unavailable_try_again || code == std::errc::not_enough_memory;
}

Status Describe(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) {
    return OutOfMemoryError();
  }
  const auto* refused = dynamic_cast<const std::system_error*>(&error);
  if (refused != nullptr && IsShortage(refused->code())) {
    return ResourceExhaustedError(std::string("the system refused: ") + error.what());
  }
  return InternalError(std::string("unexpected exception: ") + error.what());
}

}  // namespace

Status StatusOfException(const std::exception& error) noexcept {
  try {
    return Describe(error);
  } catch (const std::bad_alloc&) {
    return OutOfMemoryError();
  }
}

}  // namespace leadline
