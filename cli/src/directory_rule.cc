#include "directory_rule.h"

#include "leadline/core/file_system.h"

namespace leadline::cli {

Status CheckDirectory(std::string_view what, const std::string& flag, const std::string& value,
                      const std::string& directory) {
  const Result<bool> there = FileSystem::Posix()->IsDirectory(directory);
  if (there.ok() && *there) {
    return OkStatus();
  }
  const Status wrong = InvalidFieldError(what, flag, value, "a directory that exists");
  return FailedPreconditionError(wrong.message()).WithField(wrong.field(), wrong.limit());
}

}  // namespace leadline::cli
