#pragma once

/// Translation of outcomes between RocksDB and Leadline, both ways.

#include <string_view>

#include <rocksdb/io_status.h>
#include <rocksdb/status.h>

#include "leadline/core/status.h"

namespace leadline::kv {

/// For RocksDB's eyes. The code's name leads the message, so that `FromRocks` finds the code again
/// after RocksDB has passed the error through.
rocksdb::IOStatus ToRocks(const Status& status);

/// `what` says what was being done; it becomes the fixed head of the message.
Status FromRocks(const rocksdb::Status& status, std::string_view what);

}  // namespace leadline::kv
