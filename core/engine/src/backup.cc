#include "backup.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include "checker.h"
#include "keys.h"
#include "leadline/core/test_hooks.h"
#include "partial_copy.h"
#include "read_view.h"

namespace leadline::engine {
namespace {

constexpr size_t kCopyBatchBytes = size_t{4} << 20;
constexpr size_t kCopyPieceBytes = size_t{1} << 20;

Status CopyTable(kv::Store* from, const kv::StoreSnapshot* snapshot, kv::Store* to, kv::Table table,
                 LongCall* call) {
  kv::WriteBatch batch;
  const std::unique_ptr<kv::Iterator> it = from->NewIterator(table, "", snapshot);
  for (; it->Valid(); it->Next()) {
    LEADLINE_RETURN_IF_ERROR(call->Before(it->key().size() + it->value().size()));
    batch.Put(table, it->key(), it->value());
    if (batch.size_bytes() >= kCopyBatchBytes) {
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

Status CopyStore(const PinnedSnapshot& pinned, const std::string& to, LongCall* call) {
  DatabaseCore* core = pinned.core().get();
  kv::StoreOptions options;
  options.fs = core->fs;
  options.clock = core->clock;
  options.create_if_missing = true;
  options.sequence_key = std::string(kSequenceKey);
  options.min_free_bytes = core->options.min_free_bytes;
  LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<kv::Store> copy, kv::Store::Open(to, options));
  for (const TableCopy& part : TablesOf(pinned)) {
    LEADLINE_RETURN_IF_ERROR(call->Begin(part.stage, part.rows));
    LEADLINE_RETURN_IF_ERROR(
        CopyTable(core->store.get(), pinned.store(), copy.get(), part.table, call));
  }
  LEADLINE_RETURN_IF_ERROR(copy->Flush());
  LEADLINE_RETURN_IF_ERROR(copy->AdvanceLowWater(pinned.sequence()));
  return copy->Close();
}

/// Adds what it wrote to `done_bytes`.
Status WriteFile(FileSystem* fs, std::string_view bytes, const std::string& to, LongCall* call,
                 uint64_t* done_bytes) {
  LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> target, fs->NewWritableFile(to));
  while (!bytes.empty()) {
    LEADLINE_RETURN_IF_ERROR(call->At(*done_bytes));
    const std::string_view piece = bytes.substr(0, kCopyPieceBytes);
    LEADLINE_RETURN_IF_ERROR(target->Append(piece));
    *done_bytes += piece.size();
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

Status CopySegments(const PinnedSnapshot& pinned, const std::string& to, LongCall* call) {
  FileSystem* fs = pinned.core()->fs;
  LEADLINE_RETURN_IF_ERROR(CreateDirectoriesDurably(fs, to));
  const std::vector<std::shared_ptr<SealedSegment>> segments = SegmentsOf(pinned);
  uint64_t all_bytes = 0;
  for (const std::shared_ptr<SealedSegment>& segment : segments) {
    all_bytes += segment->entry().identity.size;
  }
  LEADLINE_RETURN_IF_ERROR(call->Begin("copying segments", all_bytes));
  uint64_t done_bytes = 0;
  for (const std::shared_ptr<SealedSegment>& segment : segments) {
    LEADLINE_RETURN_IF_ERROR(call->At(done_bytes));  // the next line may verify the whole file
    if (segment->Contents() != nullptr) {
      // Not by its path: beside a reader the writer may have deleted the name since.
      LEADLINE_RETURN_IF_ERROR(WriteFile(
          fs, segment->FileBytes(), JoinPath(to, SegmentFileName(segment->entry().info.segment_id)),
          call, &done_bytes));
    } else if (!segment->damaged()) {
      // A damaged file is rebuilt in the copy. One that cannot be read now would be missing there.
      return segment->damage();
    }
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

Status CopyInto(const PinnedSnapshot& pinned, const std::string& partial, const std::string& to,
                LongCall* call) {
  LEADLINE_RETURN_IF_ERROR(CopyStore(pinned, JoinPath(partial, "store"), call));
  KillPoint("backup:store-copied");
  LEADLINE_RETURN_IF_ERROR(CopySegments(pinned, JoinPath(partial, "segments"), call));
  KillPoint("backup:segments-copied");
  return FinishPartialCopy(pinned.core()->fs, partial, to);
}

}  // namespace

Status BackupDatabase(const std::shared_ptr<DatabaseCore>& core, const std::string& target,
                      LongCall* call) {
  const std::string to = WithoutTrailingSlashes(target);
  if (to.empty()) {
    return InvalidArgumentError("target of a copy has no name");
  }
  Status found = core->fs->FileExists(to);
  if (found.ok()) {
    return AlreadyExistsError("target exists: path=" + to);
  }
  if (found.code() != StatusCode::kNotFound) {
    return found;
  }
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<const PinnedSnapshot> pinned,
                            PinnedSnapshot::Take(core));
  const std::string partial = to + ".partial";
  LEADLINE_RETURN_IF_ERROR(StartPartialCopy(core->fs, partial));
  Status copied = CopyInto(*pinned, partial, to, call);
  if (!copied.ok()) {
    DiscardPartialCopy(core->fs, partial).IgnoreError();
  }
  return copied;
}

Status RestoreDatabase(const std::string& from, const std::string& to, const CallOptions& call,
                       FileSystem* file_system) {
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
