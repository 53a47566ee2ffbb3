#pragma once

#include <functional>
#include <memory>

#include <boost/asio/ssl/context.hpp>

#include "leadline/core/mutex.h"
#include "leadline/core/status.h"
#include "leadline/rpc/tls_reloader.h"

namespace leadline::rpc {

/// What new connections encrypt with, by files that may change at any time. Thread-safe.
class TlsContexts {
 public:
  using Context = boost::asio::ssl::context;

  /// The errors of LoadTlsFiles.
  static Result<std::unique_ptr<TlsContexts>> Open(const TlsFiles& files,
                                                   TlsReloader::Refused refused);

  /// Of the newest good files; null where OpenSSL takes what passed the checks no more.
  std::shared_ptr<Context> Current();

 private:
  explicit TlsContexts(std::unique_ptr<TlsReloader> reloader) : reloader_(std::move(reloader)) {}

  const std::unique_ptr<TlsReloader> reloader_;
  Mutex mutex_;
  std::shared_ptr<const TlsIdentity> made_of_ LEADLINE_GUARDED_BY(mutex_);
  std::shared_ptr<Context> context_ LEADLINE_GUARDED_BY(mutex_);
};

}  // namespace leadline::rpc
