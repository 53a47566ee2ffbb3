#include "append_file.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace leadline::rpc {
namespace {

Status AppendError(std::string_view operation, const std::string& path, int error) {
  return UnavailableError("cannot " + std::string(operation) + ": path=" + path + ": " +
                          ::strerrordesc_np(error));
}

}  // namespace

AppendFile::AppendFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

AppendFile::~AppendFile() {
  ::close(fd_);
}

Result<std::unique_ptr<AppendFile>> AppendFile::Open(const std::string& path) {
  const int fd =
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
  if (fd < 0) {
    return AppendError("open for appending", path, errno);
  }
  return std::unique_ptr<AppendFile>(new AppendFile(fd, path));
}

Status AppendFile::Append(std::string_view line) {
  const bool after_cut = cut_.exchange(false);
  const std::string bytes = after_cut ? "\n" + std::string(line) : std::string(line);
  ssize_t written = -1;
  do {
    written = ::write(fd_, bytes.data(), bytes.size());
  } while (written < 0 && errno == EINTR);
  if (written == static_cast<ssize_t>(bytes.size())) {
    return {};
  }
  const int error = written < 0 ? errno : ENOSPC;
  if (written > 0 || after_cut) {
    cut_.store(true);
  }
  return AppendError("append", path_, error);
}

}  // namespace leadline::rpc
