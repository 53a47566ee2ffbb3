#pragma once

/// Reader of the input of `leadline eval ground`: one JSON object a line,
/// {"id","response","contexts":[..],"question"?,"label"?}.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "leadline/core/file_system.h"
#include "leadline/core/status.h"
#include "leadline/eval/ground.h"

namespace leadline {

/// Bytes of one line: the caps of ground.h with every byte escaped as \u00XX would be longer, but
/// nothing a program writes is.
inline constexpr size_t kMaxGroundLineBytes = size_t{32} << 20;

/// One line of the file.
struct GroundRecord {
  GroundInput input;
  std::optional<bool> grounded;  ///< from "label": 1 or true, 0 or false
  size_t line = 0;               ///< counted from 1
};

/// Reads records front to back. `id` may be a string or an integer, 7 and "7" being the same;
/// unknown fields are ignored, blank lines skipped, a byte order mark and CRLF accepted. Keeps all
/// ids in memory, to find repeated ones. Externally synchronised.
class GroundReader {
 public:
  /// `fs` must outlive the reader. Errors: those of FileSystem::NewSequentialFile.
  static Result<std::unique_ptr<GroundReader>> Open(FileSystem* fs, const std::string& path);

  ~GroundReader();
  GroundReader(const GroundReader&) = delete;
  GroundReader& operator=(const GroundReader&) = delete;

  /// Returns the next record, or nothing at the end.
  ///
  /// Errors: kInvalidArgument "path:line: ..." for a line that is no JSON object, lacks a field,
  /// has
  ///         one twice or of another type, has the id of a line before, or passes a cap of ground.h
  ///         or kMaxGroundLineBytes. Reading may go on with the next line after any of these but
  ///         the last. Or an error of the file.
  Result<std::optional<GroundRecord>> Next();

  /// Number of the line read last; 0 before the first.
  [[nodiscard]] size_t line() const;
  /// Bytes of the lines read so far, and of the file when it was opened; 0 for what has no size, as
  /// a pipe.
  [[nodiscard]] uint64_t bytes_read() const;
  [[nodiscard]] uint64_t bytes_total() const;

 private:
  struct State;
  explicit GroundReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace leadline
