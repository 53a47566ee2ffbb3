#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "database_core.h"
#include "leadline/core/mutex.h"
#include "leadline/core/status.h"
#include "leadline/core/types.h"

namespace leadline::engine {

/// Reads the vectors of the segments that searches use and that were opened without them
/// (SegmentContents::unverified): searches then need not ask row by row, and find them in the page
/// cache. One thread; looks once in kTickMs whether there is something to do. Thread-safe.
class VectorVerifier {
 public:
  using GetCore = std::function<Result<std::shared_ptr<DatabaseCore>>()>;

  static constexpr int64_t kTickMs = 500;

  /// `core` is asked for the present core on the thread. Throws what std::thread throws.
  explicit VectorVerifier(GetCore core);

  ~VectorVerifier() { Stop(); }

  VectorVerifier(const VectorVerifier&) = delete;
  VectorVerifier& operator=(const VectorVerifier&) = delete;

  /// Ends the thread and waits for it.
  void Stop();

 private:
  void Run();
  Status VerifyUsedSegments();

  const GetCore core_;
  CancelToken stop_;
  Mutex mutex_;
  CondVar wake_;
  bool stopping_ LEADLINE_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace leadline::engine
