#include "leadline/core/file_system.h"

namespace leadline {

Result<bool> FileSystem::IsRegularFile(const std::string& path) {
  LEADLINE_ASSIGN_OR_RETURN(const bool directory, IsDirectory(path));
  return !directory;
}

Result<std::string> ReadFileToString(FileSystem* fs, const std::string& path, uint64_t max_bytes) {
  LEADLINE_ASSIGN_OR_RETURN(const uint64_t size, fs->FileSize(path));
  if (size > max_bytes) {
    return ResourceExhaustedError("file larger than its limit: path=" + path + " size=" +
                                  std::to_string(size) + " limit=" + std::to_string(max_bytes));
  }
  LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<RandomAccessFile> file,
                            fs->NewRandomAccessFile(path));
  std::string contents(size, '\0');
  LEADLINE_ASSIGN_OR_RETURN(const std::string_view got,
                            file->Read(0, contents.size(), contents.data()));
  contents.resize(got.size());
  return contents;
}

Status WriteFileAtomically(FileSystem* fs, const std::string& path, std::string_view contents) {
  const std::string temporary = path + ".tmp";
  LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file,
                            fs->NewWritableFile(temporary));
  LEADLINE_RETURN_IF_ERROR(file->Append(contents));
  LEADLINE_RETURN_IF_ERROR(file->Sync());
  LEADLINE_RETURN_IF_ERROR(file->Close());
  LEADLINE_RETURN_IF_ERROR(fs->RenameFile(temporary, path));
  return SyncDirectory(fs, DirectoryName(path));
}

std::string DirectoryName(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) {
    return ".";
  }
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string JoinPath(std::string_view directory, std::string_view name) {
  std::string path(directory);
  if (!path.empty() && path.back() != '/') {
    path.push_back('/');
  }
  path.append(name);
  return path;
}

Status CreateDirectories(FileSystem* fs, const std::string& path) {
  if (path.empty() || fs->FileExists(path).ok()) {
    return {};
  }
  const std::string parent = DirectoryName(path);
  if (parent != path && parent != ".") {
    LEADLINE_RETURN_IF_ERROR(CreateDirectories(fs, parent));
  }
  Status created = fs->CreateDirectory(path);
  return created.code() == StatusCode::kAlreadyExists ? OkStatus() : created;
}

Status SyncDirectory(FileSystem* fs, const std::string& path) {
  LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<Directory> directory, fs->OpenDirectory(path));
  return directory->Sync();
}

Status CreateDirectoriesDurably(FileSystem* fs, const std::string& path) {
  if (path.empty() || fs->FileExists(path).ok()) {
    return {};
  }
  const std::string parent = DirectoryName(path);
  if (parent != path) {
    LEADLINE_RETURN_IF_ERROR(CreateDirectoriesDurably(fs, parent));
  }
  Status created = fs->CreateDirectory(path);
  if (!created.ok() && created.code() != StatusCode::kAlreadyExists) {
    return created;
  }
  return SyncDirectory(fs, parent);
}

Status DeleteRecursively(FileSystem* fs, const std::string& path) {
  Status unlinked = fs->DeleteFile(path);
  if (unlinked.ok() || unlinked.code() == StatusCode::kNotFound) {
    return {};
  }
  if (unlinked.code() == StatusCode::kPermissionDenied) {
    // Also what unlinking a symbolic link may answer: going on would list what it points to.
    return unlinked;
  }
  const Result<std::vector<std::string>> names = fs->ListDirectory(path);
  if (!names.ok()) {
    return names.status().code() == StatusCode::kNotFound ? unlinked : names.status();
  }
  for (const std::string& name : *names) {
    LEADLINE_RETURN_IF_ERROR(DeleteRecursively(fs, JoinPath(path, name)));
  }
  return fs->DeleteDirectory(path);
}

}  // namespace leadline
