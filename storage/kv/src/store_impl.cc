#include "store_impl.h"

#include <algorithm>
#include <utility>

#include "leadline/core/coding.h"
#include "leadline/core/no_throw.h"
#include "leadline/core/test_hooks.h"
#include "owner_file.h"
#include "rocksdb_status.h"
#include "write_batch_rep.h"

namespace leadline::kv {
namespace {

constexpr size_t kMultiGetChunk = 256;

}  // namespace

StoreImpl::StoreImpl(std::string directory, const StoreOptions& options,
                     std::shared_ptr<StoreCore> core, std::shared_ptr<Latch> latch)
    : directory_(std::move(directory)),
      options_(options),
      log_cut_(core->log_cut),
      latch_(std::move(latch)),
      free_space_(options.fs, directory_, options.read_only ? 0 : options.min_free_bytes),
      low_water_(options.fs, directory_),
      core_(std::move(core)) {}

StoreImpl::~StoreImpl() {
  if (!fork_.crossed()) {
    NoThrow([&] { return Close(); }).IgnoreError();
  }
}

Status StoreImpl::CheckReadable() const {
  return core_ != nullptr ? OkStatus()
                          : FailedPreconditionError("store is closed: directory=" + directory_);
}

Status StoreImpl::CheckWritable() const {
  LEADLINE_RETURN_IF_ERROR(CheckReadable());
  if (options_.read_only) {
    return PermissionDeniedError("store is open read-only: directory=" + directory_);
  }
  return latch_->Check();
}

Status StoreImpl::Write(const WriteBatch& batch, bool sync, Admission admission) {
  LEADLINE_RETURN_IF_ERROR(fork_.Check());
  const ReaderLock lock(&mutex_);
  LEADLINE_RETURN_IF_ERROR(CheckWritable());
  WriteBatch::Rep* rep = batch.rep_.get();
  LEADLINE_RETURN_IF_ERROR(FromRocks(rep->failure, "cannot apply the batch"));
  if (rep->batch.Count() == 0) {
    return sync ? SyncLogLocked() : OkStatus();
  }
  LEADLINE_RETURN_IF_ERROR(free_space_.Admit(rep->batch.GetDataSize(), admission));
  // Writes that were published before this one starts are older in the log, so its sync covers
  // them; its own number is not known here.
  const uint64_t covered = core_->db->GetLatestSequenceNumber();
  rocksdb::WriteOptions options;
  options.sync = sync;
  rocksdb::DB* const db = core_->db.get();
  LEADLINE_RETURN_IF_ERROR(
      latch_->Guard("cannot write the batch", [&] { return db->Write(options, &rep->batch); }));
  if (sync) {
    AdvanceMark(covered);
  }
  return {};
}

Status StoreImpl::SyncLog() {
  LEADLINE_RETURN_IF_ERROR(fork_.Check());
  const ReaderLock lock(&mutex_);
  LEADLINE_RETURN_IF_ERROR(CheckWritable());
  return SyncLogLocked();
}

Status StoreImpl::SyncLogLocked() {
  const uint64_t covered = core_->db->GetLatestSequenceNumber();
  rocksdb::DB* const db = core_->db.get();
  LEADLINE_RETURN_IF_ERROR(latch_->Guard("cannot sync the log", [&] { return db->SyncWAL(); }));
  AdvanceMark(covered);
  return {};
}

void StoreImpl::AdvanceMark(uint64_t covered) {
  const StoreCore& core = *core_;
  NoThrow([&] {
    core.mark->Advance({core.files->synced(), covered});
    return OkStatus();
  }).IgnoreError();  // a mark that stays behind claims less than is true
}

Result<std::optional<std::string>> StoreImpl::Get(Table table, std::string_view key,
                                                  const StoreSnapshot* snapshot) {
  LEADLINE_RETURN_IF_ERROR(fork_.Check());
  const ReaderLock lock(&mutex_);
  LEADLINE_RETURN_IF_ERROR(CheckReadable());
  rocksdb::PinnableSlice value;
  const rocksdb::Status got = core_->db->Get(ReadAt(snapshot), core_->table(table), key, &value);
  if (got.IsNotFound()) {
    return std::optional<std::string>();
  }
  LEADLINE_RETURN_IF_ERROR(FromRocks(got, "cannot read the store"));
  return std::optional<std::string>(value.ToString());
}

Result<std::vector<std::optional<std::string>>> StoreImpl::MultiGet(
    Table table, const std::vector<std::string>& keys, const StoreSnapshot* snapshot) {
  LEADLINE_RETURN_IF_ERROR(fork_.Check());
  const ReaderLock lock(&mutex_);
  LEADLINE_RETURN_IF_ERROR(CheckReadable());
  const rocksdb::ReadOptions read = ReadAt(snapshot);
  std::vector<std::optional<std::string>> found(keys.size());
  for (size_t start = 0; start < keys.size(); start += kMultiGetChunk) {
    const size_t n = std::min(kMultiGetChunk, keys.size() - start);
    std::vector<rocksdb::Slice> slices(n);
    std::vector<rocksdb::PinnableSlice> values(n);
    std::vector<rocksdb::Status> statuses(n);
    for (size_t i = 0; i < n; ++i) {
      slices[i] = keys[start + i];
    }
    core_->db->MultiGet(read, core_->table(table), n, slices.data(), values.data(),
                        statuses.data());
    for (size_t i = 0; i < n; ++i) {
      if (statuses[i].ok()) {
        found[start + i] = values[i].ToString();
      } else if (!statuses[i].IsNotFound()) {
        return FromRocks(statuses[i], "cannot read the store");
      }
    }
  }
  return found;
}

std::unique_ptr<Iterator> StoreImpl::NewIterator(Table table, std::string_view prefix,
                                                 const StoreSnapshot* snapshot) {
  Status usable = fork_.Check();
  if (!usable.ok()) {
    return MakeErrorIterator(std::move(usable));
  }
  const ReaderLock lock(&mutex_);
  usable = CheckReadable();
  if (!usable.ok()) {
    return MakeErrorIterator(std::move(usable));
  }
  return MakeIterator(core_, table, prefix, snapshot);
}

std::shared_ptr<const StoreSnapshot> StoreImpl::NewSnapshot() {
  if (fork_.crossed()) {
    return nullptr;
  }
  const ReaderLock lock(&mutex_);
  if (core_ == nullptr) {
    return nullptr;
  }
  return std::make_shared<CoreSnapshot>(core_, /*pin=*/!options_.read_only);
}

Status StoreImpl::AdvanceLowWater(uint64_t sequence) {
  LEADLINE_RETURN_IF_ERROR(fork_.Check());
  const ReaderLock lock(&mutex_);
  LEADLINE_RETURN_IF_ERROR(CheckWritable());
  return AdvanceLowWaterLocked(sequence);
}

Status StoreImpl::AdvanceLowWaterLocked(uint64_t sequence) {
  if (sequence <= low_water_.sequence()) {
    return {};
  }
  // A floor above what a power cut leaves would make the store refuse to open.
  LEADLINE_RETURN_IF_ERROR(SyncLogLocked());
  return low_water_.Advance(sequence);
}

Result<uint64_t> StoreImpl::StoredSequence() {
  const ReaderLock lock(&mutex_);
  return StoredSequenceLocked();
}

Result<uint64_t> StoreImpl::StoredSequenceLocked() {
  if (options_.sequence_key.empty()) {
    return uint64_t{0};
  }
  std::string value;
  const rocksdb::Status got =
      core_->db->Get(ReadAt(nullptr), core_->table(Table::kMeta), options_.sequence_key, &value);
  if (got.IsNotFound()) {
    return uint64_t{0};
  }
  LEADLINE_RETURN_IF_ERROR(FromRocks(got, "cannot read the stored sequence"));
  if (value.size() != sizeof(uint64_t)) {
    return DataLossError("stored sequence has a wrong size: bytes=" + std::to_string(value.size()));
  }
  return DecodeFixed64(value.data());
}

Status StoreImpl::Health() const {
  LEADLINE_RETURN_IF_ERROR(fork_.Check());
  return latch_->first();
}

Status StoreImpl::Close() {
  LEADLINE_RETURN_IF_ERROR(fork_.Check());
  const WriterLock lock(&mutex_);
  LEADLINE_RETURN_IF_ERROR(CheckReadable());
  Status closed = options_.read_only ? OkStatus() : latch_->Check();
  if (!options_.read_only && closed.ok()) {
    closed = FlushTables();
    KillPoint("close:flushed");
    if (closed.ok()) {
      const Result<uint64_t> sequence = StoredSequenceLocked();
      closed = sequence.ok() ? AdvanceLowWaterLocked(*sequence) : sequence.status();
    }
  }
  if (!options_.read_only) {
    core_->mark->Sync().IgnoreError();
  }
  if (!options_.read_only) {
    RemoveOwnerFile(options_.fs, directory_);
  }
  // Snapshots and iterators that are still held keep the database open; it closes with the last.
  if (core_.use_count() == 1) {
    Status shut = core_->Shutdown();
    shut.IgnoreError();  // the first error is the one to tell
    if (closed.ok()) {
      closed = std::move(shut);
    }
  }
  core_.reset();
  KillPoint("close:closed");
  return closed;
}

void StoreImpl::Abandon() {
  const WriterLock lock(&mutex_);
  core_.reset();
}

}  // namespace leadline::kv
