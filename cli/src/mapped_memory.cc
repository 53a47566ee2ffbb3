#include "mapped_memory.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "leadline/core/file_system.h"

namespace leadline::cli {
namespace {

constexpr const char* kMappings = "/proc/self/smaps";
constexpr uint64_t kUnitBytes = 1024;  // the file counts in kB

/// Files of /proc have no size, so they are read to their end.
Result<std::string> ReadToEnd(const std::string& path) {
  LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<SequentialFile> file,
                            FileSystem::Posix()->NewSequentialFile(path));
  std::string contents;
  std::array<char, 65536> buffer{};
  for (;;) {
    LEADLINE_ASSIGN_OR_RETURN(const std::string_view part,
                              file->Read(buffer.size(), buffer.data()));
    if (part.empty()) {
      return contents;
    }
    contents += part;
  }
}

/// The number of "Rss:     12 kB", 0 for other lines.
uint64_t RssOf(std::string_view line) {
  static constexpr std::string_view kName = "Rss:";
  uint64_t value = 0;
  if (line.starts_with(kName)) {
    line.remove_prefix(std::min(line.find_first_of("0123456789"), line.size()));
    std::from_chars(line.data(), line.data() + line.size(), value);
  }
  return value;
}

/// True for the line that begins a mapping: "7f00-7f01 r--s 00000000 08:01 42   /path".
bool BeginsMapping(std::string_view line) {
  const size_t blank = line.find(' ');
  return blank != std::string_view::npos && blank > 0 && line[blank - 1] != ':';
}

}  // namespace

Result<uint64_t> MappedBytesInMemory(const std::string& directory) {
  // The system lists files by their real path.
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(directory.c_str(), nullptr),
                                                         &std::free);
  if (real == nullptr) {
    return NotFoundError("no such directory: path=" + directory);
  }
  LEADLINE_ASSIGN_OR_RETURN(const std::string mappings, ReadToEnd(kMappings));
  const std::string below = " " + std::string(real.get()) + "/";
  uint64_t units = 0;
  bool counts = false;
  for (size_t begin = 0; begin < mappings.size();) {
    const size_t end = std::min(mappings.find('\n', begin), mappings.size());
    const std::string_view line(mappings.data() + begin, end - begin);
    if (BeginsMapping(line)) {
      counts = line.find(below) != std::string_view::npos;
    }
    units += counts ? RssOf(line) : 0;
    begin = end + 1;
  }
  return units * kUnitBytes;
}

}  // namespace leadline::cli
