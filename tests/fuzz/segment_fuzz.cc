// Header and section table from hostile bytes. Half of the inputs get a correct hash first: random
// bytes alone would never come past it.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "leadline/core/hash.h"
#include "segment_frame.h"
#include "segment_layout.h"
#include "string_file.h"

namespace leadline::segment {
namespace {

/// Makes sizes and hash fit the bytes at hand, so that the rest of the header is looked at.
void Forge(std::string* file) {
  FileHeader header;
  std::memcpy(&header, file->data(), sizeof header);
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.version = header.version % 4;
  header.header_bytes = sizeof header;
  header.file_bytes = file->size();
  header.entry_bytes = sizeof(SectionEntry);
  header.required_features &= 1;
  const uint64_t room = (file->size() - sizeof header) / sizeof(SectionEntry);
  header.section_count = static_cast<uint32_t>(std::min<uint64_t>(header.section_count % 16, room));
  header.table_offset = file->size() - header.section_count * sizeof(SectionEntry);
  header.hash = HashFrame(header, std::string_view(*file).substr(header.table_offset));
  std::memcpy(file->data(), &header, sizeof header);
}

}  // namespace
}  // namespace leadline::segment

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using leadline::segment::FileHeader;
  if (size == 0) {
    return 0;
  }
  std::string file(reinterpret_cast<const char*>(data) + 1, size - 1);
  if ((data[0] & 1U) != 0 && file.size() >= sizeof(FileHeader)) {
    leadline::segment::Forge(&file);
  }
  const auto frame = leadline::segment::ReadFrame(leadline::testing::StringFile(file), file.size(),
                                                  "fuzz", std::nullopt);
  if (!frame.ok()) {
    return 0;
  }
  for (const auto& section : frame->sections) {
    static_cast<void>(leadline::Hash64(file.data() + section.offset, section.size));
    if (section.offset % 64 != 0 || section.offset + section.size > file.size()) {
      std::abort();
    }
  }
  // What was accepted must be inside the caps that everything above relies on.
  if (frame->info.dim == 0 || frame->info.dim > leadline::kMaxDim ||
      frame->info.rows > leadline::kMaxSegmentRows || frame->info.nlist > leadline::kMaxNlist) {
    std::abort();
  }
  return 0;
}
