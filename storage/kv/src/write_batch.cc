#include <array>
#include <string>

#include <rocksdb/comparator.h>
#include <rocksdb/db.h>

#include "database_options.h"
#include "write_batch_rep.h"

namespace leadline::kv {
namespace {

/// Checksum bytes that RocksDB carries with each entry from the batch to the memtable.
constexpr size_t kProtectionBytes = 8;

/// Names a table by its family id before any database is open: a batch needs nothing else.
class TableHandle final : public rocksdb::ColumnFamilyHandle {
 public:
  explicit TableHandle(Table table) : id_(static_cast<uint32_t>(table)), name_(TableName(table)) {}

  const std::string& GetName() const override { return name_; }

  uint32_t GetID() const override { return id_; }

  rocksdb::Status GetDescriptor(rocksdb::ColumnFamilyDescriptor*) override {
    return rocksdb::Status::NotSupported("GetDescriptor");
  }

  const rocksdb::Comparator* GetComparator() const override {
    return rocksdb::BytewiseComparator();
  }

 private:
  const uint32_t id_;
  const std::string name_;
};

rocksdb::ColumnFamilyHandle* HandleOf(Table table) {
  static auto* const kHandles = new std::array<TableHandle, kTableCount>{
      TableHandle(Table::kMeta), TableHandle(Table::kRecords), TableHandle(Table::kVectors),
      TableHandle(Table::kLocations), TableHandle(Table::kTombstones)};
  return &(*kHandles)[static_cast<size_t>(table)];
}

}  // namespace

WriteBatch::Rep::Rep() : batch(0, 0, kProtectionBytes, 0) {}

WriteBatch::WriteBatch() : rep_(std::make_unique<Rep>()) {}

WriteBatch::~WriteBatch() = default;
WriteBatch::WriteBatch(WriteBatch&&) noexcept = default;
WriteBatch& WriteBatch::operator=(WriteBatch&&) noexcept = default;

void WriteBatch::Put(Table table, std::string_view key, std::string_view value) {
  rep_->Keep(rep_->batch.Put(HandleOf(table), key, value));
}

void WriteBatch::Delete(Table table, std::string_view key) {
  rep_->Keep(rep_->batch.Delete(HandleOf(table), key));
}

void WriteBatch::DeleteRange(Table table, std::string_view begin, std::string_view end) {
  rep_->Keep(rep_->batch.DeleteRange(HandleOf(table), begin, end));
}

void WriteBatch::Clear() {
  rep_->batch.Clear();
  rep_->failure = rocksdb::Status::OK();
}

size_t WriteBatch::size_bytes() const {
  return rep_->batch.GetDataSize();
}

size_t WriteBatch::count() const {
  return static_cast<size_t>(rep_->batch.Count());
}

}  // namespace leadline::kv
