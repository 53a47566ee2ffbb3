#include "collection_limits.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "name_rule.h"

namespace leadline::cli {
namespace {

Status CheckRange(std::string_view what, std::string_view flag, size_t value, size_t min,
                  size_t max) {
  return value >= min && value <= max
             ? OkStatus()
             : InvalidFieldError(what, flag, std::to_string(value),
                                 "[" + std::to_string(min) + ", " + std::to_string(max) + "]");
}

Status CheckVectors(const CollectionOptions& options) {
  // One of them is the default vector, which has no --extra-vector.
  LEADLINE_RETURN_IF_ERROR(CheckRange("too many vector fields", "--extra-vector",
                                      options.vectors.size() - 1, 0, kMaxVectorFields - 1));
  std::set<std::string> names;
  for (const VectorField& field : options.vectors) {
    LEADLINE_RETURN_IF_ERROR(CheckName("not a vector name", "--extra-vector", field.name));
    if (!names.insert(field.name).second) {
      return InvalidFieldError("vector field named twice", "--extra-vector", field.name,
                               "unique names, and not the default's");
    }
  }
  return OkStatus();
}

}  // namespace

Status CheckCollection(const std::string& name, const CollectionOptions& options) {
  LEADLINE_RETURN_IF_ERROR(CheckName("not a collection name", "COLLECTION", name));
  LEADLINE_RETURN_IF_ERROR(CheckVectors(options));
  LEADLINE_RETURN_IF_ERROR(
      CheckRange("too many text fields", "--text", options.text_fields.size(), 0, kMaxTextFields));
  for (const std::string& field : options.text_fields) {
    LEADLINE_RETURN_IF_ERROR(CheckRange("bad length of a field name in bytes", "--text",
                                        field.size(), 1, kMaxTextFieldBytes));
    if (std::count(options.text_fields.begin(), options.text_fields.end(), field) > 1) {
      return InvalidFieldError("text field is named twice", "--text", field, "each field once");
    }
  }
  return CheckRange("bad length of the language code in bytes", "--language",
                    options.language.size(), 0, kMaxLanguageBytes);
}

}  // namespace leadline::cli
