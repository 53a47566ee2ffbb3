#include "toml_file.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <sstream>
#include <string_view>
#include <utility>

#define TOML_EXCEPTIONS 0  // NOLINT(readability-identifier-naming): the library's name
#include <toml++/toml.h>

namespace leadline::cli {
namespace {

constexpr uint64_t kMaxFileBytes = uint64_t{1} << 20;

std::string RealText(double value) {
  std::array<char, 32> text{};
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
}

/// What errors call a value that no setting takes.
std::string_view KindName(const toml::node& node) {
  return node.is_array() ? "a list" : node.is_table() ? "a table" : "a date or time";
}

/// Turns the tables of toml++ into flat lists. Externally synchronised.
class Flattener {
 public:
  explicit Flattener(const std::string& path) : path_(path) {}

  Result<TomlFile> Flatten(const toml::table& root) {
    for (const auto& [name, node] : root) {
      const std::string key(name.str());
      const toml::table* section = node.as_table();
      if (section == nullptr) {
        return Refused(
            node, InvalidFieldError("stands in no section", key, "given", "under a [section]"));
      }
      sections_.push_back({LineOf(node), {key, Where(node)}});
      for (const auto& [inner, value] : *section) {
        LEADLINE_RETURN_IF_ERROR(AddValue(key + "." + std::string(inner.str()), value));
      }
    }
    return TomlFile{InOrder(std::move(sections_)), InOrder(std::move(values_))};
  }

 private:
  template <typename Item>
  using Numbered = std::vector<std::pair<uint32_t, Item>>;

  Status AddValue(const std::string& key, const toml::node& node) {
    TomlValue value{key, Where(node), ValueType::kText, ""};
    if (const auto text = node.value_exact<std::string>()) {
      if (text->find('\0') != std::string::npos) {
        return Refused(node, InvalidFieldError("holds a byte 0", key, "given", "text without it"));
      }
      value.text = *text;
    } else if (const auto number = node.value_exact<int64_t>()) {
      value.type = ValueType::kNumber;
      value.text = std::to_string(*number);
    } else if (const auto real = node.value_exact<double>()) {
      value.type = ValueType::kReal;
      value.text = RealText(*real);
    } else if (const auto truth = node.value_exact<bool>()) {
      value.type = ValueType::kTruth;
      value.text = *truth ? "true" : "false";
    } else {
      return Refused(node, InvalidFieldError("wrong type", key, KindName(node), "one value"));
    }
    values_.push_back({LineOf(node), std::move(value)});
    return OkStatus();
  }

  /// The order of the file; the library's is that of the names.
  template <typename Item>
  static std::vector<Item> InOrder(Numbered<Item> items) {
    std::stable_sort(items.begin(), items.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<Item> ordered;
    for (auto& [line, item] : items) {
      ordered.push_back(std::move(item));
    }
    return ordered;
  }

  static uint32_t LineOf(const toml::node& node) { return node.source().begin.line; }

  [[nodiscard]] std::string Where(const toml::node& node) const {
    return path_ + ":" + std::to_string(LineOf(node));
  }

  [[nodiscard]] Status Refused(const toml::node& node, Status status) const {
    return status.WithContext(Where(node));
  }

  const std::string path_;
  Numbered<TomlSection> sections_;
  Numbered<TomlValue> values_;
};

}  // namespace

Result<TomlFile> ReadTomlFile(FileSystem* file_system, const std::string& path) {
  LEADLINE_ASSIGN_OR_RETURN(const std::string text,
                            ReadFileToString(file_system, path, kMaxFileBytes));
  const toml::parse_result parsed = toml::parse(std::string_view(text), std::string_view(path));
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    Status status = InvalidArgumentError("not TOML: " + std::string(error.description()));
    return status.WithContext(path + ":" + std::to_string(error.source().begin.line));
  }
  return Flattener(path).Flatten(parsed.table());
}

}  // namespace leadline::cli
