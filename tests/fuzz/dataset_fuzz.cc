// Files of every format that import and evaluation read, from hostile bytes: JSONL, CSV, vectors,
// npy, HDF5, TREC judgments and runs. They end in rows, in typed errors, or both.
//
// HDF5 files come after the hash of their bytes, so only those of the corpus are read: the process
// of its own that reads them is slow to start, and its coverage and its crashes, which are
// libhdf5's, would mislead the fuzzer. hdf5_reader_test damages them at random.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <unistd.h>

#include "leadline/core/coding.h"
#include "leadline/core/hash.h"
#include "leadline/eval/judgments.h"
#include "leadline/eval/query_reader.h"
#include "leadline/eval/record_reader.h"
#include "power_cut_file_system.h"

namespace leadline::eval {
namespace {

constexpr FileFormat kFormats[] = {FileFormat::kJsonl, FileFormat::kCsv,   FileFormat::kFvecs,
                                   FileFormat::kIvecs, FileFormat::kBvecs, FileFormat::kFbin,
                                   FileFormat::kIbin,  FileFormat::kU8bin, FileFormat::kI8bin,
                                   FileFormat::kNpy,   FileFormat::kHdf5};
constexpr size_t kFormatCount = sizeof kFormats / sizeof kFormats[0];

const std::string kPath = "/input";

void CheckCode(const Status& status) {
  if (!status.ok() && status.code() != StatusCode::kInvalidArgument) {
    std::abort();
  }
}

void CheckFinite(const std::vector<float>& values) {
  for (const float value : values) {
    if (!std::isfinite(value)) {
      std::abort();
    }
  }
}

/// A file of the system, which the HDF5 library opens itself. It asks for the real path, so one in
/// memory alone would not do.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string_view bytes)
      : path_(std::filesystem::temp_directory_path() / "leadline-fuzz-XXXXXX") {
    const int fd = ::mkstemp(path_.data());
    if (fd < 0 || ::write(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
      std::abort();
    }
    ::close(fd);
  }

  ~TemporaryFile() { ::unlink(path_.c_str()); }

  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

void ReadRecords(FileSystem* fs, const std::string& path, FileFormat format) {
  const auto reader = OpenRecords(fs, path, format, {});
  if (!reader.ok()) {
    CheckCode(reader.status());
    return;
  }
  InputRecord record;
  for (int rows = 0; rows < 1000; ++rows) {
    const Result<bool> more = (*reader)->Next(&record);
    CheckCode(more.status());
    if (more.ok() ? !*more : !(*reader)->can_continue()) {
      return;
    }
    if (more.ok()) {
      CheckFinite(record.vector);
      if (record.id.empty() || record.payload_json.empty()) {
        std::abort();
      }
    }
  }
}

void ReadFile(uint8_t what, FileSystem* fs, const std::string& path, FileFormat format) {
  QueryReaderOptions options;
  options.max_queries = 1000;
  const TrecRules rules = (what & 0x80) != 0 ? TrecRules::kTrec10 : TrecRules::kTrec9;
  switch ((what >> 4) & 3) {
    case 0:
      ReadRecords(fs, path, format);
      break;
    case 1:
      CheckCode(ReadQueries(fs, path, format, options).status());
      break;
    case 2:
      CheckCode(ReadQrels(fs, path, rules).status());
      CheckCode(ReadRun(fs, path, rules).status());
      break;
    default:
      CheckCode(ReadTruth(fs, path, format).status());
      CheckCode(DetectFileFormat(fs, path).status());
  }
}

void Exercise(uint8_t what, std::string_view bytes) {
  const FileFormat format = kFormats[(what & 0x0F) % kFormatCount];
  if (format == FileFormat::kHdf5) {
    const std::string_view contents = bytes.substr(std::min(bytes.size(), sizeof(uint64_t)));
    if (!contents.empty() && DecodeFixed64(bytes.data()) == Hash64(contents)) {
      const TemporaryFile file(contents);
      ReadFile(what, FileSystem::Posix(), file.path(), format);
    }
    return;
  }
  testing::PowerCutFileSystem disk;
  WriteFileAtomically(&disk, kPath, bytes).IgnoreError();
  ReadFile(what, &disk, kPath, format);
}

}  // namespace
}  // namespace leadline::eval

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 0) {
    leadline::eval::Exercise(data[0], {reinterpret_cast<const char*>(data) + 1, size - 1});
  }
  return 0;
}
