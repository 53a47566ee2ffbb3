// Files of every format that import and evaluation read, from hostile bytes: JSONL, CSV, vectors,
// npy, TREC judgments and runs. They end in rows, in typed errors, or both.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "leadline/eval/judgments.h"
#include "leadline/eval/query_reader.h"
#include "leadline/eval/record_reader.h"
#include "power_cut_file_system.h"

namespace leadline::eval {
namespace {

constexpr FileFormat kFormats[] = {FileFormat::kJsonl, FileFormat::kCsv,   FileFormat::kFvecs,
                                   FileFormat::kIvecs, FileFormat::kBvecs, FileFormat::kFbin,
                                   FileFormat::kIbin,  FileFormat::kU8bin, FileFormat::kI8bin,
                                   FileFormat::kNpy};
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

void ReadRecords(FileSystem* fs, FileFormat format) {
  const auto reader = OpenRecords(fs, kPath, format, {});
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

void Exercise(uint8_t what, std::string_view bytes) {
  testing::PowerCutFileSystem disk;
  WriteFileAtomically(&disk, kPath, bytes).IgnoreError();
  const FileFormat format = kFormats[(what & 0x0F) % kFormatCount];
  QueryReaderOptions options;
  options.max_queries = 1000;
  const TrecRules rules = (what & 0x80) != 0 ? TrecRules::kTrec10 : TrecRules::kTrec9;
  switch ((what >> 4) & 3) {
    case 0:
      ReadRecords(&disk, format);
      break;
    case 1:
      CheckCode(ReadQueries(&disk, kPath, format, options).status());
      break;
    case 2:
      CheckCode(ReadQrels(&disk, kPath, rules).status());
      CheckCode(ReadRun(&disk, kPath, rules).status());
      break;
    default:
      CheckCode(ReadTruth(&disk, kPath, format).status());
      CheckCode(DetectFileFormat(&disk, kPath).status());
  }
}

}  // namespace
}  // namespace leadline::eval

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 0) {
    leadline::eval::Exercise(data[0], {reinterpret_cast<const char*>(data) + 1, size - 1});
  }
  return 0;
}
