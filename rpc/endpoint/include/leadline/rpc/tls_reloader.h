#pragma once

#include <functional>
#include <memory>
#include <string>

#include "leadline/core/clock.h"
#include "leadline/core/mutex.h"
#include "leadline/core/status.h"
#include "leadline/rpc/tls_files.h"

namespace leadline::rpc {

/// Certificate, key and authorities that new connections use, from files that may change at any
/// time. Files that fail the checks change nothing: what was good before goes on serving, and the
/// files are looked at again. Thread-safe.
class TlsReloader {
 public:
  /// Called from the thread that looked, once for every different reason.
  using Refused = std::function<void(const Status&)>;

  /// The errors of LoadTlsFiles.
  static Result<std::unique_ptr<TlsReloader>> Open(const TlsFiles& files, Clock* clock,
                                                   Refused refused);

  /// The newest good contents; reads the files at most once a second. The same pointer until they
  /// change.
  std::shared_ptr<const TlsIdentity> Current();

 private:
  TlsReloader(TlsFiles files, Clock* clock, Refused refused)
      : files_(std::move(files)), clock_(clock), refused_(std::move(refused)) {}

  /// Why the files of this moment are not used, where that is news.
  Status Look() LEADLINE_REQUIRES(mutex_);

  const TlsFiles files_;
  Clock* const clock_;
  const Refused refused_;
  Mutex mutex_;
  std::shared_ptr<const TlsIdentity> current_ LEADLINE_GUARDED_BY(mutex_);
  std::string last_refusal_ LEADLINE_GUARDED_BY(mutex_);
  int64_t looked_nanos_ LEADLINE_GUARDED_BY(mutex_) = 0;
};

}  // namespace leadline::rpc
