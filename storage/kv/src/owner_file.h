#pragma once

#include <memory>
#include <string>

#include "leadline/core/file_system.h"

namespace leadline::kv {

/// Makes this process the only writer of `directory`: takes the lock file and writes "OWNER" with
/// pid, host and version, text lines that the next contender quotes. An OWNER left by a crash is
/// overwritten. Errors: kFailedPrecondition naming the holder.
Result<std::unique_ptr<FileLock>> LockDirectory(FileSystem* fs, const std::string& directory);

/// Removes the OWNER file before the lock is released.
void RemoveOwnerFile(FileSystem* fs, const std::string& directory);

}  // namespace leadline::kv
