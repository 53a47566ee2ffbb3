#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "json_text.h"

namespace leadline::eval {

/// Collects why values of one JSON object are null. Externally synchronised.
///
///   UndefinedValues undefined;
///   object["auroc"] = undefined.Of("auroc", value, reason);
///   undefined.AddTo(&object);  // "undefined": {"auroc": "one label only"}
class UndefinedValues {
 public:
  /// The value, or null; `reason` is then kept under `name`.
  Json Of(const std::string& name, std::optional<double> value, std::string_view reason);
  /// Sets "undefined" where some value was null.
  void AddTo(Json* object) const;

 private:
  Json reasons_ = Json::object();
};

}  // namespace leadline::eval
