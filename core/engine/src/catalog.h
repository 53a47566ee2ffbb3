#pragma once

/// Persisted descriptions kept in Table::kMeta: the database, its collections, their counters and
/// the published groups of segment files. storage/FORMAT.md ("Tables") lists the bytes.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "leadline/core/options.h"
#include "leadline/core/status.h"
#include "leadline/core/version.h"
#include "leadline/storage/segment_file.h"

namespace leadline::engine {

struct DatabaseEntry {
  uint32_t format_version = kDatabaseFormatVersion;
  segment::Uuid uuid{};
};

struct CollectionEntry {
  uint32_t id = 0;
  std::string name;
  CollectionOptions options;
  std::string embedder_version;
};

/// Next numbers to hand out, database-wide.
struct NextIds {
  uint32_t collection = 1;
  uint64_t segment = 1;
};

struct Counters {
  uint64_t next_ordinal = 1;
  uint64_t live_rows = 0;
  uint64_t sealed_ordinal = 0;  ///< every live row up to here is in a published group
};

/// One vector field's file of a group. Without rows there is no file.
struct FieldSegment {
  segment::SegmentInfo info;
  segment::FileIdentity identity;
};

/// A published, contiguous range of ordinals with one segment file per vector field.
struct GroupEntry {
  uint64_t first_ordinal = 0;
  uint64_t last_ordinal = 0;
  uint64_t build_sequence = 0;       ///< deletions up to here are already left out of the files
  uint64_t rows = 0;                 ///< records in range when built, with or without a given field
  std::vector<FieldSegment> fields;  ///< one per vector field, rows == 0 where there is no file
};

std::string EncodeDatabaseEntry(const DatabaseEntry& entry);
Result<DatabaseEntry> DecodeDatabaseEntry(std::string_view bytes);
std::string EncodeCollectionEntry(const CollectionEntry& entry);
Result<CollectionEntry> DecodeCollectionEntry(std::string_view bytes);
std::string EncodeNextIds(const NextIds& next);
Result<NextIds> DecodeNextIds(std::string_view bytes);
std::string EncodeCounters(const Counters& counters);
Result<Counters> DecodeCounters(std::string_view bytes);
std::string EncodeGroupEntry(const GroupEntry& entry);
Result<GroupEntry> DecodeGroupEntry(std::string_view bytes);

/// "%016x.seg" of the segment id.
std::string SegmentFileName(uint64_t segment_id);

}  // namespace leadline::engine
