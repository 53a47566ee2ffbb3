#include "database_handle.h"

#include <new>
#include <utility>

#include "leadline/core/fork_generation.h"
#include "leadline/core/no_throw.h"

namespace leadline::engine {
namespace {

/// A writer may delete files between a reader's look at the manifest and at the files.
constexpr int kReaderOpenAttempts = 5;

/// True when a segment that the manifest names is not there. On a live database that means a newer
/// manifest exists.
bool MissesFiles(DatabaseCore* core) {
  for (const std::shared_ptr<CollectionState>& collection : core->Collections()) {
    const std::shared_ptr<const ReadState> state = collection->Load();
    for (const auto& group : *state->groups) {
      for (const auto& segment : group->segments) {
        if (segment != nullptr && segment->damaged() &&
            segment->damage().code() == StatusCode::kNotFound) {
          return true;
        }
      }
    }
  }
  return false;
}

bool SameFingerprint(FileSystem* fs, const std::string& path, const Result<uint64_t>& before) {
  const Result<uint64_t> now = kv::Store::Fingerprint(fs, JoinPath(path, "store"));
  return before.ok() && now.ok() && *before == *now;
}

}  // namespace

Result<std::shared_ptr<DatabaseHandle>> DatabaseHandle::Open(const std::string& path,
                                                             const DatabaseOptions& options) {
  if (path.empty()) {
    return InvalidFieldError("database path must not be empty", "path", "", "1 byte");
  }
  FileSystem* fs = options.file_system != nullptr ? options.file_system : FileSystem::Posix();
  // The process may change its directory while the database is open.
  LEADLINE_ASSIGN_OR_RETURN(const std::string absolute, fs->AbsolutePath(path));
  std::shared_ptr<DatabaseHandle> handle(new DatabaseHandle(absolute, options));
  handle->fork_generation_ = ForkGeneration();
  if (options.read_only) {
    LEADLINE_RETURN_IF_ERROR(handle->Refresh());
    handle->StartReader();
    return handle;
  }
  LEADLINE_ASSIGN_OR_RETURN(std::shared_ptr<DatabaseCore> core,
                            DatabaseCore::Open(absolute, options, nullptr));
  handle->committer_ = std::make_unique<Committer>(core.get());
  handle->maintenance_ = std::make_unique<Maintenance>(core, handle->committer_.get());
  handle->maintenance_->Start();
  {
    MutexLock lock(&handle->mutex_);
    handle->core_ = std::move(core);
  }
  handle->StartReader();
  return handle;
}

void DatabaseHandle::StartReader() {
  if (options_.background_maintenance) {
    reader_ = std::make_unique<BackgroundReader>([this] { return Core(); });
  }
}

DatabaseHandle::~DatabaseHandle() {
  if (fork_generation_ != ForkGeneration()) {
    // Threads and locks of the parent do not exist here: joining or locking would hang. The
    // child's copy is leaked on purpose.
    (void)reader_.release();
    (void)maintenance_.release();
    (void)committer_.release();
    (void)new (std::nothrow) std::shared_ptr<DatabaseCore>(std::move(core_));
    return;
  }
  NoThrow([&] { return Close(); }).IgnoreError();
}

Result<std::shared_ptr<DatabaseCore>> DatabaseHandle::Core() {
  if (fork_generation_ != ForkGeneration()) {
    return FailedPreconditionError(
        "database handle crossed a fork; open the database in the child: path=" + path_);
  }
  MutexLock lock(&mutex_);
  if (core_ == nullptr) {
    return FailedPreconditionError("database is closed: path=" + path_);
  }
  return core_;
}

Result<std::shared_ptr<DatabaseCore>> DatabaseHandle::WritableCore() {
  if (options_.read_only) {
    return FailedPreconditionError("database is open read-only: path=" + path_);
  }
  return Core();
}

Status DatabaseHandle::Refresh() {
  if (!options_.read_only || fork_generation_ != ForkGeneration()) {
    return Core().status();
  }
  if (closed_.load()) {
    return FailedPreconditionError("database is closed: path=" + path_);
  }
  MutexLock refreshing(&refresh_mutex_);
  FileSystem* fs = options_.file_system != nullptr ? options_.file_system : FileSystem::Posix();
  std::shared_ptr<DatabaseCore> previous;
  {
    MutexLock lock(&mutex_);
    previous = core_;
  }
  Status last;
  for (int attempt = 0; attempt < kReaderOpenAttempts; ++attempt) {
    Result<uint64_t> fingerprint = kv::Store::Fingerprint(fs, JoinPath(path_, "store"));
    if (previous != nullptr && fingerprint.ok() && *fingerprint == fingerprint_) {
      return {};
    }
    Result<std::shared_ptr<DatabaseCore>> core =
        DatabaseCore::Open(path_, options_, previous.get());
    if (!core.ok()) {
      last.IgnoreError();  // the newest failure is the one to tell
      last = core.status();
      continue;
    }
    const bool last_attempt = attempt + 1 == kReaderOpenAttempts;
    const bool doubtful = MissesFiles(core->get()) || !(*core)->UnreadableCollections().empty();
    if (!last_attempt && doubtful && !SameFingerprint(fs, path_, fingerprint)) {
      continue;
    }
    fingerprint_ = fingerprint.ok() ? *fingerprint : 0;
    MutexLock lock(&mutex_);
    if (closed_.load()) {  // Close waits for this lock before it lets go of the core
      return FailedPreconditionError("database is closed: path=" + path_);
    }
    core_ = std::move(core).value();
    return {};
  }
  return last;
}

Status DatabaseHandle::Close() {
  if (fork_generation_ != ForkGeneration()) {
    return FailedPreconditionError("database handle crossed a fork: path=" + path_);
  }
  if (closed_.exchange(true)) {
    return {};
  }
  if (reader_ != nullptr) {
    reader_->Stop();
  }
  if (maintenance_ != nullptr) {
    maintenance_->Stop();
  }
  std::shared_ptr<DatabaseCore> core;
  {
    MutexLock lock(&mutex_);
    core.swap(core_);
  }
  if (core == nullptr || options_.read_only) {
    return {};
  }
  MutexLock lock(&core->commit_mutex);
  Status closed = core->broken;
  if (closed.ok() && core->store->Health().ok()) {
    const uint64_t sequence = core->sequence;
    closed = NoThrow([&] { return core->store->AdvanceLowWater(sequence); });
  }
  // Closed whatever came before; the first error is the one to tell.
  Status store_closed = NoThrow([&] { return core->store->Close(); });
  store_closed.IgnoreError();
  return closed.ok() ? store_closed : closed;
}

}  // namespace leadline::engine
