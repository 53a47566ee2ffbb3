#include "leadline/rpc/tls_reloader.h"

#include <utility>

namespace leadline::rpc {
namespace {

constexpr int64_t kLookAgainNanos = 1'000'000'000;

}  // namespace

Result<std::unique_ptr<TlsReloader>> TlsReloader::Open(const TlsFiles& files, Clock* clock,
                                                       Refused refused) {
  LEADLINE_ASSIGN_OR_RETURN(TlsIdentity identity, LoadTlsFiles(files, clock));
  std::unique_ptr<TlsReloader> reloader(new TlsReloader(files, clock, std::move(refused)));
  MutexLock lock(&reloader->mutex_);
  reloader->current_ = std::make_shared<const TlsIdentity>(std::move(identity));
  reloader->looked_nanos_ = clock->MonotonicNanos();
  return reloader;
}

std::shared_ptr<const TlsIdentity> TlsReloader::Current() {
  Status news;
  std::shared_ptr<const TlsIdentity> current;
  {
    MutexLock lock(&mutex_);
    const int64_t now = clock_->MonotonicNanos();
    if (now - looked_nanos_ >= kLookAgainNanos) {
      looked_nanos_ = now;
      news = Look();
    }
    current = current_;
  }
  if (!news.ok() && refused_) {
    refused_(news);
  }
  return current;
}

Status TlsReloader::Look() {
  Result<TlsIdentity> found = LoadTlsFiles(files_, clock_);
  if (!found.ok()) {
    const bool known = found.status().message() == last_refusal_;
    last_refusal_ = found.status().message();
    return known ? OkStatus() : found.status();
  }
  last_refusal_.clear();
  if (*found != *current_) {
    current_ = std::make_shared<const TlsIdentity>(*std::move(found));
  }
  return {};
}

}  // namespace leadline::rpc
