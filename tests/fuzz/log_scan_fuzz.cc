// Log scanner on hostile bytes. Half of the inputs are cut into records with right checksums first,
// then one byte is changed: random bytes alone would never come past a checksum.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "log_scan.h"
#include "log_writer.h"
#include "string_file.h"

namespace leadline::kv {
namespace {

/// Records out of `input`: a length byte, then that many bytes as the body of the next batch.
std::string Forge(std::string_view input) {
  std::string log;
  uint64_t sequence = 1;
  while (input.size() > 1) {
    const size_t wanted = static_cast<unsigned char>(input[0]) * size_t{97};
    const auto count = static_cast<uint32_t>(1 + wanted % 3);
    const std::string_view body = input.substr(1, wanted);
    input.remove_prefix(1 + body.size());
    std::string long_body(body);
    long_body.resize(std::min<size_t>(wanted, 24'000), 'z');
    AppendLogRecord(&log, BatchPayload(sequence, count, long_body));
    sequence += count;
  }
  return log;
}

void Check(const std::string& bytes, LogKind kind) {
  const testing::StringFile file(bytes);
  const Result<LogScan> scan = ScanOpenLog(&file, bytes.size(), kind, 0);
  if (!scan.ok() || scan->sound_bytes > bytes.size() || scan->damage_offset > bytes.size() ||
      (!scan->damaged && scan->record_follows)) {
    std::abort();
  }
  // What recovery is allowed to see must be whole, and say the same again.
  const Result<LogScan> again = ScanOpenLog(&file, scan->sound_bytes, kind, 0);
  if (!again.ok() || again->damaged || again->records != scan->records ||
      again->sound_bytes != scan->sound_bytes) {
    std::abort();
  }
}

}  // namespace
}  // namespace leadline::kv

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using leadline::kv::LogKind;
  if (size < 4) {
    return 0;
  }
  std::string bytes(reinterpret_cast<const char*>(data) + 4, size - 4);
  if ((data[0] & 1U) != 0) {
    bytes = leadline::kv::Forge(bytes);
    const size_t at = (size_t{data[1]} << 8 | data[2]) * 7;
    if ((data[0] & 2U) != 0 && at < bytes.size()) {
      bytes[at] = static_cast<char>(static_cast<uint8_t>(bytes[at]) ^ data[3]);
    }
  }
  leadline::kv::Check(bytes, (data[0] & 4U) != 0 ? LogKind::kManifest : LogKind::kWriteAhead);
  return 0;
}
