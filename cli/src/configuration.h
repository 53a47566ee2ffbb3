#pragma once

#include <optional>
#include <string>
#include <vector>

#include "arguments.h"
#include "leadline/core/file_system.h"
#include "leadline/core/status.h"

namespace leadline::cli {

/// One setting as it is in force.
struct Setting {
  const Argument* argument = nullptr;
  std::string value;   ///< as text; that of the default where nothing was given
  std::string source;  ///< "default", "file", "environment" or "flag"
  std::string where;   ///< "leadline.toml:3", "LEADLINE__LOG__LEVEL", "--log-level"; empty: default
};

/// Settings of a command from everywhere they may come from. A flag counts before the environment,
/// that before the file, that before the default. Immutable.
class Configuration {
 public:
  /// Stores what the file (none without a path) and the environment say into those of the parsed
  /// `arguments` that have a key and were not given as flags. kInvalidArgument for what is no
  /// setting, and for wrong types and values, hidden ones too: names where it stands, the key, the
  /// value and the limit. The errors of reading. Borrows the arguments.
  static Result<Configuration> Apply(const Arguments& arguments, FileSystem* file_system,
                                     const std::optional<std::string>& path,
                                     const char* const* environment);

  /// In the order they were declared.
  [[nodiscard]] const std::vector<Setting>& settings() const { return settings_; }

  /// An error about a flag, with the place its value came from where that was none.
  [[nodiscard]] Status Explain(const Status& status) const;

 private:
  Setting* Find(const std::string& key);
  Status TakeFile(FileSystem* file_system, const std::string& path);
  Status TakeEnvironment(const char* const* environment);
  /// Checks and stores a value.
  static Status Take(Setting* setting, const std::string& source, const std::string& where,
                     const std::string& field, const std::string& value);

  std::vector<Setting> settings_;
};

/// "LEADLINE__GRPC__ADDRESS" of "grpc.address".
std::string EnvironmentName(const std::string& key);

}  // namespace leadline::cli
