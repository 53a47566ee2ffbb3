#include "name_rule.h"

#include <algorithm>

#include "leadline/core/types.h"

namespace leadline::cli {

Status CheckName(std::string_view what, std::string_view field, const std::string& name) {
  const bool fits = !name.empty() && name.size() <= kMaxCollectionNameBytes &&
                    std::all_of(name.begin(), name.end(), [](char c) {
                      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                             (c >= '0' && c <= '9') || c == '_' || c == '-';
                    });
  return fits ? OkStatus() : InvalidFieldError(what, field, name, "[A-Za-z0-9_-]{1,128}");
}

}  // namespace leadline::cli
