#pragma once

#include <utility>

#include <nlohmann/json.hpp>

namespace leadline::rpc {

/// What of a report does not depend on how fast the machine is.
inline nlohmann::json WithoutTimes(nlohmann::json value) {
  if (value.is_object()) {
    for (const char* name :
         {"latency_us", "qps", "wall_s", "truth_s", "finished_unix_ms", "took_us", "embed_us"}) {
      value.erase(name);
    }
  }
  for (nlohmann::json& item : value) {
    if (item.is_structured()) {
      item = WithoutTimes(std::move(item));
    }
  }
  return value;
}

}  // namespace leadline::rpc
