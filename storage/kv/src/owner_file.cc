#include "owner_file.h"

#include <algorithm>
#include <unistd.h>
#include <utility>

#include "leadline/core/no_throw.h"
#include "leadline/core/version.h"

namespace leadline::kv {
namespace {

constexpr uint64_t kMaxOwnerBytes = 1024;

std::string OwnerPath(const std::string& directory) {
  return JoinPath(directory, "OWNER");
}

std::string HostName() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0) {
    return "unknown";
  }
  return name;
}

/// Nothing depends on this file, so it is not synced; the rename keeps readers from seeing half.
Status WriteOwnerFile(FileSystem* fs, const std::string& directory) {
  const std::string path = OwnerPath(directory);
  const std::string text = "pid=" + std::to_string(::getpid()) + "\nhost=" + HostName() +
                           "\nversion=" + std::string(Version()) + "\n";
  {
    LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file,
                              fs->NewWritableFile(path + ".tmp"));
    LEADLINE_RETURN_IF_ERROR(file->Append(text));
    LEADLINE_RETURN_IF_ERROR(file->Close());
  }
  return fs->RenameFile(path + ".tmp", path);
}

/// "pid=1 host=a version=b", fit for one line of a message whatever the file holds.
std::string DescribeOwner(FileSystem* fs, const std::string& directory) {
  Result<std::string> text = ReadFileToString(fs, OwnerPath(directory), kMaxOwnerBytes);
  if (!text.ok() || text->empty()) {
    return "pid=unknown";
  }
  std::replace_if(
      text->begin(), text->end(), [](unsigned char c) { return c < 0x20 || c > 0x7e; }, ' ');
  while (!text->empty() && text->back() == ' ') {
    text->pop_back();
  }
  return std::move(*text);
}

}  // namespace

Result<std::unique_ptr<FileLock>> LockDirectory(FileSystem* fs, const std::string& directory) {
  Result<std::unique_ptr<FileLock>> lock = fs->LockFile(JoinPath(directory, "LOCK"));
  if (!lock.ok()) {
    if (lock.status().code() != StatusCode::kFailedPrecondition) {
      return lock;
    }
    return FailedPreconditionError("store is open for writing elsewhere: " +
                                   DescribeOwner(fs, directory) + " directory=" + directory);
  }
  LEADLINE_RETURN_IF_ERROR(WriteOwnerFile(fs, directory));
  return lock;
}

void RemoveOwnerFile(FileSystem* fs, const std::string& directory) {
  NoThrow([&] { return fs->DeleteFile(OwnerPath(directory)); }).IgnoreError();
}

}  // namespace leadline::kv
