#include "database_options.h"

#include <algorithm>
#include <array>
#include <cstdarg>
#include <string>

#include <rocksdb/cache.h>
#include <rocksdb/file_checksum.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>

namespace leadline::kv {
namespace {

constexpr uint64_t kKiB = uint64_t{1} << 10;
constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr size_t kBlockCacheBytes = 16 * kMiB;
constexpr uint64_t kMaxLogBytes = 64 * kMiB;
/// Rows of 16 dimensions and more go to blob files: compaction then moves 20-byte references
/// instead of vectors.
constexpr uint64_t kMinBlobBytes = 64;

/// RocksDB's default logger appends to a file and aborts the process when that fails (its
/// assertions are on in Debian's build), and a library does not print.
class SilentLogger final : public rocksdb::Logger {
 public:
  SilentLogger() : rocksdb::Logger(rocksdb::InfoLogLevel::FATAL_LEVEL) {}

  using rocksdb::Logger::Logv;

  void Logv(const char*, va_list) override {}

  void LogHeader(const char*, va_list) override {}
};

rocksdb::BlockBasedTableOptions TableFormat(const std::shared_ptr<rocksdb::Cache>& cache,
                                            bool bloom_filter) {
  rocksdb::BlockBasedTableOptions format;
  format.block_cache = cache;
  format.block_size = 16 * kKiB;
  format.checksum = rocksdb::kXXH3;
  format.format_version = 5;
  // Index and filter blocks live in the cache in 4 KiB partitions, so that an open database costs
  // the cache and not a share of its size.
  format.cache_index_and_filter_blocks = true;
  format.cache_index_and_filter_blocks_with_high_priority = true;
  format.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  format.metadata_block_size = 4096;
  if (bloom_filter) {
    format.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    format.partition_filters = true;
    format.optimize_filters_for_memory = true;
  }
  return format;
}

void UseBlobFiles(rocksdb::ColumnFamilyOptions* family) {
  family->enable_blob_files = true;
  family->min_blob_size = kMinBlobBytes;
  family->blob_compression_type = rocksdb::kNoCompression;
  family->enable_blob_garbage_collection = true;
  family->blob_garbage_collection_age_cutoff = 0.5;
  family->blob_garbage_collection_force_threshold = 0.5;
  family->blob_compaction_readahead_size = kMiB;
}

rocksdb::ColumnFamilyOptions FamilyOptions(Table table, uint64_t write_buffer_bytes,
                                           const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions family;
  const bool bloom_filter = table == Table::kRecords || table == Table::kLocations;
  family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(TableFormat(cache, bloom_filter)));
  // Two memtables and one flush job stay clear of a flush ordering fault of this RocksDB version
  // (fixed in 7.9.0).
  family.max_write_buffer_number = 2;
  const uint64_t small = std::max<uint64_t>(write_buffer_bytes / 4, 64 * kKiB);
  const bool large_rows = table == Table::kVectors || table == Table::kRecords;
  family.write_buffer_size = large_rows ? write_buffer_bytes : small;
  family.force_consistency_checks = true;
  family.compression = table == Table::kVectors || table == Table::kMeta ? rocksdb::kNoCompression
                                                                         : rocksdb::kLZ4Compression;
  // Records are looked up by locations that exist: a filter on the last level would never say no.
  family.optimize_filters_for_hits = table == Table::kRecords;
  family.level_compaction_dynamic_level_bytes = true;
  if (table == Table::kVectors) {
    UseBlobFiles(&family);
  }
  return family;
}

}  // namespace

std::string_view TableName(Table table) {
  switch (table) {
    case Table::kMeta:
      return "default";
    case Table::kRecords:
      return "records";
    case Table::kVectors:
      return "vectors";
    case Table::kLocations:
      return "locations";
    case Table::kTombstones:
      return "tombstones";
  }
  return "unknown";
}

rocksdb::DBOptions DatabaseOptions(const StoreOptions& options, rocksdb::Env* env,
                                   std::shared_ptr<rocksdb::EventListener> listener) {
  rocksdb::DBOptions db;
  db.env = env;
  db.create_if_missing = options.create_if_missing;
  db.create_missing_column_families = true;
  db.db_host_id = "";  // a copy that is given away does not name the machine
  db.info_log = std::make_shared<SilentLogger>();
  db.info_log_level = rocksdb::InfoLogLevel::FATAL_LEVEL;
  if (listener != nullptr) {
    db.listeners.push_back(std::move(listener));
  }
  // The default mode (point in time) opens silently with acknowledged writes missing when a log
  // has a flipped bit. This one refuses; LogGate separates torn tails from rot before.
  db.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  db.paranoid_checks = true;
  db.verify_sst_unique_id_in_manifest = true;
  db.flush_verify_memtable_count = true;
  db.file_checksum_gen_factory = rocksdb::GetFileChecksumGenCrc32cFactory();
  db.track_and_verify_wals_in_manifest = false;  // false alarm together with SyncWAL before 7.10
  db.recycle_log_file_num = 0;
  db.wal_compression = rocksdb::kNoCompression;
  db.max_total_wal_size = kMaxLogBytes;
  db.manual_wal_flush = false;
  db.unordered_write = false;
  db.two_write_queues = false;
  db.enable_pipelined_write = false;
  db.allow_mmap_reads = false;
  db.allow_mmap_writes = false;
  db.avoid_flush_during_shutdown = false;
  db.avoid_flush_during_recovery = false;
  // Every table is in one log and a flush syncs the closed logs first, so tables flushed apart
  // still agree after recovery.
  db.atomic_flush = false;
  db.max_background_jobs = 3;  // one flush, two compactions
  // A read-only open keeps every file open, so that the writer may delete them.
  db.max_open_files = options.read_only ? -1 : 512;
  db.max_file_opening_threads = 2;
  db.stats_dump_period_sec = 0;
  db.stats_persist_period_sec = 0;
  db.max_bgerror_resume_count = 0;
  db.max_manifest_file_size = 16 * kMiB;
  return db;
}

std::vector<rocksdb::ColumnFamilyDescriptor> TableDescriptors(const StoreOptions& options) {
  const std::shared_ptr<rocksdb::Cache> cache = rocksdb::NewLRUCache(kBlockCacheBytes);
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (size_t i = 0; i < kTableCount; ++i) {
    const Table table = static_cast<Table>(i);
    descriptors.emplace_back(std::string(TableName(table)),
                             FamilyOptions(table, options.write_buffer_bytes, cache));
  }
  return descriptors;
}

}  // namespace leadline::kv
