#include "segment_contents.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "index_registry.h"
#include "leadline/core/test_hooks.h"
#include "stored_record.h"

namespace leadline::engine {
namespace {

using segment::SectionType;

constexpr uint32_t kFirstIndexSection = 32;

/// The error of a row that breaks a rule of its section.
Status Broken(const segment::SegmentFile& file, SectionType type, size_t row,
              std::string_view rule) {
  return DataLossError("segment file is damaged: " + std::string(rule) +
                       ": section=" + std::to_string(static_cast<uint32_t>(type)) +
                       " row=" + std::to_string(row) + " path=" + file.path());
}

/// Typed view of a section of exactly `count` items.
template <typename T>
Result<const T*> Column(const segment::SegmentFile& file, SectionType type, uint64_t count) {
  const std::string_view bytes = file.section(static_cast<uint32_t>(type));
  if (bytes.size() != count * sizeof(T)) {
    return DataLossError("section has the wrong size: path=" + file.path() +
                         " section=" + std::to_string(static_cast<uint32_t>(type)) +
                         " bytes=" + std::to_string(bytes.size()) +
                         " expected=" + std::to_string(count * sizeof(T)));
  }
  return reinterpret_cast<const T*>(bytes.data());
}

Status CheckOrdinals(const segment::SegmentFile& file, const SegmentContents& contents, size_t rows,
                     OrdinalRange range) {
  for (size_t row = 0; row < rows; ++row) {
    const uint64_t ordinal = contents.ordinals[row];
    if (row > 0 && ordinal <= contents.ordinals[row - 1]) {
      return Broken(file, SectionType::kOrdinals, row, "V3 ordinals do not ascend");
    }
    if (ordinal < range.first || ordinal > range.last) {
      return Broken(file, SectionType::kOrdinals, row, "V3 ordinal outside of its group");
    }
  }
  return {};
}

Status CheckIds(const segment::SegmentFile& file, const SegmentContents& contents, size_t rows) {
  if (contents.id_offsets[0] != 0 || contents.id_offsets[rows] != contents.id_bytes.size()) {
    return Broken(file, SectionType::kIdOffsets, 0, "V3 id offsets do not span the ids");
  }
  for (size_t row = 0; row < rows; ++row) {
    const uint64_t begin = contents.id_offsets[row];
    const uint64_t end = contents.id_offsets[row + 1];
    if (end <= begin || end - begin > kMaxIdBytes) {
      return Broken(file, SectionType::kIdOffsets, row, "V3 id length out of range 1..512");
    }
  }
  return {};
}

Status CheckSequences(const segment::SegmentFile& file, const SegmentContents& contents,
                      const segment::SegmentInfo& info) {
  for (size_t row = 0; row < info.rows; ++row) {
    const uint64_t sequence = contents.sequences[row];
    if (sequence < info.min_sequence || sequence > info.max_sequence) {
      return Broken(file, SectionType::kSequences, row, "V8 sequence outside of the header's");
    }
  }
  return {};
}

Status CheckExpiries(const segment::SegmentFile& file, size_t rows, SegmentContents* contents) {
  for (size_t row = 0; contents->expiries != nullptr && row < rows; ++row) {
    const int64_t expiry = contents->expiries[row];
    if (expiry < 0) {
      return Broken(file, SectionType::kExpiries, row, "V8 expiry before 1970");
    }
    if (expiry != kNeverExpires) {
      contents->min_expiry = std::min(contents->min_expiry, expiry);
    }
  }
  return {};
}

Status MapColumns(const segment::SegmentFile& file, const segment::SegmentInfo& info,
                  SegmentContents* contents) {
  const uint64_t rows = info.rows;
  LEADLINE_ASSIGN_OR_RETURN(contents->ordinals,
                            Column<uint64_t>(file, SectionType::kOrdinals, rows));
  LEADLINE_ASSIGN_OR_RETURN(contents->sequences,
                            Column<uint64_t>(file, SectionType::kSequences, rows));
  LEADLINE_ASSIGN_OR_RETURN(contents->id_offsets,
                            Column<uint64_t>(file, SectionType::kIdOffsets, rows + 1));
  if (!file.section(static_cast<uint32_t>(SectionType::kExpiries)).empty()) {
    LEADLINE_ASSIGN_OR_RETURN(contents->expiries,
                              Column<int64_t>(file, SectionType::kExpiries, rows));
  }
  LEADLINE_ASSIGN_OR_RETURN(const float* vectors,
                            Column<float>(file, SectionType::kVectors, rows * info.dim));
  contents->vectors = {vectors, static_cast<size_t>(rows), info.dim};
  contents->id_bytes = file.section(static_cast<uint32_t>(SectionType::kIdBytes));
  return {};
}

/// Verifies all sections; without the vectors where they can wait.
Status VerifyBytes(const segment::SegmentFile& file, const FieldSegment& entry,
                   SegmentContents* contents) {
  std::vector<uint32_t> types = file.section_types();
  const auto erase = [&types](SectionType type) {
    types.erase(std::remove(types.begin(), types.end(), static_cast<uint32_t>(type)), types.end());
  };
  erase(SectionType::kVectors);
  if (!DefectPlanted(Defect::kIgnoreChecksum)) {
    LEADLINE_RETURN_IF_ERROR(file.VerifySections(types));
  }
  const bool has_hashes = !file.section(static_cast<uint32_t>(SectionType::kVectorHashes)).empty();
  if (!has_hashes || !AsksBeforeReadingVectors(entry.info.kind, entry.info.codes)) {
    return VerifyVectorSection(file, {});
  }
  LEADLINE_ASSIGN_OR_RETURN(const uint32_t* hashes,
                            Column<uint32_t>(file, SectionType::kVectorHashes, entry.info.rows));
  contents->unverified = std::make_unique<UnverifiedVectors>(file, hashes);
  return {};
}

}  // namespace

Result<std::unique_ptr<SegmentContents>> LoadSegmentContents(const segment::SegmentFile& file,
                                                             const FieldSegment& entry,
                                                             OrdinalRange range) {
  auto contents = std::make_unique<SegmentContents>();
  LEADLINE_RETURN_IF_ERROR(VerifyBytes(file, entry, contents.get()));
  const auto rows = static_cast<size_t>(entry.info.rows);
  LEADLINE_RETURN_IF_ERROR(MapColumns(file, entry.info, contents.get()));
  LEADLINE_RETURN_IF_ERROR(CheckOrdinals(file, *contents, rows, range));
  LEADLINE_RETURN_IF_ERROR(CheckIds(file, *contents, rows));
  LEADLINE_RETURN_IF_ERROR(CheckSequences(file, *contents, entry.info));
  LEADLINE_RETURN_IF_ERROR(CheckExpiries(file, rows, contents.get()));
  const std::string_view columns = file.section(static_cast<uint32_t>(SectionType::kPayloadIndex));
  LEADLINE_ASSIGN_OR_RETURN(contents->columns, PayloadColumns::Open(columns, rows));
  const std::vector<uint32_t> types = file.section_types();
  Status codes = CheckCodeSections(types, entry.info.codes);
  if (!codes.ok()) {
    codes.WithContext("segment file is damaged: V8 path=" + file.path());
    return codes;
  }
  std::vector<index::SectionView> sections;
  for (const uint32_t type : types) {
    if (type >= kFirstIndexSection) {
      sections.push_back({type, file.section(type)});
    }
  }
  const index::IndexFactory* factory = FindIndexFactory(entry.info.kind);
  LEADLINE_ASSIGN_OR_RETURN(contents->index,
                            factory->Open(sections, contents->vectors, entry.info.metric));
  return contents;
}

}  // namespace leadline::engine
