#include "store_core.h"

#include <utility>

#include "leadline/core/no_throw.h"
#include "rocksdb_status.h"

namespace leadline::kv {
namespace {

/// Smallest key above every key that starts with `prefix`; empty when there is none.
std::string PrefixEnd(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) {
    end.pop_back();
  }
  if (!end.empty()) {
    end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  }
  return end;
}

class CoreIterator final : public Iterator {
 public:
  CoreIterator(std::shared_ptr<StoreCore> core, Table table, std::string_view prefix,
               const StoreSnapshot* snapshot)
      : core_(std::move(core)), prefix_(prefix), end_(PrefixEnd(prefix)), end_slice_(end_) {
    rocksdb::ReadOptions read = ReadAt(snapshot);
    if (!end_.empty()) {
      read.iterate_upper_bound = &end_slice_;
    }
    // A walk over the vectors must not push everything else out of the small block cache.
    read.fill_cache = table != Table::kVectors;
    iterator_.reset(core_->db->NewIterator(read, core_->table(table)));
    iterator_->Seek(prefix_);
  }

  CoreIterator(const CoreIterator&) = delete;
  CoreIterator& operator=(const CoreIterator&) = delete;

  ~CoreIterator() override {
    if (core_->fork.crossed()) {
      static_cast<void>(iterator_.release());
    }
  }

  [[nodiscard]] bool Valid() const override { return !core_->fork.crossed() && iterator_->Valid(); }

  void Seek(std::string_view key) override {
    if (!core_->fork.crossed()) {
      const std::string_view target = std::max(key, std::string_view(prefix_));
      iterator_->Seek(rocksdb::Slice(target.data(), target.size()));
    }
  }

  void Next() override {
    if (!core_->fork.crossed()) {
      iterator_->Next();
    }
  }

  [[nodiscard]] std::string_view key() const override {
    return {iterator_->key().data(), iterator_->key().size()};
  }

  [[nodiscard]] std::string_view value() const override {
    return {iterator_->value().data(), iterator_->value().size()};
  }

  [[nodiscard]] Status status() const override {
    LEADLINE_RETURN_IF_ERROR(core_->fork.Check());
    return FromRocks(iterator_->status(), "cannot read the store");
  }

 private:
  const std::shared_ptr<StoreCore> core_;
  const std::string prefix_;
  const std::string end_;
  const rocksdb::Slice end_slice_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

class ErrorIterator final : public Iterator {
 public:
  explicit ErrorIterator(Status error) : error_(std::move(error)) {}

  [[nodiscard]] bool Valid() const override { return false; }

  void Seek(std::string_view) override {}

  void Next() override {}

  [[nodiscard]] std::string_view key() const override { return {}; }

  [[nodiscard]] std::string_view value() const override { return {}; }

  [[nodiscard]] Status status() const override { return error_; }

 private:
  const Status error_;
};

}  // namespace

Status StoreCore::Shutdown() {
  if (db == nullptr) {
    return {};
  }
  for (rocksdb::ColumnFamilyHandle*& handle : tables) {
    if (handle != nullptr) {
      db->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
      handle = nullptr;
    }
  }
  const rocksdb::Status closed = db->Close();
  db.reset();
  return FromRocks(closed, "cannot close the store");
}

StoreCore::~StoreCore() {
  if (fork.crossed()) {
    static_cast<void>(db.release());
    static_cast<void>(env.release());
    static_cast<void>(lock.release());
    static_cast<void>(mark.release());
    static_cast<void>(
        std::make_unique<std::shared_ptr<RocksDbFileSystem>>(std::move(files)).release());
    return;
  }
  NoThrow([&] { return Shutdown(); }).IgnoreError();
  // The lock goes last: the next writer must find the files at rest.
  db.reset();
  env.reset();
  files.reset();
  mark.reset();
  lock.reset();
}

CoreSnapshot::~CoreSnapshot() {
  if (snapshot_ != nullptr && !core_->fork.crossed()) {
    core_->db->ReleaseSnapshot(snapshot_);
  }
}

rocksdb::ReadOptions ReadAt(const StoreSnapshot* snapshot) {
  rocksdb::ReadOptions read;
  read.verify_checksums = true;
  if (snapshot != nullptr) {
    read.snapshot = static_cast<const CoreSnapshot*>(snapshot)->get();
  }
  return read;
}

std::unique_ptr<Iterator> MakeIterator(std::shared_ptr<StoreCore> core, Table table,
                                       std::string_view prefix, const StoreSnapshot* snapshot) {
  return std::make_unique<CoreIterator>(std::move(core), table, prefix, snapshot);
}

std::unique_ptr<Iterator> MakeErrorIterator(Status error) {
  return std::make_unique<ErrorIterator>(std::move(error));
}

}  // namespace leadline::kv
