#pragma once

/// Everything about RocksDB that is fixed in code. The OPTIONS files that RocksDB writes are never
/// read back: a crafted one could name arbitrary objects.

#include <memory>
#include <string_view>
#include <vector>

#include <rocksdb/db.h>
#include <rocksdb/listener.h>
#include <rocksdb/options.h>

#include "leadline/storage/store.h"

namespace leadline::kv {

/// Column family name of a table. Persisted.
std::string_view TableName(Table table);

/// `env` must outlive the database. `listener` may be null.
rocksdb::DBOptions DatabaseOptions(const StoreOptions& options, rocksdb::Env* env,
                                   std::shared_ptr<rocksdb::EventListener> listener);

/// One descriptor per table, in Table order: RocksDB numbers families in creation order, so a
/// table's number is its family's id.
std::vector<rocksdb::ColumnFamilyDescriptor> TableDescriptors(const StoreOptions& options);

}  // namespace leadline::kv
