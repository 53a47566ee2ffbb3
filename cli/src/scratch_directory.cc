#include "scratch_directory.h"

#include <unistd.h>
#include <utility>
#include <vector>

#include "leadline/core/file_system.h"

namespace leadline::cli {

Result<ScratchDirectory> ScratchDirectory::Create(const std::string& parent) {
  FileSystem* const fs = FileSystem::Posix();
  const Result<bool> exists = fs->IsDirectory(parent);
  if (!exists.ok() || !*exists) {
    return InvalidFieldError("no such directory", "--dir", parent, "an existing directory");
  }
  const std::string path = JoinPath(parent, "leadline-bench-" + std::to_string(::getpid()));
  LEADLINE_RETURN_IF_ERROR(fs->CreateDirectory(path));
  return ScratchDirectory(path);
}

ScratchDirectory::ScratchDirectory(ScratchDirectory&& other) noexcept
    : path_(std::exchange(other.path_, std::string())) {}

ScratchDirectory::~ScratchDirectory() {
  if (!path_.empty()) {
    DeleteRecursively(FileSystem::Posix(), path_).IgnoreError();
  }
}

Result<uint64_t> DirectoryBytes(const std::string& path) {
  FileSystem* const fs = FileSystem::Posix();
  uint64_t bytes = 0;
  std::vector<std::string> pending = {path};
  while (!pending.empty()) {
    const std::string directory = pending.back();
    pending.pop_back();
    LEADLINE_ASSIGN_OR_RETURN(const std::vector<std::string> names, fs->ListDirectory(directory));
    for (const std::string& name : names) {
      const std::string child = JoinPath(directory, name);
      LEADLINE_ASSIGN_OR_RETURN(const bool is_directory, fs->IsDirectory(child));
      if (is_directory) {
        pending.push_back(child);
        continue;
      }
      LEADLINE_ASSIGN_OR_RETURN(const uint64_t size, fs->FileSize(child));
      bytes += size;
    }
  }
  return bytes;
}

}  // namespace leadline::cli
