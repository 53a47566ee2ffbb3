#pragma once

/// Takes files out of memory, as a machine short of it would.

#include <climits>
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

namespace leadline::testing {

/// Drops what the page cache holds of `path`, pages that this process has mapped too, unless they
/// are locked. False where that cannot be asked for; file systems in memory keep their pages and
/// say nothing.
inline bool EvictFile(const std::string& path) {
  char real[PATH_MAX];
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 || ::realpath(path.c_str(), real) == nullptr) {
    return false;
  }
  // Pages that are mapped do not go.
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.ends_with(" " + std::string(real))) {
      uintptr_t begin = 0;
      uintptr_t end = 0;
      char dash = 0;
      std::istringstream(line) >> std::hex >> begin >> dash >> end;
      ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
    }
  }
  // Neither do those that are not on the disk yet.
  const bool asked = ::fsync(fd) == 0 && ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0;
  ::close(fd);
  return asked;
}

}  // namespace leadline::testing
