#pragma once

#include <rocksdb/write_batch.h>

#include "leadline/storage/store.h"

namespace leadline::kv {

struct WriteBatch::Rep {
  Rep();

  /// Remembers the first refused change; Store::Write reports it.
  void Keep(const rocksdb::Status& status) {
    if (!status.ok() && failure.ok()) {
      failure = status;
    }
  }

  rocksdb::WriteBatch batch;
  rocksdb::Status failure;
};

}  // namespace leadline::kv
