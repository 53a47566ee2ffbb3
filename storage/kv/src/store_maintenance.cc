#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "log_scan.h"
#include "low_water.h"
#include "rocksdb_status.h"
#include "store_impl.h"

namespace leadline::kv {

Status StoreImpl::FlushTables() {
  rocksdb::FlushOptions options;
  options.wait = true;
  options.allow_write_stall = true;
  const std::vector<rocksdb::ColumnFamilyHandle*> tables(core_->tables.begin(),
                                                         core_->tables.end());
  rocksdb::DB* const db = core_->db.get();
  return latch_->Guard("cannot flush the store", [&] { return db->Flush(options, tables); });
}

Status StoreImpl::Flush() {
  LEADLINE_RETURN_IF_ERROR(fork_.Check());
  const ReaderLock lock(&mutex_);
  LEADLINE_RETURN_IF_ERROR(CheckWritable());
  LEADLINE_RETURN_IF_ERROR(free_space_.Admit(0));
  return FlushTables();
}

namespace {

/// Past the cache and with checksums compared.
rocksdb::ReadOptions VerifyingReads() {
  rocksdb::ReadOptions read;
  read.verify_checksums = true;
  read.fill_cache = false;
  read.readahead_size = size_t{1} << 20;
  return read;
}

}  // namespace

Status StoreImpl::Compact(Table table) {
  LEADLINE_RETURN_IF_ERROR(fork_.Check());
  const ReaderLock lock(&mutex_);
  LEADLINE_RETURN_IF_ERROR(CheckWritable());
  LEADLINE_RETURN_IF_ERROR(free_space_.Admit(0));
  rocksdb::CompactRangeOptions options;
  options.exclusive_manual_compaction = false;
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
  options.blob_garbage_collection_policy = rocksdb::BlobGarbageCollectionPolicy::kForce;
  options.blob_garbage_collection_age_cutoff = 1.0;
  rocksdb::DB* const db = core_->db.get();
  rocksdb::ColumnFamilyHandle* const keys = core_->table(table);
  return latch_->Guard("cannot compact the store",
                       [&] { return db->CompactRange(options, keys, nullptr, nullptr); });
}

Status StoreImpl::VerifyChecksums(const std::function<Status(uint64_t done_bytes)>& watch) {
  LEADLINE_RETURN_IF_ERROR(fork_.Check());
  const ReaderLock lock(&mutex_);
  LEADLINE_RETURN_IF_ERROR(CheckReadable());
  ReadWatch reads(watch);
  const rocksdb::Status files = core_->db->VerifyFileChecksums(VerifyingReads());
  LEADLINE_RETURN_IF_ERROR(reads.stopped());
  LEADLINE_RETURN_IF_ERROR(FromRocks(files, "store file is damaged"));
  const rocksdb::Status blocks = core_->db->VerifyChecksum(VerifyingReads());
  LEADLINE_RETURN_IF_ERROR(reads.stopped());
  LEADLINE_RETURN_IF_ERROR(FromRocks(blocks, "store file is damaged"));
  return VerifyLogs(&reads);
}

Status StoreImpl::VerifyTables(const std::function<Status(uint64_t done_bytes)>& watch) {
  LEADLINE_RETURN_IF_ERROR(fork_.Check());
  const ReaderLock lock(&mutex_);
  LEADLINE_RETURN_IF_ERROR(CheckReadable());
  ReadWatch reads(watch);
  const rocksdb::Status blocks = core_->db->VerifyChecksum(VerifyingReads());
  LEADLINE_RETURN_IF_ERROR(reads.stopped());
  return FromRocks(blocks, "table file of the store is damaged");
}

Status StoreImpl::VerifyLogs(ReadWatch* watch) {
  const SyncedFiles synced =
      options_.read_only ? SyncMark::Read(options_.fs, directory_).files : core_->files->synced();
  LEADLINE_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                            options_.fs->ListDirectory(directory_));
  for (const std::string& file : names) {
    const std::optional<LogName> name = ParseLogName(file);
    if (!name) {
      continue;
    }
    LEADLINE_RETURN_IF_ERROR(watch->Before(0));
    const std::string path = JoinPath(directory_, file);
    const Result<LogScan> scan = ScanLog(options_.fs, path, name->kind, 0);
    if (scan.status().code() == StatusCode::kNotFound) {
      continue;  // no longer needed, deleted meanwhile
    }
    LEADLINE_RETURN_IF_ERROR(scan.status());
    // The end of a live log may be half a record: somebody is writing it.
    const LogPosition& mark = name->kind == LogKind::kManifest ? synced.manifest : synced.log;
    const bool cut = name->number == mark.number && scan->sound_bytes < mark.bytes;
    if (cut || (scan->damaged && scan->record_follows && !scan->looks_torn)) {
      return DataLossError("log is damaged: path=" + path +
                           " offset=" + std::to_string(scan->damage_offset) + ": " + scan->damage);
    }
  }
  return {};
}

Result<StoreStats> StoreImpl::Stats() {
  LEADLINE_RETURN_IF_ERROR(fork_.Check());
  const ReaderLock lock(&mutex_);
  LEADLINE_RETURN_IF_ERROR(CheckReadable());
  StoreStats stats;
  LEADLINE_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                            options_.fs->ListDirectory(directory_));
  for (const std::string& name : names) {
    // Files come and go meanwhile; one that went has no size.
    const Result<uint64_t> size = options_.fs->FileSize(JoinPath(directory_, name));
    const std::string_view suffix = std::string_view(name).substr(
        name.find_last_of('.') == std::string::npos ? name.size() : name.find_last_of('.'));
    if (!size.ok()) {
      continue;
    }
    if (suffix == ".log" || suffix == ".sst" || suffix == ".blob") {
      stats.disk_bytes += *size;
    }
  }
  stats.log_syncs = core_->files->log_syncs();
  return stats;
}

}  // namespace leadline::kv
