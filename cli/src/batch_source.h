#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "leadline/core/executor.h"
#include "leadline/core/mutex.h"
#include "leadline/core/types.h"
#include "leadline/eval/record_reader.h"
#include "record_preparer.h"

namespace leadline::cli {

/// What is written together, in file order.
struct PreparedBatch {
  std::vector<PreparedRow> rows;
  double share = 0;  ///< of the input read so far, in [0, 1]
  bool last = false;
  Status fatal;  ///< the input cannot be read further; `rows` before it are good
};

struct BatchSourceOptions {
  std::vector<std::string> paths;
  eval::FileFormat format = eval::FileFormat::kAuto;
  uint64_t id_offset = 0;
  size_t batch_rows = 1000;
  size_t batch_bytes = kMaxBatchBytes;  ///< a batch ends before it passes this, too
  size_t threads = 1;
};

/// Reads rows of several files and prepares them; with more than one thread the next batch is made
/// while the caller writes the last one. Rows keep their order whatever the threads. Ids made from
/// row numbers go on from file to file. Memory is bounded by two batches and one slice of rows.
/// Externally synchronised.
class BatchSource {
 public:
  /// `preparer` must outlive the source.
  BatchSource(const RecordPreparer& preparer, BatchSourceOptions options);
  ~BatchSource();
  BatchSource(const BatchSource&) = delete;
  BatchSource& operator=(const BatchSource&) = delete;

  /// The next batch; do not call again after one with `last` set.
  PreparedBatch Next();

 private:
  PreparedBatch Produce();
  /// Fills up a batch; bad rows become rows with an error.
  Status ReadRows(PreparedBatch* batch);
  /// Reads and prepares some rows more, or finds that there are none.
  Status FillPending();
  Status OpenNextFile();
  /// Reads on in the open file into `pending_`; false at its end.
  Result<bool> ReadSlice();
  void StartProducing();
  [[nodiscard]] double ShareRead() const;

  const RecordPreparer& preparer_;
  const BatchSourceOptions options_;
  std::unique_ptr<eval::RecordReader> reader_;
  size_t next_path_ = 0;
  uint64_t id_offset_;
  uint64_t rows_in_file_ = 0;
  std::deque<PreparedRow> pending_;  // prepared, not yet in a batch
  bool ended_ = false;
  Status end_error_;

  Mutex mutex_;
  CondVar ready_;
  std::unique_ptr<PreparedBatch> produced_ LEADLINE_GUARDED_BY(mutex_);
  std::unique_ptr<PreparedBatch> next_;  ///< belongs to the task while producing_
  bool producing_ = false;
  std::unique_ptr<Executor> pool_;  // last: its threads end before the members they use
};

}  // namespace leadline::cli
