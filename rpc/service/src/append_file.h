#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>

#include "leadline/core/status.h"

namespace leadline::rpc {

/// A log that others may rotate, truncate or append to at the same time. FileSystem's files have
/// one writer, who keeps the offset; here each piece goes to the end that the file has by then, in
/// one write (O_APPEND). Thread-safe.
class AppendFile {
 public:
  /// Creates a missing file for its owner alone (0600). kUnavailable. Never blocks: a pipe that
  /// nobody reads is an error, here and later.
  static Result<std::unique_ptr<AppendFile>> Open(const std::string& path);
  ~AppendFile();

  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  /// Writes `line`, its end included, in one call. kUnavailable where not all of it was taken. What
  /// was cut stays as it is, and the next line begins behind a line end of its own.
  Status Append(std::string_view line);

 private:
  AppendFile(int fd, std::string path);

  const int fd_;
  const std::string path_;
  std::atomic<bool> cut_{false};
};

}  // namespace leadline::rpc
