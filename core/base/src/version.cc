#include "leadline/core/version.h"

namespace leadline {

std::string_view Version() {
  return LEADLINE_VERSION;
}

}  // namespace leadline
