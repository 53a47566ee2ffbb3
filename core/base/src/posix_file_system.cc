#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <set>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <utility>

#include "errno_text.h"
#include "leadline/core/file_system.h"
#include "leadline/core/mutex.h"

namespace leadline {
namespace {

Status PosixError(std::string_view operation, const std::string& path, int error) {
  std::string message =
      "cannot " + std::string(operation) + ": path=" + path + ": " + ErrnoText(error);
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return NotFoundError(std::move(message));
    case EEXIST:
      return AlreadyExistsError(std::move(message));
    case EACCES:
    case EPERM:
    case EROFS:
      return PermissionDeniedError(std::move(message));
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return ResourceExhaustedError(std::move(message));
    default:
      return UnavailableError(std::move(message));
  }
}

/// Owns a descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}

  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  ~Descriptor() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }

  [[nodiscard]] int get() const { return fd_; }

  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

Status WriteAllAt(int fd, std::string_view data, uint64_t offset, const std::string& path) {
  while (!data.empty()) {
    const ssize_t n = ::pwrite(fd, data.data(), data.size(), static_cast<off_t>(offset));
    if (n < 0) {
      if (errno == EINTR) {
        continue;
      }
      return PosixError("write", path, errno);
    }
    data.remove_prefix(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
  return {};
}

Result<std::string_view> ReadAt(int fd, uint64_t offset, size_t n, char* scratch,
                                const std::string& path) {
  size_t done = 0;
  while (done < n) {
    const ssize_t got = ::pread(fd, scratch + done, n - done, static_cast<off_t>(offset + done));
    if (got < 0) {
      if (errno == EINTR) {
        continue;
      }
      return PosixError("read", path, errno);
    }
    if (got == 0) {
      break;
    }
    done += static_cast<size_t>(got);
  }
  return std::string_view(scratch, done);
}

class PosixSequentialFile final : public SequentialFile {
 public:
  PosixSequentialFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  Result<std::string_view> Read(size_t n, char* scratch) override {
    size_t done = 0;
    while (done < n) {
      const ssize_t got = ::read(fd_.get(), scratch + done, n - done);
      if (got < 0) {
        if (errno == EINTR) {
          continue;
        }
        return PosixError("read", path_, errno);
      }
      if (got == 0) {
        break;
      }
      done += static_cast<size_t>(got);
    }
    return std::string_view(scratch, done);
  }

  Status Skip(uint64_t n) override {
    if (::lseek(fd_.get(), static_cast<off_t>(n), SEEK_CUR) < 0) {
      return PosixError("seek", path_, errno);
    }
    return {};
  }

 private:
  Descriptor fd_;
  const std::string path_;
};

class PosixRandomAccessFile final : public RandomAccessFile {
 public:
  PosixRandomAccessFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  Result<std::string_view> Read(uint64_t offset, size_t n, char* scratch) const override {
    return ReadAt(fd_.get(), offset, n, scratch, path_);
  }

 private:
  Descriptor fd_;
  const std::string path_;
};

class PosixWritableFile final : public WritableFile {
 public:
  PosixWritableFile(int fd, std::string path, uint64_t size)
      : fd_(fd), path_(std::move(path)), size_(size) {}

  Status Append(std::string_view data) override {
    LEADLINE_RETURN_IF_ERROR(WriteAllAt(fd_.get(), data, size_, path_));
    size_ += data.size();
    return {};
  }

  Status PositionedAppend(std::string_view data, uint64_t offset) override {
    LEADLINE_RETURN_IF_ERROR(WriteAllAt(fd_.get(), data, offset, path_));
    size_ = std::max(size_, offset + data.size());
    return {};
  }

  Status Truncate(uint64_t size) override {
    if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) {
      return PosixError("truncate", path_, errno);
    }
    size_ = size;
    started_ = std::min(started_, size);
    return {};
  }

  void StartWriting() override {
    // What it cannot begin with, Sync does.
    ::sync_file_range(fd_.get(), static_cast<off_t>(started_), static_cast<off_t>(size_ - started_),
                      SYNC_FILE_RANGE_WRITE);
    started_ = size_;
  }

  Status Sync() override {
    if (::fdatasync(fd_.get()) != 0) {
      return PosixError("sync", path_, errno);
    }
    return {};
  }

  Status Close() override {
    const int fd = fd_.release();
    if (fd >= 0 && ::close(fd) != 0) {
      return PosixError("close", path_, errno);
    }
    return {};
  }

  [[nodiscard]] uint64_t size() const override { return size_; }

 private:
  Descriptor fd_;
  const std::string path_;
  uint64_t size_;
  uint64_t started_ = 0;  ///< bytes that StartWriting has seen
};

class PosixRandomRwFile final : public RandomRwFile {
 public:
  PosixRandomRwFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  Result<std::string_view> Read(uint64_t offset, size_t n, char* scratch) const override {
    return ReadAt(fd_.get(), offset, n, scratch, path_);
  }

  Status Write(uint64_t offset, std::string_view data) override {
    return WriteAllAt(fd_.get(), data, offset, path_);
  }

  Status Sync() override {
    if (::fdatasync(fd_.get()) != 0) {
      return PosixError("sync", path_, errno);
    }
    return {};
  }

  Status Close() override {
    const int fd = fd_.release();
    if (fd >= 0 && ::close(fd) != 0) {
      return PosixError("close", path_, errno);
    }
    return {};
  }

 private:
  Descriptor fd_;
  const std::string path_;
};

class PosixDirectory final : public Directory {
 public:
  PosixDirectory(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  Status Sync() override {
    if (::fsync(fd_.get()) != 0) {
      return PosixError("sync directory", path_, errno);
    }
    return {};
  }

 private:
  Descriptor fd_;
  const std::string path_;
};

class PosixMappedFile final : public MappedFile {
 public:
  PosixMappedFile(void* data, size_t size) : data_(data), size_(size) {}

  PosixMappedFile(const PosixMappedFile&) = delete;
  PosixMappedFile& operator=(const PosixMappedFile&) = delete;

  ~PosixMappedFile() override {
    if (size_ > 0) {
      ::munmap(data_, size_);
    }
  }

  [[nodiscard]] const uint8_t* data() const override { return static_cast<const uint8_t*>(data_); }

  [[nodiscard]] size_t size() const override { return size_; }

 private:
  void* data_;
  size_t size_;
};

/// Files locked by this process, by identity, because one file has many paths. POSIX record locks
/// do not exclude a second open of the same process, and closing any descriptor of a locked file
/// drops the lock: a held file must not even be opened again.
struct LockTable {
  using FileId = std::pair<dev_t, ino_t>;

  Mutex mutex;
  std::set<FileId> held LEADLINE_GUARDED_BY(mutex);

  static LockTable* Get() {
    static LockTable* const kTable = new LockTable();
    return kTable;
  }
};

class PosixFileLock final : public FileLock {
 public:
  PosixFileLock(int fd, LockTable::FileId id) : fd_(fd), id_(id) {}

  PosixFileLock(const PosixFileLock&) = delete;
  PosixFileLock& operator=(const PosixFileLock&) = delete;

  ~PosixFileLock() override {
    // Closed before the table forgets it: a close after the next open would drop the new lock.
    MutexLock lock(&LockTable::Get()->mutex);
    ::close(fd_.release());
    LockTable::Get()->held.erase(id_);
  }

 private:
  Descriptor fd_;
  const LockTable::FileId id_;
};

class PosixFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<SequentialFile>> NewSequentialFile(const std::string& path) override {
    LEADLINE_ASSIGN_OR_RETURN(const int fd, Open(path, O_RDONLY));
    return std::unique_ptr<SequentialFile>(std::make_unique<PosixSequentialFile>(fd, path));
  }

  Result<std::unique_ptr<RandomAccessFile>> NewRandomAccessFile(const std::string& path) override {
    LEADLINE_ASSIGN_OR_RETURN(const int fd, Open(path, O_RDONLY));
    return std::unique_ptr<RandomAccessFile>(std::make_unique<PosixRandomAccessFile>(fd, path));
  }

  Result<std::unique_ptr<WritableFile>> NewWritableFile(const std::string& path) override {
    LEADLINE_ASSIGN_OR_RETURN(const int fd, Open(path, O_WRONLY | O_CREAT | O_TRUNC));
    return std::unique_ptr<WritableFile>(std::make_unique<PosixWritableFile>(fd, path, 0));
  }

  Result<std::unique_ptr<WritableFile>> NewAppendableFile(const std::string& path) override {
    LEADLINE_ASSIGN_OR_RETURN(const int fd, Open(path, O_WRONLY | O_CREAT));
    Descriptor owned(fd);
    LEADLINE_ASSIGN_OR_RETURN(const uint64_t size, FileSize(path));
    return std::unique_ptr<WritableFile>(
        std::make_unique<PosixWritableFile>(owned.release(), path, size));
  }

  Result<std::unique_ptr<RandomRwFile>> NewRandomRwFile(const std::string& path) override {
    LEADLINE_ASSIGN_OR_RETURN(const int fd, Open(path, O_RDWR));
    return std::unique_ptr<RandomRwFile>(std::make_unique<PosixRandomRwFile>(fd, path));
  }

  Result<std::unique_ptr<Directory>> OpenDirectory(const std::string& path) override {
    LEADLINE_ASSIGN_OR_RETURN(const int fd, Open(path, O_RDONLY | O_DIRECTORY));
    return std::unique_ptr<Directory>(std::make_unique<PosixDirectory>(fd, path));
  }

  Result<std::unique_ptr<MappedFile>> MapFile(const std::string& path) override {
    LEADLINE_ASSIGN_OR_RETURN(const int fd, Open(path, O_RDONLY));
    const Descriptor owned(fd);

    struct stat info {};

    if (::fstat(fd, &info) != 0) {
      return PosixError("stat", path, errno);
    }
    if (!S_ISREG(info.st_mode)) {
      return InvalidArgumentError("cannot map: not a regular file: path=" + path);
    }
    const auto size = static_cast<size_t>(info.st_size);
    void* data = nullptr;
    if (size > 0) {
      data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
      if (data == MAP_FAILED) {
        return PosixError("map", path, errno);
      }
    }
    return std::unique_ptr<MappedFile>(std::make_unique<PosixMappedFile>(data, size));
  }

  Status FileExists(const std::string& path) override {
    if (::access(path.c_str(), F_OK) != 0) {
      return PosixError("find", path, errno);
    }
    return {};
  }

  Result<std::vector<std::string>> ListDirectory(const std::string& path) override {
    const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(path.c_str()), ::closedir);
    if (dir == nullptr) {
      return PosixError("list", path, errno);
    }
    std::vector<std::string> names;
    // One DIR per call, so readdir is safe here whatever other threads do.
    while (const dirent* entry = ::readdir(dir.get())) {  // NOLINT(concurrency-mt-unsafe)
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") {
        names.emplace_back(name);
      }
    }
    return names;
  }

  Status DeleteFile(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) {
      return PosixError("delete", path, errno);
    }
    return {};
  }

  Status TruncateFile(const std::string& path, uint64_t size) override {
    if (::truncate(path.c_str(), static_cast<off_t>(size)) != 0) {
      return PosixError("truncate", path, errno);
    }
    return {};
  }

  Status CreateDirectory(const std::string& path) override {
    if (::mkdir(path.c_str(), 0755) != 0) {
      return PosixError("create directory", path, errno);
    }
    return {};
  }

  Status DeleteDirectory(const std::string& path) override {
    if (::rmdir(path.c_str()) != 0) {
      return PosixError("delete directory", path, errno);
    }
    return {};
  }

  Result<uint64_t> FileSize(const std::string& path) override {
    LEADLINE_ASSIGN_OR_RETURN(const struct stat info, Stat(path));
    return static_cast<uint64_t>(info.st_size);
  }

  Result<bool> IsDirectory(const std::string& path) override {
    LEADLINE_ASSIGN_OR_RETURN(const struct stat info, Stat(path));
    return S_ISDIR(info.st_mode);
  }

  Result<bool> IsRegularFile(const std::string& path) override {
    LEADLINE_ASSIGN_OR_RETURN(const struct stat info, Stat(path));
    return S_ISREG(info.st_mode);
  }

  Result<uint64_t> ModificationTime(const std::string& path) override {
    LEADLINE_ASSIGN_OR_RETURN(const struct stat info, Stat(path));
    return static_cast<uint64_t>(info.st_mtime);
  }

  Status RenameFile(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) {
      return PosixError("rename", from + " -> " + to, errno);
    }
    return {};
  }

  Status LinkFile(const std::string& from, const std::string& to) override {
    if (::link(from.c_str(), to.c_str()) != 0) {
      return PosixError("link", from + " -> " + to, errno);
    }
    return {};
  }

  Result<std::unique_ptr<FileLock>> LockFile(const std::string& path) override {
    LockTable* const table = LockTable::Get();
    MutexLock lock(&table->mutex);
    const Result<struct stat> present = Stat(path);
    if (present.ok() && table->held.count({present->st_dev, present->st_ino}) > 0) {
      return FailedPreconditionError("lock held by this process: path=" + path);
    }
    LEADLINE_ASSIGN_OR_RETURN(const int fd, Open(path, O_RDWR | O_CREAT));
    Descriptor owned(fd);

    struct flock request {};

    request.l_type = F_WRLCK;
    request.l_whence = SEEK_SET;
    if (::fcntl(fd, F_SETLK, &request) != 0) {
      const int error = errno;
      if (error == EACCES || error == EAGAIN) {
        return FailedPreconditionError("lock held by another process: path=" + path);
      }
      return PosixError("lock", path, error);
    }

    struct stat info {};

    if (::fstat(fd, &info) != 0) {
      return PosixError("stat", path, errno);
    }
    const LockTable::FileId id(info.st_dev, info.st_ino);
    table->held.insert(id);
    return std::unique_ptr<FileLock>(std::make_unique<PosixFileLock>(owned.release(), id));
  }

  Result<uint64_t> FreeSpace(const std::string& path) override {
    struct statvfs info {};

    if (::statvfs(path.c_str(), &info) != 0) {
      return PosixError("measure free space", path, errno);
    }
    return static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
  }

  Result<std::string> AbsolutePath(const std::string& path) override {
    if (!path.empty() && path[0] == '/') {
      return path;
    }
    char* cwd = ::getcwd(nullptr, 0);
    if (cwd == nullptr) {
      return PosixError("find working directory", path, errno);
    }
    std::string absolute = JoinPath(cwd, path);
    std::free(cwd);
    return absolute;
  }

 private:
  static Result<int> Open(const std::string& path, int flags) {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0644);
    if (fd < 0) {
      return PosixError("open", path, errno);
    }
    return fd;
  }

  static Result<struct stat> Stat(const std::string& path) {
    struct stat info {};

    if (::stat(path.c_str(), &info) != 0) {
      return PosixError("stat", path, errno);
    }
    return info;
  }
};

}  // namespace

FileSystem* FileSystem::Posix() {
  static PosixFileSystem* const kFileSystem = new PosixFileSystem();
  return kFileSystem;
}

}  // namespace leadline
