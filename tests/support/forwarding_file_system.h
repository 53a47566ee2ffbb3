#pragma once

/// A FileSystem that hands everything on and lets a test step in.
///
///   ForwardingFileSystem fs(FileSystem::Posix());
///   fs.set_before([](FileCall call, const std::string& path) { ... return OkStatus() or an error;
///   }); fs.set_free_space([](const std::string& path) { return uint64_t{1} << 30; });

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "leadline/core/file_system.h"
#include "leadline/core/mutex.h"

namespace leadline::testing {

/// Calls a hook is asked about.
enum class FileCall : uint8_t {
  kRead,       ///< opening a file for that
  kReadBytes,  ///< of such a file
  kMap,
  kCreate,
  kAppend,
  kDelete,
  kMakeDirectory,
  kSyncDirectory
};

/// Thread-safe; the hooks must be.
class ForwardingFileSystem final : public FileSystem {
 public:
  using Before = std::function<Status(FileCall call, const std::string& path)>;
  using FreeSpaceHook = std::function<uint64_t(const std::string& path)>;

  explicit ForwardingFileSystem(FileSystem* target) : target_(target) {}

  /// Asked before each call; an error is the call's answer. Null asks nobody.
  void set_before(Before before) {
    MutexLock lock(&mutex_);
    before_ = std::move(before);
  }

  void set_free_space(FreeSpaceHook hook) {
    MutexLock lock(&mutex_);
    free_space_ = std::move(hook);
  }

  Result<std::unique_ptr<SequentialFile>> NewSequentialFile(const std::string& path) override {
    return target_->NewSequentialFile(path);
  }

  Result<std::unique_ptr<RandomAccessFile>> NewRandomAccessFile(const std::string& path) override {
    LEADLINE_RETURN_IF_ERROR(Ask(FileCall::kRead, path));
    LEADLINE_ASSIGN_OR_RETURN(std::unique_ptr<RandomAccessFile> file,
                              target_->NewRandomAccessFile(path));
    return std::unique_ptr<RandomAccessFile>(
        std::make_unique<ForwardingReads>(this, path, std::move(file)));
  }

  Result<std::unique_ptr<WritableFile>> NewWritableFile(const std::string& path) override {
    LEADLINE_RETURN_IF_ERROR(Ask(FileCall::kCreate, path));
    LEADLINE_ASSIGN_OR_RETURN(std::unique_ptr<WritableFile> file, target_->NewWritableFile(path));
    return std::unique_ptr<WritableFile>(
        std::make_unique<ForwardingFile>(this, path, std::move(file)));
  }

  Result<std::unique_ptr<WritableFile>> NewAppendableFile(const std::string& path) override {
    return target_->NewAppendableFile(path);
  }

  Result<std::unique_ptr<RandomRwFile>> NewRandomRwFile(const std::string& path) override {
    return target_->NewRandomRwFile(path);
  }

  Result<std::unique_ptr<Directory>> OpenDirectory(const std::string& path) override {
    LEADLINE_RETURN_IF_ERROR(Ask(FileCall::kSyncDirectory, path));
    return target_->OpenDirectory(path);
  }

  Result<std::unique_ptr<MappedFile>> MapFile(const std::string& path) override {
    LEADLINE_RETURN_IF_ERROR(Ask(FileCall::kMap, path));
    return target_->MapFile(path);
  }

  Status FileExists(const std::string& path) override { return target_->FileExists(path); }

  Result<std::vector<std::string>> ListDirectory(const std::string& path) override {
    return target_->ListDirectory(path);
  }

  Status DeleteFile(const std::string& path) override {
    LEADLINE_RETURN_IF_ERROR(Ask(FileCall::kDelete, path));
    return target_->DeleteFile(path);
  }

  Status TruncateFile(const std::string& path, uint64_t size) override {
    return target_->TruncateFile(path, size);
  }

  Status CreateDirectory(const std::string& path) override {
    LEADLINE_RETURN_IF_ERROR(Ask(FileCall::kMakeDirectory, path));
    return target_->CreateDirectory(path);
  }

  Status DeleteDirectory(const std::string& path) override {
    return target_->DeleteDirectory(path);
  }

  Result<uint64_t> FileSize(const std::string& path) override { return target_->FileSize(path); }

  Result<bool> IsDirectory(const std::string& path) override { return target_->IsDirectory(path); }

  Result<uint64_t> ModificationTime(const std::string& path) override {
    return target_->ModificationTime(path);
  }

  Status RenameFile(const std::string& from, const std::string& to) override {
    return target_->RenameFile(from, to);
  }

  Status LinkFile(const std::string& from, const std::string& to) override {
    return target_->LinkFile(from, to);
  }

  Result<std::unique_ptr<FileLock>> LockFile(const std::string& path) override {
    return target_->LockFile(path);
  }

  Result<uint64_t> FreeSpace(const std::string& path) override {
    FreeSpaceHook hook;
    {
      MutexLock lock(&mutex_);
      hook = free_space_;
    }
    return hook ? Result<uint64_t>(hook(path)) : target_->FreeSpace(path);
  }

  Result<std::string> AbsolutePath(const std::string& path) override {
    return target_->AbsolutePath(path);
  }

 private:
  class ForwardingReads final : public RandomAccessFile {
   public:
    ForwardingReads(ForwardingFileSystem* owner, std::string path,
                    std::unique_ptr<RandomAccessFile> target)
        : owner_(owner), path_(std::move(path)), target_(std::move(target)) {}

    Result<std::string_view> Read(uint64_t offset, size_t n, char* scratch) const override {
      LEADLINE_RETURN_IF_ERROR(owner_->Ask(FileCall::kReadBytes, path_));
      return target_->Read(offset, n, scratch);
    }

   private:
    ForwardingFileSystem* owner_;
    std::string path_;
    std::unique_ptr<RandomAccessFile> target_;
  };

  class ForwardingFile final : public WritableFile {
   public:
    ForwardingFile(ForwardingFileSystem* owner, std::string path,
                   std::unique_ptr<WritableFile> target)
        : owner_(owner), path_(std::move(path)), target_(std::move(target)) {}

    Status Append(std::string_view data) override {
      LEADLINE_RETURN_IF_ERROR(owner_->Ask(FileCall::kAppend, path_));
      return target_->Append(data);
    }

    Status PositionedAppend(std::string_view data, uint64_t offset) override {
      return target_->PositionedAppend(data, offset);
    }

    Status Truncate(uint64_t size) override { return target_->Truncate(size); }

    Status Sync() override { return target_->Sync(); }

    Status Close() override { return target_->Close(); }

    [[nodiscard]] uint64_t size() const override { return target_->size(); }

   private:
    ForwardingFileSystem* const owner_;
    const std::string path_;
    const std::unique_ptr<WritableFile> target_;
  };

  Status Ask(FileCall call, const std::string& path) {
    Before before;
    {
      MutexLock lock(&mutex_);
      before = before_;
    }
    return before ? before(call, path) : OkStatus();
  }

  FileSystem* const target_;
  Mutex mutex_;
  Before before_ LEADLINE_GUARDED_BY(mutex_);
  FreeSpaceHook free_space_ LEADLINE_GUARDED_BY(mutex_);
};

}  // namespace leadline::testing
