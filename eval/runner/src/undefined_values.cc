#include "undefined_values.h"

namespace leadline::eval {

Json UndefinedValues::Of(const std::string& name, std::optional<double> value,
                         std::string_view reason) {
  if (value) {
    return *value;
  }
  reasons_[name] = reason;
  return nullptr;
}

void UndefinedValues::AddTo(Json* object) const {
  if (!reasons_.empty()) {
    (*object)["undefined"] = reasons_;
  }
}

}  // namespace leadline::eval
