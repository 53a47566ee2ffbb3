#pragma once

#include <string>
#include <vector>

#include "arguments.h"
#include "leadline/core/file_system.h"
#include "leadline/core/status.h"

namespace leadline::cli {

/// One `key = value` of a section, as text.
struct TomlValue {
  std::string key;    ///< "grpc.address"
  std::string where;  ///< "leadline.toml:3"
  ValueType type = ValueType::kText;
  std::string text;
};

struct TomlSection {
  std::string name;
  std::string where;
};

struct TomlFile {
  std::vector<TomlSection> sections;  ///< in the order of the file, as are the values
  std::vector<TomlValue> values;
};

/// Reads a file of sections with plain values, 1 MiB at most. kInvalidArgument names the line, for
/// what is no TOML, keys outside of sections, and values that are tables, arrays or dates; the
/// errors of reading.
Result<TomlFile> ReadTomlFile(FileSystem* file_system, const std::string& path);

}  // namespace leadline::cli
