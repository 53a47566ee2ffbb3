#pragma once

/// Bytes of the segment file's header and section table; storage/FORMAT.md is the reference and a
/// test compares its worked example with what the writer produces. Change both and the version
/// table together.

#include <cstddef>
#include <cstdint>

#include "leadline/core/version.h"

namespace leadline::segment {

/// CR LF and ^Z show a file that went through a text-mode transfer.
inline constexpr char kMagic[8] = {'L', 'L', 'S', 'E', 'G', '\r', '\n', '\x1a'};
inline constexpr uint32_t kFormatVersion = kSegmentFormatVersion;
inline constexpr size_t kSectionAlignment = 64;

/// Feature bits this build understands. A file with an unknown required bit is refused with
/// kUnimplemented; unknown optional bits are ignored.
inline constexpr uint64_t kKnownRequiredFeatures = 0;

/// Cap on what a file may claim, beside those of the data model; everything is checked before it is
/// used.
inline constexpr uint32_t kMaxSections = 256;

/// First bytes of the file. Offsets 0-55 and 248-255, and what `hash` covers, are the same in every
/// version, so that any reader can tell a newer file from a damaged one.
struct FileHeader {
  char magic[8];
  uint32_t version;
  uint32_t header_bytes;
  uint64_t required_features;
  uint64_t optional_features;
  uint64_t file_bytes;
  uint64_t table_offset;
  uint32_t section_count;
  uint32_t entry_bytes;
  uint8_t database[16];
  uint64_t segment_id;
  uint32_t collection_id;
  uint32_t field_id;
  uint8_t metric;
  uint8_t kind;
  uint8_t codes;
  uint8_t reserved0;
  uint32_t dim;
  uint64_t rows;
  uint64_t min_sequence;
  uint64_t max_sequence;
  uint32_t m;
  uint32_t ef_construction;
  uint32_t nlist;
  uint32_t reserved1;
  uint64_t seed;
  double self_recall;
  uint8_t reserved2[96];
  uint64_t hash;  ///< XXH3 of header bytes [0, 248) followed by the section table
};

static_assert(sizeof(FileHeader) == 256);
static_assert(offsetof(FileHeader, version) == 8);
static_assert(offsetof(FileHeader, file_bytes) == 32);
static_assert(offsetof(FileHeader, section_count) == 48);
static_assert(offsetof(FileHeader, database) == 56);
static_assert(offsetof(FileHeader, metric) == 88);
static_assert(offsetof(FileHeader, rows) == 96);
static_assert(offsetof(FileHeader, m) == 120);
static_assert(offsetof(FileHeader, seed) == 136);
static_assert(offsetof(FileHeader, reserved2) == 152);
static_assert(offsetof(FileHeader, hash) == 248);

/// One row of the section table.
struct SectionEntry {
  uint32_t type;
  uint32_t flags;   ///< 0 in version 1
  uint64_t offset;  ///< from the start of the file, multiple of kSectionAlignment
  uint64_t size;    ///< without the zero padding that follows
  uint64_t hash;    ///< XXH3 of the section's bytes
};

static_assert(sizeof(SectionEntry) == 32);
static_assert(offsetof(SectionEntry, offset) == 8);
static_assert(offsetof(SectionEntry, hash) == 24);

/// Zero bytes that follow a section of which `size` bytes were written.
constexpr uint64_t PaddingAfter(uint64_t size) {
  return (kSectionAlignment - size % kSectionAlignment) % kSectionAlignment;
}

}  // namespace leadline::segment
