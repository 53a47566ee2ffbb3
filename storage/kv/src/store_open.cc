#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "database_options.h"
#include "leadline/core/hash.h"
#include "low_water.h"
#include "owner_file.h"
#include "recovery_gate.h"
#include "rocksdb_status.h"
#include "store_impl.h"
#include "sync_mark.h"

namespace leadline::kv {
namespace {

/// What a listing of the directory says before anything is opened.
struct DirectoryState {
  bool has_current = false;
  bool has_data = false;  ///< table, blob or log files
};

Result<DirectoryState> Inspect(FileSystem* fs, const std::string& directory) {
  LEADLINE_ASSIGN_OR_RETURN(const std::vector<std::string> names, fs->ListDirectory(directory));
  DirectoryState state;
  for (const std::string& name : names) {
    state.has_current = state.has_current || name == "CURRENT";
    state.has_data = state.has_data || name.ends_with(".sst") || name.ends_with(".blob") ||
                     name.ends_with(".log");
  }
  return state;
}

/// One spelling per directory as far as text allows: absolute, no trailing slash.
Result<std::string> Normalise(FileSystem* fs, const std::string& directory) {
  if (directory.empty()) {
    return InvalidFieldError("store directory must not be empty", "directory", "", "1 byte");
  }
  LEADLINE_ASSIGN_OR_RETURN(std::string path, fs->AbsolutePath(directory));
  while (path.size() > 1 && path.back() == '/') {
    path.pop_back();
  }
  return path;
}

/// Opens RocksDB in `core` behind a gate that judges the logs.
Status OpenDatabase(const std::string& directory, const StoreOptions& options,
                    const SyncedState& synced, const std::shared_ptr<Latch>& latch,
                    StoreCore* core) {
  core->files = std::make_shared<RocksDbFileSystem>(options.fs, options.read_only);
  if (!options.read_only) {
    LEADLINE_ASSIGN_OR_RETURN(core->mark, SyncMark::Open(options.fs, directory));
    // A manifest may be written at any time, by a flush or a compaction in the background.
    core->files->set_manifest_observer([files = core->files.get(), mark = core->mark.get()] {
      mark->Advance({files->synced(), 0});
    });
  }
  core->env = rocksdb::NewCompositeEnv(core->files);
  const rocksdb::DBOptions db_options =
      DatabaseOptions(options, core->env.get(), std::make_shared<BackgroundErrorListener>(latch));
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  RecoveryGate gate(options.fs, directory, synced.files, options.accept_log_loss);
  core->files->set_log_gate(&gate);
  const rocksdb::Status opened =
      options.read_only
          ? rocksdb::DB::OpenForReadOnly(db_options, directory, TableDescriptors(options), &handles,
                                         &db)
          : rocksdb::DB::Open(db_options, directory, TableDescriptors(options), &handles, &db);
  core->files->set_log_gate(nullptr);
  core->log_cut = gate.cut();
  core->db.reset(db);
  std::copy_n(handles.begin(), std::min(handles.size(), kTableCount), core->tables.begin());
  LEADLINE_RETURN_IF_ERROR(gate.verdict());
  if (opened.IsInvalidArgument() &&
      opened.ToString().find("olumn families not opened") != std::string::npos) {
    return UnimplementedError("store was written by a newer version: directory=" + directory +
                              ": " + opened.ToString());
  }
  LEADLINE_RETURN_IF_ERROR(FromRocks(opened, "cannot open the store: directory=" + directory));
  for (size_t i = 0; i < kTableCount; ++i) {
    if (core->tables[i] == nullptr || core->tables[i]->GetID() != i) {
      return DataLossError("store has a table in the wrong place: directory=" + directory +
                           " table=" + std::to_string(i));
    }
  }
  const uint64_t sequence = core->db->GetLatestSequenceNumber();
  if (sequence < synced.sequence && !options.accept_log_loss) {
    return DataLossError("synced writes are missing, a log was removed or cut: directory=" +
                         directory + " internal_sequence=" + std::to_string(sequence) +
                         " synced=" + std::to_string(synced.sequence) +
                         "; `leadline repair --accept-loss` opens what is left");
  }
  return {};
}

/// Path and size of every blob file that the database refers to now.
std::map<std::string, uint64_t> LiveBlobFiles(const std::string& directory, const StoreCore& core) {
  std::map<std::string, uint64_t> files;
  for (rocksdb::ColumnFamilyHandle* table : core.tables) {
    rocksdb::ColumnFamilyMetaData family;
    core.db->GetColumnFamilyMetaData(table, &family);
    for (const rocksdb::BlobMetaData& blob : family.blob_files) {
      const size_t start = blob.blob_file_name.find_first_not_of('/');
      files[JoinPath(directory, blob.blob_file_name.substr(start))] = blob.blob_file_size;
    }
  }
  return files;
}

/// RocksDB checks table files when it opens and blob files only on first use; this checks them at
/// once. A reader also opens them, so that the writer may delete them later.
Status CheckBlobFiles(const std::string& directory, const StoreOptions& options, StoreCore* core) {
  for (const auto& [path, bytes] : LiveBlobFiles(directory, *core)) {
    const Result<uint64_t> size = options.fs->FileSize(path);
    if (!size.ok() || *size != bytes) {
      // A compaction may have dropped the file since it was listed: RocksDB compacts as soon as it
      // is open, and deletes only what it no longer refers to.
      if (LiveBlobFiles(directory, *core).count(path) == 0) {
        continue;
      }
      if (!size.ok() && size.status().code() != StatusCode::kNotFound) {
        return size.status();
      }
      return DataLossError("blob file is missing or has a wrong size: path=" + path +
                           " expected=" + std::to_string(bytes) +
                           " actual=" + (size.ok() ? std::to_string(*size) : "missing"));
    }
    if (options.read_only) {
      LEADLINE_RETURN_IF_ERROR(core->files->Pin(path));
    }
  }
  return {};
}

/// Takes the OWNER file away again when opening fails.
class OwnerFile {
 public:
  OwnerFile(FileSystem* fs, std::string directory) : fs_(fs), directory_(std::move(directory)) {}

  OwnerFile(const OwnerFile&) = delete;
  OwnerFile& operator=(const OwnerFile&) = delete;

  ~OwnerFile() {
    if (fs_ != nullptr) {
      RemoveOwnerFile(fs_, directory_);
    }
  }

  void Keep() { fs_ = nullptr; }

 private:
  FileSystem* fs_;
  const std::string directory_;
};

/// Refuses what must not be opened as it is; prepares an empty directory.
Status PrepareForWriting(const std::string& directory, const StoreOptions& options) {
  FileSystem* fs = options.fs;
  LEADLINE_ASSIGN_OR_RETURN(const DirectoryState state, Inspect(fs, directory));
  const Result<uint64_t> floor = LowWater::Read(fs, directory);
  if (state.has_current) {
    if (floor.ok() ||
        (options.accept_log_loss && floor.status().code() != StatusCode::kUnimplemented)) {
      return {};
    }
    return floor.status().code() == StatusCode::kNotFound ? LowWater::Missing(directory)
                                                          : floor.status();
  }
  // RocksDB would create an empty database here and delete the files of the old one.
  if (state.has_data || (floor.ok() && *floor > 0)) {
    return DataLossError("store has lost its CURRENT file: directory=" + directory);
  }
  if (!options.create_if_missing) {
    return NotFoundError("no store: directory=" + directory);
  }
  return LowWater::Write(fs, directory, 0);
}

Result<std::unique_ptr<Store>> OpenForWriting(const std::string& directory,
                                              const StoreOptions& options) {
  FileSystem* fs = options.fs;
  if (options.create_if_missing) {
    LEADLINE_RETURN_IF_ERROR(CreateDirectoriesDurably(fs, directory));
  }
  LEADLINE_RETURN_IF_ERROR(fs->FileExists(directory));
  auto core = std::make_shared<StoreCore>();
  LEADLINE_ASSIGN_OR_RETURN(core->lock, LockDirectory(fs, directory));
  OwnerFile owner(fs, directory);
  LEADLINE_RETURN_IF_ERROR(PrepareForWriting(directory, options));
  auto latch = std::make_shared<Latch>();
  const SyncedState synced = SyncMark::Read(fs, directory);
  LEADLINE_RETURN_IF_ERROR(OpenDatabase(directory, options, synced, latch, core.get()));
  LEADLINE_RETURN_IF_ERROR(CheckBlobFiles(directory, options, core.get()));
  if (options.accept_log_loss) {
    LEADLINE_RETURN_IF_ERROR(core->mark->Reset({core->files->synced(), 0}));
  }
  auto store = std::make_unique<StoreImpl>(directory, options, std::move(core), std::move(latch));
  Status checked = store->CheckLowWater();
  if (!checked.ok()) {
    store->Abandon();
    return checked;
  }
  owner.Keep();
  return std::unique_ptr<Store>(std::move(store));
}

/// Changes whenever the writer may have replaced or deleted a file of the database: it appends to
/// the manifest before it deletes what the manifest no longer names.
Result<std::string> ManifestStamp(FileSystem* fs, const std::string& directory) {
  LEADLINE_ASSIGN_OR_RETURN(std::string current,
                            ReadFileToString(fs, JoinPath(directory, "CURRENT"), 4096));
  while (!current.empty() && current.back() == '\n') {
    current.pop_back();
  }
  LEADLINE_ASSIGN_OR_RETURN(const uint64_t size, fs->FileSize(JoinPath(directory, current)));
  return current + ' ' + std::to_string(size);
}

Result<std::unique_ptr<Store>> TryOpenForReading(const std::string& directory,
                                                 const StoreOptions& options) {
  auto core = std::make_shared<StoreCore>();
  auto latch = std::make_shared<Latch>();
  const SyncedState synced = SyncMark::Read(options.fs, directory);
  LEADLINE_RETURN_IF_ERROR(OpenDatabase(directory, options, synced, latch, core.get()));
  LEADLINE_RETURN_IF_ERROR(CheckBlobFiles(directory, options, core.get()));
  auto store = std::make_unique<StoreImpl>(directory, options, std::move(core), std::move(latch));
  LEADLINE_RETURN_IF_ERROR(store->CheckLowWater());
  return std::unique_ptr<Store>(std::move(store));
}

/// A writer may delete files between the moment the manifest is read and the moment they are
/// opened. What was opened counts only if the manifest stood still meanwhile.
Result<std::unique_ptr<Store>> OpenForReading(const std::string& directory,
                                              const StoreOptions& options) {
  constexpr int kMaxAttempts = 100;
  FileSystem* fs = options.fs;
  LEADLINE_ASSIGN_OR_RETURN(const DirectoryState state, Inspect(fs, directory));
  if (!state.has_current) {
    return state.has_data ? DataLossError("store has lost its CURRENT file: directory=" + directory)
                          : NotFoundError("no store: directory=" + directory);
  }
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    const Result<std::string> before = ManifestStamp(fs, directory);
    const Result<uint64_t> logs_before = Store::Fingerprint(fs, directory);
    Result<std::unique_ptr<Store>> store = TryOpenForReading(directory, options);
    const Result<std::string> after = ManifestStamp(fs, directory);
    const bool stood_still = before.ok() && after.ok() && *before == *after;
    if (stood_still && store.ok()) {
      return store;
    }
    const Result<uint64_t> logs_after = Store::Fingerprint(fs, directory);
    const bool at_rest =
        stood_still && logs_before.ok() && logs_after.ok() && *logs_before == *logs_after;
    if (!store.ok() && (at_rest || (!before.ok() && !after.ok()))) {
      return store;
    }
    store.status().IgnoreError();
  }
  return UnavailableError("store changes faster than it can be opened: directory=" + directory);
}

}  // namespace

Status StoreImpl::CheckLowWater() {
  const Result<uint64_t> read = LowWater::Read(options_.fs, directory_);
  LEADLINE_ASSIGN_OR_RETURN(const uint64_t sequence, StoredSequence());
  if (options_.accept_log_loss && !options_.read_only) {
    // What is left is the new truth.
    LEADLINE_RETURN_IF_ERROR(LowWater::Write(options_.fs, directory_, sequence));
    low_water_.Adopt(sequence);
    return {};
  }
  if (read.status().code() == StatusCode::kNotFound) {
    return LowWater::Missing(directory_);
  }
  LEADLINE_ASSIGN_OR_RETURN(const uint64_t floor, read);
  low_water_.Adopt(floor);
  if (!options_.sequence_key.empty() && sequence < floor) {
    return DataLossError("store is older than its low-water mark: directory=" + directory_ +
                         " sequence=" + std::to_string(sequence) +
                         " low_water=" + std::to_string(floor) +
                         "; `leadline repair --accept-loss` opens what is left");
  }
  return {};
}

Result<std::unique_ptr<Store>> Store::Open(const std::string& directory,
                                           const StoreOptions& options) {
  LEADLINE_RETURN_IF_ERROR(ForkGuard::EnterProcess());
  StoreOptions complete = options;
  if (complete.fs == nullptr) {
    complete.fs = FileSystem::Posix();
  }
  if (complete.clock == nullptr) {
    complete.clock = Clock::System();
  }
  LEADLINE_ASSIGN_OR_RETURN(const std::string path, Normalise(complete.fs, directory));
  return complete.read_only ? OpenForReading(path, complete) : OpenForWriting(path, complete);
}

Result<uint64_t> Store::Fingerprint(FileSystem* fs, const std::string& directory) {
  LEADLINE_ASSIGN_OR_RETURN(std::vector<std::string> names, fs->ListDirectory(directory));
  std::sort(names.begin(), names.end());
  std::string text;
  for (const std::string& name : names) {
    if (name != "CURRENT" && name != "LOWWATER" && name.rfind("MANIFEST-", 0) != 0 &&
        !name.ends_with(".log")) {
      continue;
    }
    const std::string path = JoinPath(directory, name);
    const Result<uint64_t> size = fs->FileSize(path);
    const Result<uint64_t> time = fs->ModificationTime(path);
    text += name + ' ' + std::to_string(size.ok() ? *size : 0) + ' ' +
            std::to_string(time.ok() ? *time : 0) + '\n';
  }
  return Hash64(text);
}

}  // namespace leadline::kv
