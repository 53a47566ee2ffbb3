#include "segment_frame.h"

#include <algorithm>
#include <cstring>

#include "leadline/core/hash.h"

namespace leadline::segment {
namespace {

Status Damaged(const std::string& path, std::string_view rule, const std::string& detail) {
  return DataLossError("segment file is damaged: rule " + std::string(rule) + ": " + detail +
                       " path=" + path);
}

std::string Pair(std::string_view name, uint64_t value) {
  return std::string(name) + "=" + std::to_string(value);
}

Status CheckCap(std::string_view field, uint64_t value, uint64_t low, uint64_t high) {
  if (value < low || value > high) {
    return InvalidFieldError("segment header field out of range", field, std::to_string(value),
                             std::to_string(low) + ".." + std::to_string(high));
  }
  return {};
}

/// Checks that the table lies where the header says and inside the file; nothing is decoded yet.
Status CheckEnvelope(const FileHeader& header, uint64_t size, const std::string& path) {
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0) {
    return Damaged(path, "V1", "wrong magic");
  }
  if (header.header_bytes != sizeof(FileHeader)) {
    return Damaged(path, "V1", Pair("header_bytes", header.header_bytes));
  }
  if (header.file_bytes != size) {
    return Damaged(path, "V2",
                   "file size differs from the header: " + Pair("file_bytes", header.file_bytes) +
                       Pair(" size", size));
  }
  if (header.section_count > kMaxSections || header.entry_bytes < sizeof(SectionEntry) ||
      header.entry_bytes > 4096) {
    return Damaged(path, "V2",
                   "section table out of range: " + Pair("sections", header.section_count) +
                       Pair(" entry_bytes", header.entry_bytes));
  }
  // Both factors are capped above, so the product cannot wrap.
  const uint64_t table_bytes = uint64_t{header.section_count} * header.entry_bytes;
  if (header.table_offset < sizeof(FileHeader) || header.table_offset > size ||
      header.table_offset % kSectionAlignment != 0 || size - header.table_offset != table_bytes) {
    return Damaged(path, "V2",
                   "section table is not at the end of the file: " +
                       Pair("table_offset", header.table_offset) +
                       Pair(" table_bytes", table_bytes) + Pair(" size", size));
  }
  return {};
}

SegmentInfo DecodeInfo(const FileHeader& header) {
  SegmentInfo info;
  std::memcpy(info.database.data(), header.database, sizeof header.database);
  info.segment_id = header.segment_id;
  info.collection_id = header.collection_id;
  info.field_id = header.field_id;
  info.metric = static_cast<Metric>(header.metric);
  info.kind = static_cast<IndexKind>(header.kind);
  info.codes = static_cast<CodeType>(header.codes);
  info.dim = header.dim;
  info.rows = header.rows;
  info.min_sequence = header.min_sequence;
  info.max_sequence = header.max_sequence;
  info.m = header.m;
  info.ef_construction = header.ef_construction;
  info.nlist = header.nlist;
  info.seed = header.seed;
  info.self_recall = header.self_recall;
  return info;
}

/// Sections must follow each other without gaps other than padding, so that every byte of the file
/// is either hashed or known to be zero.
Status CheckSections(const Frame& frame, const FileHeader& header, const std::string& path) {
  uint64_t position = sizeof(FileHeader);
  for (size_t i = 0; i < frame.sections.size(); ++i) {
    const SectionEntry& entry = frame.sections[i];
    if (entry.type == 0 || entry.flags != 0) {
      return Damaged(
          path, "V2",
          "section table entry: " + Pair("type", entry.type) + Pair(" flags", entry.flags));
    }
    for (size_t j = 0; j < i; ++j) {
      if (frame.sections[j].type == entry.type) {
        return Damaged(path, "V2", "section appears twice: " + Pair("section", entry.type));
      }
    }
    if (entry.offset != position || entry.size > header.table_offset - position) {
      return Damaged(path, "V2",
                     "section out of place: " + Pair("section", entry.type) +
                         Pair(" offset", entry.offset) + Pair(" size", entry.size) +
                         Pair(" expected_offset", position));
    }
    // entry.size is at most the file's size here and table_offset is aligned: no wrap, no overrun.
    position += entry.size + PaddingAfter(entry.size);
    const Status sized = CheckSectionSize(entry.type, entry.size, frame.info);
    if (!sized.ok()) {
      return Damaged(path, "V3", sized.message());
    }
  }
  if (position != header.table_offset) {
    return Damaged(path, "V2",
                   "bytes between sections and table: " + Pair("end", position) +
                       Pair(" table_offset", header.table_offset));
  }
  return {};
}

}  // namespace

uint64_t HashFrame(const FileHeader& header, std::string_view table) {
  Hasher hasher;
  hasher.Update({reinterpret_cast<const char*>(&header), offsetof(FileHeader, hash)});
  hasher.Update(table);
  return hasher.Digest();
}

Status CheckInfo(const SegmentInfo& info) {
  const auto metric = static_cast<uint8_t>(info.metric);
  const auto kind = static_cast<uint8_t>(info.kind);
  const auto codes = static_cast<uint8_t>(info.codes);
  LEADLINE_RETURN_IF_ERROR(CheckCap("metric", metric, 1, 3));
  LEADLINE_RETURN_IF_ERROR(CheckCap("kind", kind, 2, 4));
  LEADLINE_RETURN_IF_ERROR(CheckCap("codes", codes, 2, 8));
  LEADLINE_RETURN_IF_ERROR(CheckCap("dim", info.dim, 1, kMaxDim));
  LEADLINE_RETURN_IF_ERROR(CheckCap("rows", info.rows, 0, kMaxSegmentRows));
  LEADLINE_RETURN_IF_ERROR(CheckCap("min_sequence", info.min_sequence, 0, info.max_sequence));
  LEADLINE_RETURN_IF_ERROR(CheckCap("m", info.m, 0, kMaxM));
  LEADLINE_RETURN_IF_ERROR(
      CheckCap("ef_construction", info.ef_construction, 0, kMaxEfConstruction));
  LEADLINE_RETURN_IF_ERROR(CheckCap("nlist", info.nlist, 0, kMaxNlist));
  if (!(info.self_recall >= 0 && info.self_recall <= 1)) {  // also refuses NaN
    return InvalidFieldError("segment header field out of range", "self_recall",
                             std::to_string(info.self_recall), "0..1");
  }
  return {};
}

Status CheckSectionSize(uint32_t type, uint64_t size, const SegmentInfo& info) {
  // rows < 2^32 and dim <= 2^16, so none of these products can wrap.
  uint64_t wanted = size;
  switch (static_cast<SectionType>(type)) {
    case SectionType::kOrdinals:
    case SectionType::kSequences:
    case SectionType::kExpiries:
      wanted = info.rows * 8;
      break;
    case SectionType::kIdOffsets:
      wanted = (info.rows + 1) * 8;
      break;
    case SectionType::kVectorHashes:
      wanted = info.rows * 4;
      break;
    case SectionType::kVectors:
      wanted = info.rows * info.dim * 4;
      break;
    case SectionType::kIdBytes:
      wanted = std::min<uint64_t>(size, info.rows * kMaxIdBytes);
      break;
    default:
      break;
  }
  if (size != wanted) {
    return InvalidFieldError("section size does not fit rows and dim",
                             "section " + std::to_string(type), std::to_string(size),
                             std::to_string(wanted));
  }
  return {};
}

namespace {

/// The frame behind an envelope that was checked; `table` are the bytes it points to.
Result<Frame> DecodeFrame(const FileHeader& header, std::string_view table, uint64_t size,
                          const std::string& path, const std::optional<FileIdentity>& expected) {
  Frame frame;
  frame.identity = {size, HashFrame(header, table)};
  if (frame.identity.hash != header.hash) {
    return Damaged(path, "V1", "header or section table does not match its hash");
  }
  if (header.version > kFormatVersion) {
    return UnimplementedError(
        "segment file was written by a newer version: " + Pair("version", header.version) +
        Pair(" newest known", kFormatVersion) + " path=" + path);
  }
  if ((header.required_features & ~kKnownRequiredFeatures) != 0) {
    return UnimplementedError("segment file needs an unknown feature: " +
                              Pair("required_features", header.required_features) +
                              " path=" + path);
  }
  if (header.version == 0 || header.entry_bytes != sizeof(SectionEntry)) {
    return Damaged(path, "V1",
                   Pair("version", header.version) + Pair(" entry_bytes", header.entry_bytes));
  }
  if (expected.has_value() &&
      (expected->size != frame.identity.size || expected->hash != frame.identity.hash)) {
    return Damaged(
        path, "V1",
        "another file than the one that was published: " + Pair("size", frame.identity.size) +
            Pair(" hash", frame.identity.hash) + Pair(" published_size", expected->size) +
            Pair(" published_hash", expected->hash));
  }
  frame.info = DecodeInfo(header);
  const Status info = CheckInfo(frame.info);
  if (!info.ok()) {
    return Damaged(path, "V8", info.message());
  }
  frame.sections.resize(header.section_count);
  if (!table.empty()) {
    std::memcpy(frame.sections.data(), table.data(), table.size());
  }
  LEADLINE_RETURN_IF_ERROR(CheckSections(frame, header, path));
  return frame;
}

/// `n` bytes at `offset`; kDataLoss when the file ends before.
Result<std::string> ReadWhole(const RandomAccessFile& file, uint64_t offset, size_t n,
                              const std::string& path) {
  std::string bytes(n, '\0');
  LEADLINE_ASSIGN_OR_RETURN(const std::string_view got, file.Read(offset, n, bytes.data()));
  if (got.size() != n) {
    return Damaged(path, "V2", "file ends early: " + Pair("size", offset + got.size()));
  }
  return bytes;
}

}  // namespace

Result<Frame> ReadFrame(const RandomAccessFile& file, uint64_t size, const std::string& path,
                        const std::optional<FileIdentity>& expected) {
  if (size < sizeof(FileHeader)) {
    return Damaged(path, "V1", "file shorter than its header: " + Pair("size", size));
  }
  FileHeader header{};
  LEADLINE_ASSIGN_OR_RETURN(const std::string head, ReadWhole(file, 0, sizeof header, path));
  std::memcpy(&header, head.data(), sizeof header);
  LEADLINE_RETURN_IF_ERROR(CheckEnvelope(header, size, path));
  LEADLINE_ASSIGN_OR_RETURN(
      const std::string table,
      ReadWhole(file, header.table_offset, static_cast<size_t>(size - header.table_offset), path));
  return DecodeFrame(header, table, size, path, expected);
}

}  // namespace leadline::segment
