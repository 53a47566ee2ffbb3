#include "configuration.h"

#include <algorithm>
#include <cctype>
#include <set>
#include <string_view>
#include <utility>

#include "toml_file.h"

namespace leadline::cli {
namespace {

constexpr std::string_view kEnvironmentPrefix = "LEADLINE__";

std::string_view TypeName(ValueType type) {
  switch (type) {
    case ValueType::kText:
      return "a text";
    case ValueType::kNumber:
      return "a whole number";
    case ValueType::kReal:
      return "a number";
    case ValueType::kTruth:
      return "true or false";
  }
  return "a value";
}

bool Fits(ValueType given, ValueType wanted) {
  return given == wanted || (given == ValueType::kNumber && wanted == ValueType::kReal);
}

std::string SectionOf(const std::string& key) {
  return key.substr(0, key.find('.'));
}

/// "log.format, log.level" of the names that begin with `prefix`.
std::string Names(const std::vector<Setting>& settings, const std::string& prefix) {
  std::set<std::string> names;
  for (const Setting& setting : settings) {
    const std::string& key = setting.argument->key;
    if (key.starts_with(prefix)) {
      names.insert(prefix.empty() ? SectionOf(key) : key);
    }
  }
  std::string joined;
  for (const std::string& name : names) {
    joined += (joined.empty() ? "" : ", ") + name;
  }
  return joined;
}

Setting DefaultOf(const Argument& argument) {
  return {&argument, argument.kind == Argument::Kind::kFlag ? "false" : argument.default_text,
          "default", ""};
}

}  // namespace

std::string EnvironmentName(const std::string& key) {
  std::string name(kEnvironmentPrefix);
  for (const char c : key) {
    name += c == '.' ? "__" : std::string(1, static_cast<char>(std::toupper(c)));
  }
  return name;
}

Result<Configuration> Configuration::Apply(const Arguments& arguments, FileSystem* file_system,
                                           const std::optional<std::string>& path,
                                           const char* const* environment) {
  Configuration configuration;
  for (const Argument& argument : arguments.list()) {
    if (!argument.key.empty()) {
      configuration.settings_.push_back(DefaultOf(argument));
    }
  }
  if (path) {
    LEADLINE_RETURN_IF_ERROR(configuration.TakeFile(file_system, *path));
  }
  LEADLINE_RETURN_IF_ERROR(configuration.TakeEnvironment(environment));
  for (Setting& setting : configuration.settings_) {
    const Argument& argument = *setting.argument;
    if (!argument.given.empty()) {
      // Once more, over what file and environment have stored.
      LEADLINE_RETURN_IF_ERROR(
          Take(&setting, "flag", argument.name, argument.name, argument.given.back()));
    }
  }
  return configuration;
}

Status Configuration::Explain(const Status& status) const {
  if (status.ok()) {
    return status;
  }
  const std::string flag = status.field().substr(0, status.field().find(' '));  // "--x PART"
  for (const Setting& setting : settings_) {
    if (setting.argument->name == flag && setting.source != "flag" && setting.source != "default") {
      Status explained = status;
      return explained.WithContext(setting.where + ": " + setting.argument->key);
    }
  }
  return status;
}

Setting* Configuration::Find(const std::string& key) {
  const auto found = std::find_if(settings_.begin(), settings_.end(),
                                  [&key](const Setting& one) { return one.argument->key == key; });
  return found == settings_.end() ? nullptr : &*found;
}

Status Configuration::TakeFile(FileSystem* file_system, const std::string& path) {
  Result<TomlFile> read = ReadTomlFile(file_system, path);
  if (!read.ok()) {
    Status failed = std::move(read).status();
    return failed.code() == StatusCode::kInvalidArgument ? failed : failed.WithContext("--config");
  }
  for (const TomlSection& section : read->sections) {
    if (Names(settings_, section.name + ".").empty()) {
      Status unknown =
          InvalidFieldError("no such section", section.name, "given", Names(settings_, ""));
      return unknown.WithContext(section.where);
    }
  }
  for (const TomlValue& value : read->values) {
    Setting* const setting = Find(value.key);
    if (setting == nullptr) {
      // Not the value, here and of the environment: nobody knows what that is.
      Status unknown = InvalidFieldError("no such setting", value.key, "given",
                                         Names(settings_, SectionOf(value.key) + "."));
      return unknown.WithContext(value.where);
    }
    const ValueType wanted = setting->argument->type;
    if (!Fits(value.type, wanted)) {
      Status wrong = InvalidFieldError("wrong type", value.key,
                                       value.text + " (" + std::string(TypeName(value.type)) + ")",
                                       TypeName(wanted));
      return wrong.WithContext(value.where);
    }
    Status taken = Take(setting, "file", value.where, value.key, value.text);
    if (!taken.ok()) {
      return taken.WithContext(value.where);
    }
  }
  return OkStatus();
}

Status Configuration::TakeEnvironment(const char* const* environment) {
  std::vector<std::string> ours;
  for (; *environment != nullptr; ++environment) {
    if (std::string_view(*environment).starts_with(kEnvironmentPrefix)) {
      ours.emplace_back(*environment);
    }
  }
  std::sort(ours.begin(), ours.end());
  for (const std::string& line : ours) {
    const size_t equals = std::min(line.find('='), line.size());
    const std::string name = line.substr(0, equals);
    const auto found = std::find_if(
        settings_.begin(), settings_.end(),
        [&name](const Setting& one) { return EnvironmentName(one.argument->key) == name; });
    if (found == settings_.end()) {
      return InvalidFieldError("no such setting", name, "given",
                               "LEADLINE__SECTION__KEY of a setting");
    }
    LEADLINE_RETURN_IF_ERROR(Take(&*found, "environment", name, name,
                                  equals == line.size() ? "" : line.substr(equals + 1)));
  }
  return OkStatus();
}

Status Configuration::Take(Setting* setting, const std::string& source, const std::string& where,
                           const std::string& field, const std::string& value) {
  if (value.empty() && !setting->argument->may_be_empty) {
    return InvalidFieldError("must not be empty", field, "", "1 byte");
  }
  LEADLINE_RETURN_IF_ERROR(setting->argument->set(field, value));
  setting->value = value;
  setting->source = source;
  setting->where = where;
  return OkStatus();
}

}  // namespace leadline::cli
