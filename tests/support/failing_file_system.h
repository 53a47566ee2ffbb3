#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "leadline/core/file_system.h"

namespace leadline::testing {

/// Forwards to another file system and fails the Nth counted operation (every call that may fail on
/// a disk), once or from then on. Not thread-safe.
class FailingFileSystem final : public FileSystem {
 public:
  explicit FailingFileSystem(FileSystem* base) : base_(base) {}

  /// Operation number `n`, counted from 1 on from this call, fails; `sticky` also all later ones.
  void FailAt(int n, bool sticky) {
    count_ = 0;
    fail_at_ = n;
    sticky_ = sticky;
    failed_ = false;
  }

  /// True once an operation was made to fail.
  [[nodiscard]] bool failed() const { return failed_; }

  Result<std::unique_ptr<SequentialFile>> NewSequentialFile(const std::string& path) override {
    LEADLINE_RETURN_IF_ERROR(Count("open", path));
    return base_->NewSequentialFile(path);
  }

  Result<std::unique_ptr<RandomAccessFile>> NewRandomAccessFile(const std::string& path) override {
    LEADLINE_RETURN_IF_ERROR(Count("open", path));
    return base_->NewRandomAccessFile(path);
  }

  Result<std::unique_ptr<WritableFile>> NewWritableFile(const std::string& path) override {
    LEADLINE_RETURN_IF_ERROR(Count("create", path));
    LEADLINE_ASSIGN_OR_RETURN(auto file, base_->NewWritableFile(path));
    return std::unique_ptr<WritableFile>(std::make_unique<File>(this, std::move(file), path));
  }

  Result<std::unique_ptr<WritableFile>> NewAppendableFile(const std::string& path) override {
    LEADLINE_RETURN_IF_ERROR(Count("open", path));
    LEADLINE_ASSIGN_OR_RETURN(auto file, base_->NewAppendableFile(path));
    return std::unique_ptr<WritableFile>(std::make_unique<File>(this, std::move(file), path));
  }

  Result<std::unique_ptr<RandomRwFile>> NewRandomRwFile(const std::string& path) override {
    LEADLINE_RETURN_IF_ERROR(Count("open", path));
    return base_->NewRandomRwFile(path);
  }

  Result<std::unique_ptr<Directory>> OpenDirectory(const std::string& path) override {
    LEADLINE_RETURN_IF_ERROR(Count("open directory", path));
    LEADLINE_ASSIGN_OR_RETURN(auto directory, base_->OpenDirectory(path));
    return std::unique_ptr<Directory>(std::make_unique<Dir>(this, std::move(directory), path));
  }

  Result<std::unique_ptr<MappedFile>> MapFile(const std::string& path) override {
    LEADLINE_RETURN_IF_ERROR(Count("map", path));
    return base_->MapFile(path);
  }

  Status FileExists(const std::string& path) override { return base_->FileExists(path); }

  Result<std::vector<std::string>> ListDirectory(const std::string& path) override {
    LEADLINE_RETURN_IF_ERROR(Count("list", path));
    return base_->ListDirectory(path);
  }

  Status DeleteFile(const std::string& path) override {
    LEADLINE_RETURN_IF_ERROR(Count("delete", path));
    return base_->DeleteFile(path);
  }

  Status TruncateFile(const std::string& path, uint64_t size) override {
    LEADLINE_RETURN_IF_ERROR(Count("truncate", path));
    return base_->TruncateFile(path, size);
  }

  Status CreateDirectory(const std::string& path) override {
    LEADLINE_RETURN_IF_ERROR(Count("create directory", path));
    return base_->CreateDirectory(path);
  }

  Status DeleteDirectory(const std::string& path) override {
    LEADLINE_RETURN_IF_ERROR(Count("delete directory", path));
    return base_->DeleteDirectory(path);
  }

  Result<uint64_t> FileSize(const std::string& path) override { return base_->FileSize(path); }

  Result<bool> IsDirectory(const std::string& path) override { return base_->IsDirectory(path); }

  Result<uint64_t> ModificationTime(const std::string& path) override {
    return base_->ModificationTime(path);
  }

  Status RenameFile(const std::string& from, const std::string& to) override {
    LEADLINE_RETURN_IF_ERROR(Count("rename", from));
    return base_->RenameFile(from, to);
  }

  Status LinkFile(const std::string& from, const std::string& to) override {
    LEADLINE_RETURN_IF_ERROR(Count("link", from));
    return base_->LinkFile(from, to);
  }

  Result<std::unique_ptr<FileLock>> LockFile(const std::string& path) override {
    LEADLINE_RETURN_IF_ERROR(Count("lock", path));
    return base_->LockFile(path);
  }

  Result<uint64_t> FreeSpace(const std::string& path) override { return base_->FreeSpace(path); }

  Result<std::string> AbsolutePath(const std::string& path) override {
    return base_->AbsolutePath(path);
  }

 private:
  Status Count(const char* operation, const std::string& path) {
    ++count_;
    if (fail_at_ > 0 && (count_ == fail_at_ || (sticky_ && count_ > fail_at_))) {
      failed_ = true;
      return UnavailableError(std::string("simulated I/O error: cannot ") + operation +
                              ": path=" + path);
    }
    return {};
  }

  class File final : public WritableFile {
   public:
    File(FailingFileSystem* fs, std::unique_ptr<WritableFile> base, std::string path)
        : fs_(fs), base_(std::move(base)), path_(std::move(path)) {}

    Status Append(std::string_view data) override {
      LEADLINE_RETURN_IF_ERROR(fs_->Count("append", path_));
      return base_->Append(data);
    }

    Status PositionedAppend(std::string_view data, uint64_t offset) override {
      LEADLINE_RETURN_IF_ERROR(fs_->Count("write", path_));
      return base_->PositionedAppend(data, offset);
    }

    Status Truncate(uint64_t size) override {
      LEADLINE_RETURN_IF_ERROR(fs_->Count("truncate", path_));
      return base_->Truncate(size);
    }

    Status Sync() override {
      LEADLINE_RETURN_IF_ERROR(fs_->Count("sync", path_));
      return base_->Sync();
    }

    Status Close() override {
      LEADLINE_RETURN_IF_ERROR(fs_->Count("close", path_));
      return base_->Close();
    }

    [[nodiscard]] uint64_t size() const override { return base_->size(); }

   private:
    FailingFileSystem* const fs_;
    const std::unique_ptr<WritableFile> base_;
    const std::string path_;
  };

  class Dir final : public Directory {
   public:
    Dir(FailingFileSystem* fs, std::unique_ptr<Directory> base, std::string path)
        : fs_(fs), base_(std::move(base)), path_(std::move(path)) {}

    Status Sync() override {
      LEADLINE_RETURN_IF_ERROR(fs_->Count("sync directory", path_));
      return base_->Sync();
    }

   private:
    FailingFileSystem* const fs_;
    const std::unique_ptr<Directory> base_;
    const std::string path_;
  };

  FileSystem* const base_;
  int count_ = 0;
  int fail_at_ = 0;
  bool sticky_ = false;
  bool failed_ = false;
};

}  // namespace leadline::testing
