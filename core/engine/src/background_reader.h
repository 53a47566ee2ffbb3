#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "database_core.h"
#include "leadline/core/mutex.h"
#include "leadline/core/status.h"
#include "leadline/core/types.h"
#include "memory_keeper.h"

namespace leadline::engine {

/// Reads ahead of the searches, in the segments that they use: keeps codes, links and lists in
/// memory (MemoryKeeper), then verifies the vectors where a segment was opened without that
/// (SegmentContents::unverified), so that searches need not ask row by row and find them in the
/// page cache. One thread; looks once in kTickMs whether there is something to do. Thread-safe.
class BackgroundReader {
 public:
  using GetCore = std::function<Result<std::shared_ptr<DatabaseCore>>()>;

  static constexpr int64_t kTickMs = 500;

  /// `core` is asked for the present core on the thread. Throws what std::thread throws.
  explicit BackgroundReader(GetCore core);

  ~BackgroundReader() { Stop(); }

  BackgroundReader(const BackgroundReader&) = delete;
  BackgroundReader& operator=(const BackgroundReader&) = delete;

  /// Ends the thread and waits for it.
  void Stop();

 private:
  void Run();
  Status ReadAhead();
  Status VerifyUsedSegments(DatabaseCore* core, const CallControl& control);

  const GetCore core_;
  MemoryKeeper keeper_;  ///< for the thread
  CancelToken stop_;
  Mutex mutex_;
  CondVar wake_;
  bool stopping_ LEADLINE_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace leadline::engine
