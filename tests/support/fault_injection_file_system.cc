#include "fault_injection_file_system.h"

#include <algorithm>
#include <utility>

namespace leadline::testing {
namespace {

class FaultySequentialFile final : public SequentialFile {
 public:
  FaultySequentialFile(std::unique_ptr<SequentialFile> target, FaultSource* faults,
                       std::string path)
      : target_(std::move(target)), faults_(faults), path_(std::move(path)) {}

  Result<std::string_view> Read(size_t n, char* scratch) override {
    LEADLINE_RETURN_IF_ERROR(faults_->Check(FileOp::kRead, path_));
    return target_->Read(n, scratch);
  }

  Status Skip(uint64_t n) override { return target_->Skip(n); }

 private:
  const std::unique_ptr<SequentialFile> target_;
  FaultSource* const faults_;
  const std::string path_;
};

class FaultyRandomAccessFile final : public RandomAccessFile {
 public:
  FaultyRandomAccessFile(std::unique_ptr<RandomAccessFile> target, FaultSource* faults,
                         std::string path)
      : target_(std::move(target)), faults_(faults), path_(std::move(path)) {}

  Result<std::string_view> Read(uint64_t offset, size_t n, char* scratch) const override {
    LEADLINE_RETURN_IF_ERROR(faults_->Check(FileOp::kRead, path_));
    return target_->Read(offset, n, scratch);
  }

 private:
  const std::unique_ptr<RandomAccessFile> target_;
  FaultSource* const faults_;
  const std::string path_;
};

class FaultyWritableFile final : public WritableFile {
 public:
  FaultyWritableFile(std::unique_ptr<WritableFile> target, FaultSource* faults, std::string path,
                     bool skip_sync)
      : target_(std::move(target)),
        faults_(faults),
        path_(std::move(path)),
        skip_sync_(skip_sync) {}

  Status Append(std::string_view data) override {
    size_t written = data.size();
    Status fault = faults_->CheckWrite(path_, data.size(), &written);
    if (written > 0 || fault.ok()) {
      LEADLINE_RETURN_IF_ERROR(target_->Append(data.substr(0, written)));
    }
    return fault;
  }

  Status PositionedAppend(std::string_view data, uint64_t offset) override {
    size_t written = data.size();
    Status fault = faults_->CheckWrite(path_, data.size(), &written);
    if (written > 0 || fault.ok()) {
      LEADLINE_RETURN_IF_ERROR(target_->PositionedAppend(data.substr(0, written), offset));
    }
    return fault;
  }

  Status Truncate(uint64_t size) override {
    LEADLINE_RETURN_IF_ERROR(faults_->Check(FileOp::kTruncate, path_));
    return target_->Truncate(size);
  }

  Status Sync() override {
    LEADLINE_RETURN_IF_ERROR(faults_->Check(FileOp::kSync, path_));
    return skip_sync_ ? OkStatus() : target_->Sync();
  }

  Status Close() override { return target_->Close(); }

  [[nodiscard]] uint64_t size() const override { return target_->size(); }

 private:
  const std::unique_ptr<WritableFile> target_;
  FaultSource* const faults_;
  const std::string path_;
  const bool skip_sync_;
};

class FaultyRandomRwFile final : public RandomRwFile {
 public:
  FaultyRandomRwFile(std::unique_ptr<RandomRwFile> target, FaultSource* faults, std::string path,
                     bool skip_sync)
      : target_(std::move(target)),
        faults_(faults),
        path_(std::move(path)),
        skip_sync_(skip_sync) {}

  Result<std::string_view> Read(uint64_t offset, size_t n, char* scratch) const override {
    LEADLINE_RETURN_IF_ERROR(faults_->Check(FileOp::kRead, path_));
    return target_->Read(offset, n, scratch);
  }

  Status Write(uint64_t offset, std::string_view data) override {
    size_t written = data.size();
    Status fault = faults_->CheckWrite(path_, data.size(), &written);
    if (written > 0 || fault.ok()) {
      LEADLINE_RETURN_IF_ERROR(target_->Write(offset, data.substr(0, written)));
    }
    return fault;
  }

  Status Sync() override {
    LEADLINE_RETURN_IF_ERROR(faults_->Check(FileOp::kSync, path_));
    return skip_sync_ ? OkStatus() : target_->Sync();
  }

  Status Close() override { return target_->Close(); }

 private:
  const std::unique_ptr<RandomRwFile> target_;
  FaultSource* const faults_;
  const std::string path_;
  const bool skip_sync_;
};

class FaultyDirectory final : public Directory {
 public:
  FaultyDirectory(std::unique_ptr<Directory> target, FaultSource* faults, std::string path,
                  bool skip_sync)
      : target_(std::move(target)),
        faults_(faults),
        path_(std::move(path)),
        skip_sync_(skip_sync) {}

  Status Sync() override {
    LEADLINE_RETURN_IF_ERROR(faults_->Check(FileOp::kDirectorySync, path_));
    return skip_sync_ ? OkStatus() : target_->Sync();
  }

 private:
  const std::unique_ptr<Directory> target_;
  FaultSource* const faults_;
  const std::string path_;
  const bool skip_sync_;
};

}  // namespace

void FaultSource::Arm(FaultPlan plan) {
  MutexLock lock(&mutex_);
  plan_ = std::move(plan);
  seen_ = 0;
  fired_ = 0;
}

uint64_t FaultSource::Disarm() {
  MutexLock lock(&mutex_);
  plan_.reset();
  return fired_;
}

uint64_t FaultSource::seen() const {
  MutexLock lock(&mutex_);
  return seen_;
}

void FaultSource::SetByteBudget(std::optional<uint64_t> bytes) {
  MutexLock lock(&mutex_);
  budget_ = bytes;
}

Status FaultSource::Check(FileOp op, const std::string& path) {
  MutexLock lock(&mutex_);
  return CheckLocked(op, path);
}

Status FaultSource::CheckLocked(FileOp op, const std::string& path) {
  if (!plan_ || !plan_->ops.has(op) || path.find(plan_->path_contains) == std::string::npos) {
    return {};
  }
  ++seen_;
  if (seen_ == plan_->nth || (plan_->sticky && seen_ > plan_->nth)) {
    ++fired_;
    return Status(plan_->code, "injected fault: path=" + path);
  }
  return {};
}

Status FaultSource::CheckWrite(const std::string& path, size_t bytes, size_t* written) {
  MutexLock lock(&mutex_);
  *written = bytes;
  Status fault = CheckLocked(FileOp::kWrite, path);
  if (!fault.ok()) {
    *written = plan_->short_write ? bytes / 2 : 0;
    return fault;
  }
  if (budget_) {
    *written = static_cast<size_t>(std::min<uint64_t>(bytes, *budget_));
    *budget_ -= *written;
    if (*written < bytes) {
      return ResourceExhaustedError("injected full disk: path=" + path);
    }
  }
  return {};
}

Result<std::unique_ptr<SequentialFile>> FaultInjectionFileSystem::NewSequentialFile(
    const std::string& path) {
  LEADLINE_RETURN_IF_ERROR(faults_.Check(FileOp::kOpenRead, path));
  LEADLINE_ASSIGN_OR_RETURN(std::unique_ptr<SequentialFile> file, target_->NewSequentialFile(path));
  return std::unique_ptr<SequentialFile>(
      std::make_unique<FaultySequentialFile>(std::move(file), &faults_, path));
}

Result<std::unique_ptr<RandomAccessFile>> FaultInjectionFileSystem::NewRandomAccessFile(
    const std::string& path) {
  LEADLINE_RETURN_IF_ERROR(faults_.Check(FileOp::kOpenRead, path));
  LEADLINE_ASSIGN_OR_RETURN(std::unique_ptr<RandomAccessFile> file,
                            target_->NewRandomAccessFile(path));
  return std::unique_ptr<RandomAccessFile>(
      std::make_unique<FaultyRandomAccessFile>(std::move(file), &faults_, path));
}

Result<std::unique_ptr<WritableFile>> FaultInjectionFileSystem::NewWritableFile(
    const std::string& path) {
  LEADLINE_RETURN_IF_ERROR(faults_.Check(FileOp::kOpenWrite, path));
  LEADLINE_ASSIGN_OR_RETURN(std::unique_ptr<WritableFile> file, target_->NewWritableFile(path));
  return std::unique_ptr<WritableFile>(
      std::make_unique<FaultyWritableFile>(std::move(file), &faults_, path, skip_sync_));
}

Result<std::unique_ptr<WritableFile>> FaultInjectionFileSystem::NewAppendableFile(
    const std::string& path) {
  LEADLINE_RETURN_IF_ERROR(faults_.Check(FileOp::kOpenWrite, path));
  LEADLINE_ASSIGN_OR_RETURN(std::unique_ptr<WritableFile> file, target_->NewAppendableFile(path));
  return std::unique_ptr<WritableFile>(
      std::make_unique<FaultyWritableFile>(std::move(file), &faults_, path, skip_sync_));
}

Result<std::unique_ptr<RandomRwFile>> FaultInjectionFileSystem::NewRandomRwFile(
    const std::string& path) {
  LEADLINE_RETURN_IF_ERROR(faults_.Check(FileOp::kOpenWrite, path));
  LEADLINE_ASSIGN_OR_RETURN(std::unique_ptr<RandomRwFile> file, target_->NewRandomRwFile(path));
  return std::unique_ptr<RandomRwFile>(
      std::make_unique<FaultyRandomRwFile>(std::move(file), &faults_, path, skip_sync_));
}

Result<std::unique_ptr<Directory>> FaultInjectionFileSystem::OpenDirectory(
    const std::string& path) {
  LEADLINE_RETURN_IF_ERROR(faults_.Check(FileOp::kOpenRead, path));
  LEADLINE_ASSIGN_OR_RETURN(std::unique_ptr<Directory> directory, target_->OpenDirectory(path));
  return std::unique_ptr<Directory>(
      std::make_unique<FaultyDirectory>(std::move(directory), &faults_, path, skip_sync_));
}

Result<std::unique_ptr<MappedFile>> FaultInjectionFileSystem::MapFile(const std::string& path) {
  LEADLINE_RETURN_IF_ERROR(faults_.Check(FileOp::kOpenRead, path));
  return target_->MapFile(path);
}

Status FaultInjectionFileSystem::FileExists(const std::string& path) {
  LEADLINE_RETURN_IF_ERROR(faults_.Check(FileOp::kLookup, path));
  return target_->FileExists(path);
}

Result<std::vector<std::string>> FaultInjectionFileSystem::ListDirectory(const std::string& path) {
  LEADLINE_RETURN_IF_ERROR(faults_.Check(FileOp::kLookup, path));
  return target_->ListDirectory(path);
}

Status FaultInjectionFileSystem::DeleteFile(const std::string& path) {
  LEADLINE_RETURN_IF_ERROR(faults_.Check(FileOp::kDelete, path));
  return target_->DeleteFile(path);
}

Status FaultInjectionFileSystem::TruncateFile(const std::string& path, uint64_t size) {
  LEADLINE_RETURN_IF_ERROR(faults_.Check(FileOp::kTruncate, path));
  return target_->TruncateFile(path, size);
}

Status FaultInjectionFileSystem::CreateDirectory(const std::string& path) {
  LEADLINE_RETURN_IF_ERROR(faults_.Check(FileOp::kCreateDirectory, path));
  return target_->CreateDirectory(path);
}

Status FaultInjectionFileSystem::DeleteDirectory(const std::string& path) {
  LEADLINE_RETURN_IF_ERROR(faults_.Check(FileOp::kDelete, path));
  return target_->DeleteDirectory(path);
}

Result<uint64_t> FaultInjectionFileSystem::FileSize(const std::string& path) {
  LEADLINE_RETURN_IF_ERROR(faults_.Check(FileOp::kLookup, path));
  return target_->FileSize(path);
}

Result<bool> FaultInjectionFileSystem::IsDirectory(const std::string& path) {
  LEADLINE_RETURN_IF_ERROR(faults_.Check(FileOp::kLookup, path));
  return target_->IsDirectory(path);
}

Result<uint64_t> FaultInjectionFileSystem::ModificationTime(const std::string& path) {
  LEADLINE_RETURN_IF_ERROR(faults_.Check(FileOp::kLookup, path));
  return target_->ModificationTime(path);
}

Status FaultInjectionFileSystem::RenameFile(const std::string& from, const std::string& to) {
  LEADLINE_RETURN_IF_ERROR(faults_.Check(FileOp::kRename, to));
  return target_->RenameFile(from, to);
}

Status FaultInjectionFileSystem::LinkFile(const std::string& from, const std::string& to) {
  LEADLINE_RETURN_IF_ERROR(faults_.Check(FileOp::kLink, to));
  return target_->LinkFile(from, to);
}

Result<std::unique_ptr<FileLock>> FaultInjectionFileSystem::LockFile(const std::string& path) {
  LEADLINE_RETURN_IF_ERROR(faults_.Check(FileOp::kLock, path));
  return target_->LockFile(path);
}

Result<uint64_t> FaultInjectionFileSystem::FreeSpace(const std::string& path) {
  LEADLINE_RETURN_IF_ERROR(faults_.Check(FileOp::kLookup, path));
  return target_->FreeSpace(path);
}

Result<std::string> FaultInjectionFileSystem::AbsolutePath(const std::string& path) {
  return target_->AbsolutePath(path);
}

}  // namespace leadline::testing
