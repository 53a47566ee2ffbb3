#pragma once

#include <span>
#include <utility>

#include "leadline/core/status.h"

namespace leadline::index {

/// The first of `statuses` that is an error, OK where none is. All of them count as read.
inline Status FirstError(std::span<Status> statuses) {
  Status first;
  for (Status& status : statuses) {
    if (!status.ok() && first.ok()) {
      first = std::move(status);
    }
  }
  return first;
}

}  // namespace leadline::index
