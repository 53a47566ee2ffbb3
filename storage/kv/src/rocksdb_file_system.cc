#include "rocksdb_file_system.h"

#include <algorithm>

#include "log_record_ends.h"
#include "rocksdb_status.h"

namespace leadline::kv {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

constexpr std::string_view kCurrent = "/CURRENT";
constexpr std::string_view kLogArchive = "/archive";

thread_local ReadWatch* current_watch = nullptr;

std::string_view View(const Slice& slice) {
  return {slice.data(), slice.size()};
}

IOStatus Deliver(const Result<std::string_view>& got, Slice* result) {
  if (!got.ok()) {
    *result = Slice();
    return ToRocks(got.status());
  }
  *result = Slice(got->data(), got->size());
  return IOStatus::OK();
}

/// FileExists and GetChildren are asked with IsNotFound, opening calls with IsPathNotFound.
IOStatus ToRocksLookup(const Status& status) {
  return status.code() == StatusCode::kNotFound ? IOStatus::NotFound(status.ToString())
                                                : ToRocks(status);
}

class SequentialAdapter final : public rocksdb::FSSequentialFile {
 public:
  SequentialAdapter(std::unique_ptr<leadline::SequentialFile> target, uint64_t limit)
      : target_(std::move(target)), left_(limit) {}

  IOStatus Read(size_t n, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) override {
    const size_t wanted = static_cast<size_t>(std::min<uint64_t>(n, left_));
    const Result<std::string_view> got = target_->Read(wanted, scratch);
    if (got.ok()) {
      left_ -= got->size();
    }
    return Deliver(got, result);
  }

  IOStatus Skip(uint64_t n) override {
    const uint64_t skipped = std::min(n, left_);
    left_ -= skipped;
    return ToRocks(target_->Skip(skipped));
  }

 private:
  const std::unique_ptr<leadline::SequentialFile> target_;
  uint64_t left_;
};

class RandomAccessAdapter final : public rocksdb::FSRandomAccessFile {
 public:
  explicit RandomAccessAdapter(std::shared_ptr<leadline::RandomAccessFile> target)
      : target_(std::move(target)) {}

  IOStatus Read(uint64_t offset, size_t n, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) const override {
    if (ReadWatch* watch = ReadWatch::Current(); watch != nullptr) {
      const Status wanted = watch->Before(n);
      if (!wanted.ok()) {
        *result = Slice();
        return ToRocks(wanted);
      }
    }
    return Deliver(target_->Read(offset, n, scratch), result);
  }

 private:
  const std::shared_ptr<leadline::RandomAccessFile> target_;
};

/// After the first failed append the file's end is unknown, so nothing more is written to it. Of a
/// log that was there before nothing is claimed.
class WritableAdapter final : public rocksdb::FSWritableFile {
 public:
  WritableAdapter(std::unique_ptr<leadline::WritableFile> target, RocksDbFileSystem* owner,
                  std::optional<LogName> log_name, const rocksdb::FileOptions& options)
      : rocksdb::FSWritableFile(options),
        target_(std::move(target)),
        owner_(owner),
        log_name_(target_->size() == 0 ? log_name : std::nullopt),
        appended_(target_->size()) {}

  using rocksdb::FSWritableFile::Append;
  using rocksdb::FSWritableFile::PositionedAppend;

  IOStatus Append(const Slice& data, const IOOptions&, IODebugContext*) override {
    if (!failure_.ok()) {
      return ToRocks(failure_);
    }
    failure_ = target_->Append(View(data));
    if (failure_.ok()) {
      appended_.store(target_->size(), std::memory_order_release);
      if (log_name_) {
        record_ends_.Append(View(data));
        whole_records_.store(record_ends_.end(), std::memory_order_release);
      }
    }
    return ToRocks(failure_);
  }

  IOStatus PositionedAppend(const Slice& data, uint64_t offset, const IOOptions&,
                            IODebugContext*) override {
    if (failure_.ok()) {
      failure_ = target_->PositionedAppend(View(data), offset);
    }
    return ToRocks(failure_);
  }

  IOStatus Truncate(uint64_t size, const IOOptions&, IODebugContext*) override {
    return ToRocks(target_->Truncate(size));
  }

  IOStatus Close(const IOOptions&, IODebugContext*) override { return ToRocks(target_->Close()); }

  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }

  IOStatus Sync(const IOOptions&, IODebugContext*) override {
    // Read before the sync: what another thread appends meanwhile may or may not be covered. Half a
    // record is not claimed: a process that dies now leaves it torn.
    const uint64_t covered = whole_records_.load(std::memory_order_acquire);
    const Status synced = target_->Sync();
    if (synced.ok() && log_name_) {
      owner_->NoteSync(*log_name_, covered);
    }
    return ToRocks(synced);
  }

  /// SyncWAL calls Sync beside Append: the contract of leadline files allows it for durability.
  bool IsSyncThreadSafe() const override { return true; }

  uint64_t GetFileSize(const IOOptions&, IODebugContext*) override {
    return appended_.load(std::memory_order_acquire);
  }

 private:
  const std::unique_ptr<leadline::WritableFile> target_;
  RocksDbFileSystem* const owner_;
  const std::optional<LogName> log_name_;
  std::atomic<uint64_t> appended_;
  LogRecordEnds record_ends_;  ///< of the one thread that appends
  std::atomic<uint64_t> whole_records_{0};
  Status failure_;
};

class RandomRwAdapter final : public rocksdb::FSRandomRWFile {
 public:
  explicit RandomRwAdapter(std::unique_ptr<leadline::RandomRwFile> target)
      : target_(std::move(target)) {}

  IOStatus Write(uint64_t offset, const Slice& data, const IOOptions&, IODebugContext*) override {
    return ToRocks(target_->Write(offset, View(data)));
  }

  IOStatus Read(uint64_t offset, size_t n, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) const override {
    return Deliver(target_->Read(offset, n, scratch), result);
  }

  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }

  IOStatus Sync(const IOOptions&, IODebugContext*) override { return ToRocks(target_->Sync()); }

  IOStatus Close(const IOOptions&, IODebugContext*) override { return ToRocks(target_->Close()); }

 private:
  const std::unique_ptr<leadline::RandomRwFile> target_;
};

class DirectoryAdapter final : public rocksdb::FSDirectory {
 public:
  explicit DirectoryAdapter(std::unique_ptr<leadline::Directory> target)
      : target_(std::move(target)) {}

  IOStatus Fsync(const IOOptions&, IODebugContext*) override { return ToRocks(target_->Sync()); }

  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }

 private:
  const std::unique_ptr<leadline::Directory> target_;
};

}  // namespace

std::optional<LogName> ParseLogName(std::string_view path) {
  constexpr std::string_view kLogSuffix = ".log";
  constexpr std::string_view kManifestPrefix = "MANIFEST-";
  constexpr size_t kMaxDigits = 19;  // what fits into 64 bits
  std::string_view digits = path.substr(path.rfind('/') + 1);
  LogName name;
  if (digits.substr(0, kManifestPrefix.size()) == kManifestPrefix) {
    name.kind = LogKind::kManifest;
    digits.remove_prefix(kManifestPrefix.size());
  } else if (digits.size() > kLogSuffix.size() &&
             digits.substr(digits.size() - kLogSuffix.size()) == kLogSuffix) {
    digits.remove_suffix(kLogSuffix.size());
  } else {
    return std::nullopt;
  }
  if (digits.empty() || digits.size() > kMaxDigits) {
    return std::nullopt;
  }
  for (const char c : digits) {
    if (c < '0' || c > '9') {
      return std::nullopt;
    }
    name.number = name.number * 10 + static_cast<uint64_t>(c - '0');
  }
  return name;
}

ReadWatch::ReadWatch(const Watch& watch) : watch_(watch) {
  current_watch = this;
}

ReadWatch::~ReadWatch() {
  stopped_.IgnoreError();  // whoever read was told
  current_watch = nullptr;
}

ReadWatch* ReadWatch::Current() {
  return current_watch;
}

Status ReadWatch::Before(uint64_t bytes) {
  if (stopped_.ok() && watch_) {
    stopped_ = watch_(done_bytes_);
    done_bytes_ += bytes;
  }
  return stopped_;
}

RocksDbFileSystem::RocksDbFileSystem(leadline::FileSystem* target, bool read_only)
    : target_(target), read_only_(read_only) {}

RocksDbFileSystem::~RocksDbFileSystem() = default;

Status RocksDbFileSystem::CheckWritable(const std::string& path) const {
  return read_only_ ? PermissionDeniedError("store is open read-only: path=" + path) : OkStatus();
}

Status RocksDbFileSystem::SyncDirectory(const std::string& path) const {
  LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<leadline::Directory> directory,
                            target_->OpenDirectory(path));
  return directory->Sync();
}

Status RocksDbFileSystem::Pin(const std::string& path) {
  LEADLINE_ASSIGN_OR_RETURN(std::unique_ptr<leadline::RandomAccessFile> file,
                            target_->NewRandomAccessFile(path));
  LEADLINE_ASSIGN_OR_RETURN(const uint64_t bytes, target_->FileSize(path));
  MutexLock lock(&mutex_);
  pinned_[path] = {std::move(file), bytes};
  return {};
}

SyncedFiles RocksDbFileSystem::synced() const {
  MutexLock lock(&mutex_);
  return synced_;
}

void RocksDbFileSystem::NoteSync(const LogName& name, uint64_t bytes) {
  const LogPosition position{name.number, bytes};
  if (name.kind == LogKind::kWriteAhead) {
    log_syncs_.fetch_add(1, std::memory_order_relaxed);
    MutexLock lock(&mutex_);
    synced_.log = std::max(synced_.log, position);
    return;
  }
  {
    MutexLock lock(&mutex_);
    synced_.manifest = std::max(synced_.manifest, position);
  }
  if (manifest_observer_) {
    manifest_observer_();
  }
}

IOStatus RocksDbFileSystem::NewSequentialFile(const std::string& path, const rocksdb::FileOptions&,
                                              std::unique_ptr<rocksdb::FSSequentialFile>* result,
                                              IODebugContext*) {
  result->reset();
  uint64_t limit = UINT64_MAX;
  const std::optional<LogName> name = ParseLogName(path);
  if (gate_ != nullptr && name) {
    const Result<uint64_t> admitted = gate_->Admit(path, *name);
    if (!admitted.ok()) {
      return ToRocks(admitted.status());
    }
    limit = *admitted;
  }
  Result<std::unique_ptr<leadline::SequentialFile>> file = target_->NewSequentialFile(path);
  if (!file.ok()) {
    return ToRocks(file.status());
  }
  *result = std::make_unique<SequentialAdapter>(std::move(*file), limit);
  return IOStatus::OK();
}

IOStatus RocksDbFileSystem::NewRandomAccessFile(
    const std::string& path, const rocksdb::FileOptions&,
    std::unique_ptr<rocksdb::FSRandomAccessFile>* result, IODebugContext*) {
  result->reset();
  {
    MutexLock lock(&mutex_);
    const auto pinned = pinned_.find(path);
    if (pinned != pinned_.end()) {
      *result = std::make_unique<RandomAccessAdapter>(pinned->second.file);
      return IOStatus::OK();
    }
  }
  if (read_only_ && path.ends_with(".sst")) {
    // A reader keeps its tables open anyway. Kept by name too, they can be opened again, to verify
    // them, after the writer has compacted them away.
    const Status kept = Pin(path);
    if (!kept.ok()) {
      return ToRocks(kept);
    }
    MutexLock lock(&mutex_);
    *result = std::make_unique<RandomAccessAdapter>(pinned_[path].file);
    return IOStatus::OK();
  }
  Result<std::unique_ptr<leadline::RandomAccessFile>> file = target_->NewRandomAccessFile(path);
  if (!file.ok()) {
    return ToRocks(file.status());
  }
  *result = std::make_unique<RandomAccessAdapter>(std::move(*file));
  return IOStatus::OK();
}

IOStatus RocksDbFileSystem::WrapWritable(Result<std::unique_ptr<leadline::WritableFile>> file,
                                         const std::string& path,
                                         const rocksdb::FileOptions& options,
                                         std::unique_ptr<rocksdb::FSWritableFile>* result) {
  if (!file.ok()) {
    return ToRocks(file.status());
  }
  *result = std::make_unique<WritableAdapter>(std::move(*file), this, ParseLogName(path), options);
  return IOStatus::OK();
}

IOStatus RocksDbFileSystem::NewWritableFile(const std::string& path,
                                            const rocksdb::FileOptions& options,
                                            std::unique_ptr<rocksdb::FSWritableFile>* result,
                                            IODebugContext*) {
  result->reset();
  const Status writable = CheckWritable(path);
  return writable.ok() ? WrapWritable(target_->NewWritableFile(path), path, options, result)
                       : ToRocks(writable);
}

IOStatus RocksDbFileSystem::ReopenWritableFile(const std::string& path,
                                               const rocksdb::FileOptions& options,
                                               std::unique_ptr<rocksdb::FSWritableFile>* result,
                                               IODebugContext*) {
  result->reset();
  const Status writable = CheckWritable(path);
  return writable.ok() ? WrapWritable(target_->NewAppendableFile(path), path, options, result)
                       : ToRocks(writable);
}

IOStatus RocksDbFileSystem::NewRandomRWFile(const std::string& path, const rocksdb::FileOptions&,
                                            std::unique_ptr<rocksdb::FSRandomRWFile>* result,
                                            IODebugContext*) {
  result->reset();
  const Status writable = CheckWritable(path);
  if (!writable.ok()) {
    return ToRocks(writable);
  }
  Result<std::unique_ptr<leadline::RandomRwFile>> file = target_->NewRandomRwFile(path);
  if (!file.ok()) {
    return ToRocks(file.status());
  }
  *result = std::make_unique<RandomRwAdapter>(std::move(*file));
  return IOStatus::OK();
}

IOStatus RocksDbFileSystem::NewDirectory(const std::string& path, const IOOptions&,
                                         std::unique_ptr<rocksdb::FSDirectory>* result,
                                         IODebugContext*) {
  result->reset();
  Result<std::unique_ptr<leadline::Directory>> directory = target_->OpenDirectory(path);
  if (!directory.ok()) {
    return ToRocks(directory.status());
  }
  *result = std::make_unique<DirectoryAdapter>(std::move(*directory));
  return IOStatus::OK();
}

IOStatus RocksDbFileSystem::FileExists(const std::string& path, const IOOptions&, IODebugContext*) {
  if (path.ends_with(kLogArchive)) {
    // Logs are never archived here, and RocksDB asserts (on a status it forgot to set) when this
    // question is answered with an error.
    return IOStatus::NotFound(path);
  }
  return ToRocksLookup(target_->FileExists(path));
}

IOStatus RocksDbFileSystem::GetChildren(const std::string& path, const IOOptions&,
                                        std::vector<std::string>* result, IODebugContext*) {
  result->clear();
  Result<std::vector<std::string>> names = target_->ListDirectory(path);
  if (!names.ok()) {
    return ToRocksLookup(names.status());
  }
  *result = std::move(*names);
  return IOStatus::OK();
}

IOStatus RocksDbFileSystem::DeleteFile(const std::string& path, const IOOptions&, IODebugContext*) {
  const Status writable = CheckWritable(path);
  return ToRocks(writable.ok() ? target_->DeleteFile(path) : writable);
}

IOStatus RocksDbFileSystem::Truncate(const std::string& path, size_t size, const IOOptions&,
                                     IODebugContext*) {
  const Status writable = CheckWritable(path);
  return ToRocks(writable.ok() ? target_->TruncateFile(path, size) : writable);
}

IOStatus RocksDbFileSystem::CreateDir(const std::string& path, const IOOptions&, IODebugContext*) {
  const Status writable = CheckWritable(path);
  return ToRocks(writable.ok() ? target_->CreateDirectory(path) : writable);
}

IOStatus RocksDbFileSystem::CreateDirIfMissing(const std::string& path, const IOOptions&,
                                               IODebugContext*) {
  const Result<bool> present = target_->IsDirectory(path);
  if (present.ok() && *present) {
    return IOStatus::OK();
  }
  const Status writable = CheckWritable(path);
  const Status created = writable.ok() ? target_->CreateDirectory(path) : writable;
  return created.code() == StatusCode::kAlreadyExists ? IOStatus::OK() : ToRocks(created);
}

IOStatus RocksDbFileSystem::DeleteDir(const std::string& path, const IOOptions&, IODebugContext*) {
  const Status writable = CheckWritable(path);
  return ToRocks(writable.ok() ? target_->DeleteDirectory(path) : writable);
}

IOStatus RocksDbFileSystem::GetFileSize(const std::string& path, const IOOptions&, uint64_t* size,
                                        IODebugContext*) {
  {
    MutexLock lock(&mutex_);
    const auto pinned = pinned_.find(path);
    if (pinned != pinned_.end()) {
      *size = pinned->second.bytes;
      return IOStatus::OK();
    }
  }
  const Result<uint64_t> got = target_->FileSize(path);
  *size = got.ok() ? *got : 0;
  return ToRocks(got.status());
}

IOStatus RocksDbFileSystem::GetFileModificationTime(const std::string& path, const IOOptions&,
                                                    uint64_t* seconds, IODebugContext*) {
  const Result<uint64_t> got = target_->ModificationTime(path);
  *seconds = got.ok() ? *got : 0;
  return ToRocks(got.status());
}

IOStatus RocksDbFileSystem::RenameFile(const std::string& from, const std::string& to,
                                       const IOOptions&, IODebugContext*) {
  Status ready = CheckWritable(to);
  if (ready.ok() && to.ends_with(kCurrent)) {
    // RocksDB syncs the directory only after this rename. The manifest that CURRENT will name must
    // have its own name on disk first, or a power cut may keep the rename and lose the manifest.
    ready = SyncDirectory(DirectoryName(to));
  }
  return ToRocks(ready.ok() ? target_->RenameFile(from, to) : ready);
}

IOStatus RocksDbFileSystem::LinkFile(const std::string& from, const std::string& to,
                                     const IOOptions&, IODebugContext*) {
  const Status writable = CheckWritable(to);
  if (!writable.ok()) {
    return ToRocks(writable);
  }
  const Status linked = target_->LinkFile(from, to);
  switch (linked.code()) {
    case StatusCode::kOk:
    case StatusCode::kNotFound:
    case StatusCode::kAlreadyExists:
    case StatusCode::kResourceExhausted:
      return ToRocks(linked);
    default:
      // Another file system, or one without links: RocksDB copies instead.
      return IOStatus::NotSupported(linked.ToString());
  }
}

IOStatus RocksDbFileSystem::LockFile(const std::string&, const IOOptions&, rocksdb::FileLock** lock,
                                     IODebugContext*) {
  // The store holds this very file through leadline::FileSystem already; opening it a second time
  // would drop the lock when that descriptor closes.
  *lock = new rocksdb::FileLock();
  return IOStatus::OK();
}

IOStatus RocksDbFileSystem::UnlockFile(rocksdb::FileLock* lock, const IOOptions&, IODebugContext*) {
  delete lock;
  return IOStatus::OK();
}

IOStatus RocksDbFileSystem::GetTestDirectory(const IOOptions&, std::string*, IODebugContext*) {
  return IOStatus::NotSupported("GetTestDirectory");
}

IOStatus RocksDbFileSystem::GetAbsolutePath(const std::string& path, const IOOptions&,
                                            std::string* result, IODebugContext*) {
  Result<std::string> absolute = target_->AbsolutePath(path);
  if (!absolute.ok()) {
    return ToRocks(absolute.status());
  }
  *result = std::move(*absolute);
  return IOStatus::OK();
}

IOStatus RocksDbFileSystem::IsDirectory(const std::string& path, const IOOptions&, bool* result,
                                        IODebugContext*) {
  const Result<bool> got = target_->IsDirectory(path);
  *result = got.ok() && *got;
  return ToRocks(got.status());
}

}  // namespace leadline::kv
