#pragma once

/// What can be said about a segment from its header and section table alone (rules V1-V3).

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "leadline/core/status.h"
#include "leadline/storage/segment_file.h"
#include "segment_layout.h"

namespace leadline::segment {

struct Frame {
  SegmentInfo info;
  FileIdentity identity;
  std::vector<SectionEntry> sections;  ///< in file order
};

/// Checks header and section table of a file of `size` bytes and decodes them. Reads nothing else
/// of `file`, trusts nothing in it. Errors: see SegmentFile::Open; those of the file pass through.
Result<Frame> ReadFrame(const RandomAccessFile& file, uint64_t size, const std::string& path,
                        const std::optional<FileIdentity>& expected);

/// OK when `info` is inside the caps; kInvalidArgument names the field, the value and the limit.
Status CheckInfo(const SegmentInfo& info);

/// OK when `size` is what section `type` of a segment with `info` must have; types this layer does
/// not know have any size. kInvalidArgument names both sizes. `info` must have passed CheckInfo.
Status CheckSectionSize(uint32_t type, uint64_t size, const SegmentInfo& info);

/// XXH3 over the header without its hash field, followed by the table.
uint64_t HashFrame(const FileHeader& header, std::string_view table);

}  // namespace leadline::segment
