#include "leadline/eval/file_format.h"

#include <algorithm>
#include <array>
#include <utility>

#include "input_file.h"

namespace leadline::eval {
namespace {

constexpr auto kNames = std::to_array<std::pair<std::string_view, FileFormat>>({
    {"auto", FileFormat::kAuto},
    {"jsonl", FileFormat::kJsonl},
    {"csv", FileFormat::kCsv},
    {"beir", FileFormat::kBeir},
    {"fvecs", FileFormat::kFvecs},
    {"ivecs", FileFormat::kIvecs},
    {"bvecs", FileFormat::kBvecs},
    {"fbin", FileFormat::kFbin},
    {"ibin", FileFormat::kIbin},
    {"u8bin", FileFormat::kU8bin},
    {"i8bin", FileFormat::kI8bin},
    {"npy", FileFormat::kNpy},
    {"hdf5", FileFormat::kHdf5},
    // Further endings.
    {"ndjson", FileFormat::kJsonl},
    {"h5", FileFormat::kHdf5},
});

constexpr std::string_view kAccepted =
    "auto, jsonl, csv, beir, fvecs, ivecs, bvecs, fbin, ibin, u8bin, i8bin, npy, hdf5";

const std::pair<std::string_view, FileFormat>* FindName(std::string_view name) {
  const auto* it =
      std::find_if(kNames.begin(), kNames.end(), [&](const auto& n) { return n.first == name; });
  return it == kNames.end() ? nullptr : it;
}

std::string Ending(const std::string& path) {
  const size_t dot = path.find_last_of("./");
  if (dot == std::string::npos || path[dot] == '/') {
    return {};
  }
  std::string ending = path.substr(dot + 1);
  std::transform(ending.begin(), ending.end(), ending.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return ending;
}

}  // namespace

std::string_view FileFormatName(FileFormat format) {
  for (const auto& [name, value] : kNames) {
    if (value == format) {
      return name;
    }
  }
  return "unknown";
}

Result<FileFormat> ParseFileFormat(std::string_view name) {
  const auto* found = FindName(name);
  if (found == nullptr) {
    return InvalidFieldError("unknown file format", "format", name, kAccepted);
  }
  return found->second;
}

Result<FileFormat> DetectFileFormat(FileSystem* fs, const std::string& path) {
  LEADLINE_ASSIGN_OR_RETURN(const bool folder, fs->IsDirectory(path));
  if (folder) {
    return FileFormat::kBeir;
  }
  LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<InputFile> file, InputFile::Open(fs, path));
  LEADLINE_ASSIGN_OR_RETURN(std::string_view head, file->Peek(4096));
  if (head.starts_with("\x93NUMPY")) {
    return FileFormat::kNpy;
  }
  if (head.starts_with("\x89HDF\r\n\x1a\n")) {
    return FileFormat::kHdf5;
  }
  const std::string ending = Ending(path);
  const auto* named = FindName(ending);
  if (named != nullptr && named->second != FileFormat::kAuto && ending != "beir") {
    return named->second;
  }
  if (head.starts_with("\xef\xbb\xbf")) {
    head.remove_prefix(3);
  }
  const size_t first = head.find_first_not_of(" \t\r\n");
  if (first != std::string_view::npos && head[first] == '{') {
    return FileFormat::kJsonl;
  }
  return InvalidFieldError("file format not recognised", "path", path, kAccepted);
}

}  // namespace leadline::eval
