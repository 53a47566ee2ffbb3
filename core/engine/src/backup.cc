#include "backup.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include "checker.h"
#include "keys.h"
#include "leadline/core/mapped_pages.h"
#include "leadline/core/no_throw.h"
#include "leadline/core/test_hooks.h"
#include "partial_copy.h"
#include "read_view.h"

namespace leadline::engine {
namespace {

constexpr size_t kCopyBatchBytes = size_t{4} << 20;
constexpr size_t kCopyPieceBytes = size_t{1} << 20;

/// Keeps a copy from filling the disk: where the database lies on it too, its own flush would fail
/// and end all writing. A file system that cannot tell is taken to have room.
class CopySpace {
 public:
  CopySpace(const DatabaseCore& core, std::string directory)
      : fs_(core.fs), directory_(std::move(directory)), reserve_(core.options.min_free_bytes) {}

  /// kResourceExhausted when `bytes` more would leave less than min_free_bytes. Asks the file
  /// system each time: call it once in a MiB or more.
  [[nodiscard]] Status Check(uint64_t bytes) const {
    const Result<uint64_t> free = fs_->FreeSpace(directory_);
    if (reserve_ == 0 || !free.ok() || *free >= reserve_ + bytes) {
      return {};
    }
    return ResourceExhaustedError("no room on the disk for a copy: path=" + directory_ +
                                  " free=" + std::to_string(*free) +
                                  " needed=" + std::to_string(reserve_ + bytes))
        .WithField("min_free_bytes", std::to_string(reserve_));
  }

 private:
  FileSystem* const fs_;
  const std::string directory_;
  const uint64_t reserve_;
};

/// What is copied, how far that is, and who watches.
struct CopyRun {
  const PinnedSnapshot& pinned;
  const CopySpace space;
  LongCall* const call;
  const std::vector<std::shared_ptr<SealedSegment>> segments;
  uint64_t segment_bytes = 0;  ///< of all
  uint64_t copied_bytes = 0;   ///< of these
  CopyReport report;

  /// For what is certain to come; how much the store takes is seen on the way.
  [[nodiscard]] Status CheckSpace() const { return space.Check(segment_bytes - copied_bytes); }
};

Status CopyTable(const CopyRun& run, kv::Store* to, kv::Table table) {
  kv::WriteBatch batch;
  const std::unique_ptr<kv::Iterator> it =
      run.pinned.core()->store->NewIterator(table, "", run.pinned.store());
  for (; it->Valid(); it->Next()) {
    LEADLINE_RETURN_IF_ERROR(run.call->Before(it->key().size() + it->value().size()));
    batch.Put(table, it->key(), it->value());
    if (batch.size_bytes() >= kCopyBatchBytes) {
      LEADLINE_RETURN_IF_ERROR(run.CheckSpace());
      LEADLINE_RETURN_IF_ERROR(to->Write(batch, /*sync=*/false));
      batch.Clear();
    }
  }
  LEADLINE_RETURN_IF_ERROR(it->status());
  return batch.count() == 0 ? OkStatus() : to->Write(batch, /*sync=*/false);
}

struct TableCopy {
  kv::Table table;
  const char* stage;
  uint64_t rows;  ///< how many are expected; 0 where nobody knows
};

/// The tables in the order of the store, with what their copies are called.
std::array<TableCopy, kv::kTableCount> TablesOf(const PinnedSnapshot& pinned) {
  uint64_t records = 0;
  uint64_t vectors = 0;
  for (const std::shared_ptr<CollectionState>& collection : pinned.core()->Collections()) {
    const std::shared_ptr<const ReadState> state = pinned.StateOf(collection->id());
    if (state != nullptr) {
      records += state->live_rows;
      vectors += state->live_rows * collection->fields().size();
    }
  }
  return {{{kv::Table::kMeta, "copying the catalog", 0},
           {kv::Table::kRecords, "copying records", records},
           {kv::Table::kVectors, "copying vectors", vectors},
           {kv::Table::kLocations, "copying locations", records},
           {kv::Table::kTombstones, "copying tombstones", 0}}};
}

Status CopyStore(const CopyRun& run, const std::string& to) {
  DatabaseCore* core = run.pinned.core().get();
  kv::StoreOptions options;
  options.fs = core->fs;
  options.clock = core->clock;
  options.create_if_missing = true;
  options.sequence_key = std::string(kSequenceKey);
  options.min_free_bytes = core->options.min_free_bytes;
  LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<kv::Store> copy, kv::Store::Open(to, options));
  for (const TableCopy& part : TablesOf(run.pinned)) {
    LEADLINE_RETURN_IF_ERROR(run.call->Begin(part.stage, part.rows));
    LEADLINE_RETURN_IF_ERROR(CopyTable(run, copy.get(), part.table));
  }
  LEADLINE_RETURN_IF_ERROR(copy->Flush());
  LEADLINE_RETURN_IF_ERROR(copy->AdvanceLowWater(run.pinned.sequence()));
  return copy->Close();
}

Status WriteFile(std::string_view bytes, const std::string& to, CopyRun* run) {
  LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> target,
                            run->pinned.core()->fs->NewWritableFile(to));
  while (!bytes.empty()) {
    LEADLINE_RETURN_IF_ERROR(run->call->At(run->copied_bytes));
    LEADLINE_RETURN_IF_ERROR(run->CheckSpace());
    const std::string_view piece = bytes.substr(0, kCopyPieceBytes);
    LEADLINE_RETURN_IF_ERROR(WarmPages(piece, {}));
    LEADLINE_RETURN_IF_ERROR(target->Append(piece));
    run->copied_bytes += piece.size();
    bytes.remove_prefix(piece.size());
  }
  LEADLINE_RETURN_IF_ERROR(target->Sync());
  return target->Close();
}

std::vector<std::shared_ptr<SealedSegment>> SegmentsOf(const PinnedSnapshot& pinned) {
  std::vector<std::shared_ptr<SealedSegment>> segments;
  for (const std::shared_ptr<CollectionState>& collection : pinned.core()->Collections()) {
    const std::shared_ptr<const ReadState> state = pinned.StateOf(collection->id());
    if (state == nullptr) {
      continue;
    }
    for (const auto& group : *state->groups) {
      std::copy_if(group->segments.begin(), group->segments.end(), std::back_inserter(segments),
                   [](const auto& segment) { return segment != nullptr; });
    }
  }
  return segments;
}

/// Reads the file at `path` and compares it with its own checksums and with `entry`.
Status VerifyCopy(FileSystem* fs, const std::string& path, const FieldSegment& entry) {
  LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<segment::SegmentFile> copy,
                            segment::SegmentFile::Open(fs, path, entry.identity));
  return copy->VerifySections({});
}

Status CopySegment(const SealedSegment& segment, const std::string& to, CopyRun* run) {
  FileSystem* fs = run->pinned.core()->fs;
  Status copied;
  if (segment.Contents() == nullptr) {
    copied = segment.damage();
  } else {
    // Not by its path: beside a reader the writer may have deleted the name since.
    LEADLINE_RETURN_IF_ERROR(WriteFile(segment.FileBytes(), to, run));
    // The source may have been verified days ago.
    copied = VerifyCopy(fs, to, segment.entry());
    if (copied.code() == StatusCode::kDataLoss) {
      LEADLINE_RETURN_IF_ERROR(fs->DeleteFile(to));
    }
  }
  // A damaged file is rebuilt in the copy. One that cannot be read now would be missing there.
  const bool left_out = segment.damaged() || copied.code() == StatusCode::kDataLoss;
  if (!left_out) {
    return copied;
  }
  copied.IgnoreError();  // the report says which file it was
  run->report.left_out.push_back(segment.path());
  return OkStatus();
}

Status CopySegments(const std::string& to, CopyRun* run) {
  FileSystem* fs = run->pinned.core()->fs;
  LEADLINE_RETURN_IF_ERROR(CreateDirectoriesDurably(fs, to));
  LEADLINE_RETURN_IF_ERROR(run->call->Begin("copying segments", run->segment_bytes));
  for (const std::shared_ptr<SealedSegment>& segment : run->segments) {
    // The next line may verify the whole file.
    LEADLINE_RETURN_IF_ERROR(run->call->At(run->copied_bytes));
    LEADLINE_RETURN_IF_ERROR(CopySegment(
        *segment, JoinPath(to, SegmentFileName(segment->entry().info.segment_id)), run));
  }
  return SyncDirectory(fs, to);
}

/// "dir/" means dir, not something in it. "/" stays.
std::string WithoutTrailingSlashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') {
    path.pop_back();
  }
  return path;
}

Result<CopyReport> CopyInto(const PinnedSnapshot& pinned, const std::string& partial,
                            const std::string& to, LongCall* call) {
  CopyRun run = {pinned, CopySpace(*pinned.core(), partial), call, SegmentsOf(pinned), 0, 0, {}};
  for (const std::shared_ptr<SealedSegment>& segment : run.segments) {
    run.segment_bytes += segment->damaged() ? 0 : segment->entry().identity.size;
  }
  LEADLINE_RETURN_IF_ERROR(run.CheckSpace());
  LEADLINE_RETURN_IF_ERROR(CopyStore(run, JoinPath(partial, "store")));
  KillPoint("backup:store-copied");
  LEADLINE_RETURN_IF_ERROR(CopySegments(JoinPath(partial, "segments"), &run));
  KillPoint("backup:segments-copied");
  LEADLINE_RETURN_IF_ERROR(FinishPartialCopy(pinned.core()->fs, partial, to));
  return std::move(run.report);
}

}  // namespace

Result<CopyReport> BackupDatabase(const std::shared_ptr<DatabaseCore>& core,
                                  const std::string& target, LongCall* call) {
  const std::string to = WithoutTrailingSlashes(target);
  if (to.empty()) {
    return InvalidArgumentError("target of a copy has no name");
  }
  LEADLINE_ASSIGN_OR_RETURN(const std::string absolute, core->fs->AbsolutePath(to));
  LEADLINE_ASSIGN_OR_RETURN(const std::string source, core->fs->AbsolutePath(core->path));
  if (absolute.starts_with(source + "/")) {
    return InvalidFieldError("a copy cannot lie inside its database", "to", to,
                             "outside of " + source);
  }
  Status found = core->fs->FileExists(to);
  if (found.ok()) {
    return AlreadyExistsError("target exists: path=" + to);
  }
  if (found.code() != StatusCode::kNotFound) {
    return found;
  }
  const DatabaseCore::UnreadableMap unreadable = core->UnreadableCollections();
  if (!unreadable.empty()) {
    return DataLossError(unreadable.begin()->second.reason);
  }
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<const PinnedSnapshot> pinned,
                            PinnedSnapshot::Take(core));
  const std::string partial = to + ".partial";
  LEADLINE_RETURN_IF_ERROR(StartPartialCopy(core->fs, partial));
  Result<CopyReport> copied = NoThrow([&] { return CopyInto(*pinned, partial, to, call); });
  if (!copied.ok()) {
    DiscardPartialCopy(core->fs, partial).IgnoreError();
  }
  return copied;
}

Result<CopyReport> RestoreDatabase(const std::string& from, const std::string& to,
                                   const CallOptions& call, FileSystem* file_system) {
  LEADLINE_ASSIGN_OR_RETURN(LongCall running, LongCall::Start(Clock::System(), call));
  DatabaseOptions options;
  options.read_only = true;
  options.file_system = file_system;
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<DatabaseCore> core,
                            DatabaseCore::Open(from, options, nullptr));
  LEADLINE_RETURN_IF_ERROR(VerifyStore(core->store.get(), &running));
  KillPoint("restore:verified");
  return BackupDatabase(core, to, &running);
}

}  // namespace leadline::engine
