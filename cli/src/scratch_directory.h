#pragma once

#include <cstdint>
#include <string>

#include "leadline/core/status.h"

namespace leadline::cli {

/// A new directory that is deleted with its contents at the end of scope, unless kept.
class ScratchDirectory {
 public:
  /// Creates PARENT/leadline-bench-PID. Errors: those of FileSystem::CreateDirectory.
  static Result<ScratchDirectory> Create(const std::string& parent);
  ScratchDirectory(ScratchDirectory&& other) noexcept;
  ScratchDirectory& operator=(ScratchDirectory&& other) = delete;
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  ~ScratchDirectory();

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  explicit ScratchDirectory(std::string path) : path_(std::move(path)) {}

  std::string path_;  ///< empty after a move
};

/// Bytes of all files below `path`.
Result<uint64_t> DirectoryBytes(const std::string& path);

}  // namespace leadline::cli
