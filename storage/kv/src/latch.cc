#include "latch.h"

#include "rocksdb_status.h"

namespace leadline::kv {

void BackgroundErrorListener::OnBackgroundError(rocksdb::BackgroundErrorReason,
                                                rocksdb::Status* error) {
  latch_->Set(FromRocks(*error, "cannot write the store")).IgnoreError();
}

void BackgroundErrorListener::OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status,
                                                   bool* auto_recovery) {
  *auto_recovery = false;
}

}  // namespace leadline::kv
