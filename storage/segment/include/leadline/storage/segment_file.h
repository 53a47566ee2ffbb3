#pragma once

/// The immutable segment file: a checksummed header, a section table and 64-byte aligned sections
/// (storage/FORMAT.md describes every byte). This layer knows frames and checksums; what a section
/// means belongs to the index kind or the engine that wrote it.

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "leadline/core/call_control.h"
#include "leadline/core/file_system.h"
#include "leadline/core/status.h"
#include "leadline/core/types.h"

namespace leadline::segment {

using Uuid = std::array<uint8_t, 16>;

/// Persisted section types. Never reuse a number; retired ones stay listed.
enum class SectionType : uint32_t {
  kInvalid = 0,
  kOrdinals = 1,      ///< u64 store ordinal per row, ascending
  kIdOffsets = 2,     ///< u64 x (rows + 1) into kIdBytes
  kIdBytes = 3,       ///< ids, concatenated
  kVectors = 4,       ///< f32 rows x dim, unit length for cosine
  kSequences = 5,     ///< u64 creating sequence per row
  kExpiries = 6,      ///< i64 unix ms per row, 0 = never; absent when no row expires
  kPayloadIndex = 7,  ///< payload columns (core/payload)
  kVectorHashes =
      8,  ///< u32 per row, low half of the XXH3 of its vector; absent where codes are f32
  // 32..63 belong to index kinds.
  kHnswGraph = 32,
  kIvfLists = 40,
};

/// What the header says about a segment; compared with the manifest at open.
struct SegmentInfo {
  Uuid database{};
  uint64_t segment_id = 0;
  uint32_t collection_id = 0;
  uint32_t field_id = 0;
  Metric metric = Metric::kL2;
  IndexKind kind = IndexKind::kFlat;  ///< never kAuto
  CodeType codes = CodeType::kF32;    ///< never kAuto
  uint32_t dim = 0;
  uint64_t rows = 0;
  uint64_t min_sequence = 0;
  uint64_t max_sequence = 0;
  uint32_t m = 0;
  uint32_t ef_construction = 0;
  uint32_t nlist = 0;
  uint64_t seed = 0;
  double self_recall = 0;  ///< share of audited rows that found themselves, [0, 1]
};

/// Identity of a published file, kept in the manifest.
struct FileIdentity {
  uint64_t size = 0;
  uint64_t hash = 0;  ///< XXH3 of header and section table, which hold every section's own hash
};

/// Writes one segment. Externally synchronised. A writer destroyed before Finish leaves at most a
/// temporary file, which is garbage to everyone.
class SegmentWriter {
 public:
  virtual ~SegmentWriter() = default;
  /// Starts `directory`/`name`.tmp. kInvalidArgument: `info` out of range (kAuto kind or codes,
  /// dim, rows, sequences in the wrong order, self_recall outside [0, 1]).
  static Result<std::unique_ptr<SegmentWriter>> Create(FileSystem* fs, const std::string& directory,
                                                       const std::string& name,
                                                       const SegmentInfo& info);
  /// Opens the next section; each type at most once. Sections whose size follows from rows and dim
  /// (kOrdinals, kIdOffsets, kVectors, kSequences, kExpiries, kVectorHashes) must have it when they
  /// end: kInvalidArgument. After any failed call the writer is of no more use.
  virtual Status BeginSection(uint32_t type) = 0;
  virtual Status Append(std::string_view bytes) = 0;
  /// BeginSection + Append.
  virtual Status AddSection(uint32_t type, std::string_view bytes) = 0;
  /// Replaces what Create was told, for what an index says of itself once it is built.
  /// kInvalidArgument: as for Create, or other rows or dim.
  virtual Status Describe(const SegmentInfo& info) = 0;
  /// Writes table and header, then sync, rename, directory sync: durable when it returns.
  virtual Result<FileIdentity> Finish() = 0;
};

/// An opened, mapped segment. Immutable, thread-safe; the mapping lives as long as the object.
class SegmentFile {
 public:
  virtual ~SegmentFile() = default;
  /// Maps the file and checks magic, version, feature bits, header hash, that every section lies
  /// inside the file, aligned and disjoint, and (when given) the manifest's identity: rules V1-V3
  /// without the section bodies, microseconds. Errors: kNotFound, kDataLoss (names path and rule),
  /// kUnimplemented (newer version or unknown required feature bit).
  static Result<std::unique_ptr<SegmentFile>> Open(FileSystem* fs, const std::string& path,
                                                   const std::optional<FileIdentity>& expected);
  [[nodiscard]] virtual const SegmentInfo& info() const = 0;
  [[nodiscard]] virtual FileIdentity identity() const = 0;
  /// Types present, in file order.
  [[nodiscard]] virtual std::vector<uint32_t> section_types() const = 0;
  /// Bytes of a section, empty when absent. NOT yet trusted: call VerifySections first.
  [[nodiscard]] virtual std::string_view section(uint32_t type) const = 0;
  /// The whole file, to be copied. NOT trusted before VerifySections either; stays readable when
  /// the file's name goes away.
  [[nodiscard]] virtual std::string_view bytes() const = 0;
  /// Compares the XXH3 of the named sections (all when empty) with the table. kDataLoss names path
  /// and section; naming an absent section is kDataLoss too. Reads every byte of them and looks at
  /// `control` once a MiB.
  [[nodiscard]] virtual Status VerifySections(const std::vector<uint32_t>& types,
                                              const CallControl& control) const = 0;

  [[nodiscard]] Status VerifySections(const std::vector<uint32_t>& types) const {
    return VerifySections(types, {});
  }

  /// Is shown the bytes of a section in ascending pieces, none of them trusted until the section
  /// is. An error ends the verification.
  using SectionVisitor = std::function<Status(std::string_view piece)>;
  /// VerifySections of one section; `visit` sees each byte once, on the same way through the file.
  [[nodiscard]] virtual Status VerifySection(uint32_t type, const SectionVisitor& visit,
                                             const CallControl& control) const = 0;

  /// Copies `size` bytes of a section from `offset` on, as untrusted as they are: by reading the
  /// file while a section is not verified yet, so that a bad sector is an error and not a signal.
  /// REQUIRES: they lie inside of the section.
  [[nodiscard]] virtual Status ReadSection(uint32_t type, uint64_t offset, size_t size,
                                           char* out) const = 0;
  [[nodiscard]] virtual const std::string& path() const = 0;
};

}  // namespace leadline::segment
