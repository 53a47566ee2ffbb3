#pragma once

/// What can be chosen when a database or a collection is opened or created, or a long call is made.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "leadline/core/status.h"
#include "leadline/core/types.h"

namespace leadline {

class Clock;
class FileSystem;

/// Limits of what is chosen below. Beyond them a collection is refused with kInvalidArgument.
inline constexpr size_t kMaxVectorFields = 16;
inline constexpr size_t kMaxTextFields = 256;
inline constexpr size_t kMaxTextFieldBytes = 512;
inline constexpr size_t kMaxLanguageBytes = 64;
inline constexpr uint32_t kMaxThreads = 64;
inline constexpr uint64_t kMinMemoryBudgetBytes = uint64_t{16} << 20;
inline constexpr uint64_t kMaxMemoryBudgetBytes = uint64_t{1} << 50;

/// One named dense vector of a collection. Name, dim and metric are fixed at creation, the rest can
/// be altered. What kAuto comes to, and which index has which codes: docs/indexes.md.
struct VectorField {
  std::string name = "vector";  ///< `[A-Za-z0-9_-]{1,128}`, unique within the collection
  uint32_t dim = 0;             ///< [1, kMaxDim]
  Metric metric = Metric::kCosine;
  IndexKind index = IndexKind::kAuto;
  /// What the index searches on before it compares candidates in full precision. kUnimplemented
  /// where the kind of index has no such codes.
  CodeType codes = CodeType::kAuto;
  uint32_t m = 16;                 ///< hnsw: [kMinM, kMaxM]
  uint32_t ef_construction = 200;  ///< hnsw: [1, kMaxEfConstruction]
  uint32_t nlist = 0;              ///< ivf: [0, kMaxNlist]; 0 picks from the row count
};

/// kUnimplemented, naming vector, index, value and limit, unless the kind of index that `field`
/// asks for can have the codes that it asks for. kAuto can have what some kind has. Creating and
/// altering a collection check the same; this is for whoever wants to know before.
Status CheckCodes(const VectorField& field);

struct CollectionOptions {
  std::vector<VectorField> vectors;  ///< 1 to kMaxVectorFields; the first is the default
  /// Payload fields that are embedded, in this order: at most kMaxTextFields of up to
  /// kMaxTextFieldBytes.
  std::vector<std::string> text_fields;
  /// Name of the embedder of the default vector ("static"), or empty. The library embeds the query
  /// of SearchText with it, nothing else: the vectors of records come from whoever writes them,
  /// made from the text fields by the same embedder (`leadline ingest` does so). Its version is
  /// recorded, and SearchText refuses another.
  std::string embedder;
  std::string language;  ///< BCP 47 code of the texts, informational; up to kMaxLanguageBytes
};

/// What to change of one vector field; what is not given stays.
struct VectorFieldChanges {
  std::string name;  ///< of the field; empty: the default one
  std::optional<IndexKind> index;
  std::optional<CodeType> codes;
  std::optional<uint32_t> m;                ///< [kMinM, kMaxM]
  std::optional<uint32_t> ef_construction;  ///< [1, kMaxEfConstruction]
  std::optional<uint32_t> nlist;            ///< [0, kMaxNlist]
};

struct CollectionChanges {
  std::vector<VectorFieldChanges> vectors;  ///< each field at most once
  std::optional<std::string> language;
};

struct DatabaseOptions {
  bool create_if_missing = false;
  /// Opens beside a running writer, also on a read-only file system; writes no byte.
  bool read_only = false;
  Durability durability = Durability::kSync;
  /// kInterval: the log is synced at least this often; [1, 60000] ms.
  uint32_t interval_ms = 100;
  /// Threads of background index builds; [1, kMaxThreads].
  uint32_t background_threads = 1;
  /// Nice value of the threads that seal, build and merge, [0, 19]. They need their share while
  /// rows arrive: writers wait for a seal that is far behind.
  uint32_t background_nice = 0;
  /// Threads one SearchBatch may use; [1, kMaxThreads]. Results do not depend on it.
  uint32_t search_threads = 1;
  /// Rows of the in-memory tail past which it is sealed into a segment; [16, 10^7].
  uint32_t seal_rows = 16384;
  /// Bytes of the tail (vectors, ids, payloads) past which it is sealed earlier; [64 KiB, 16 GiB].
  uint64_t seal_bytes = uint64_t{64} << 20;
  /// A tail that nobody has added to for so long is sealed too, and merged where that is quick, if
  /// searches gain by it: [0, 3600000] ms; 0 leaves it to the caps above. From 1,024 rows or 4 MiB
  /// on.
  uint32_t seal_idle_ms = 5000;
  /// False leaves sealing, compaction, rebuilds and the deletion of what expired to Optimize(), and
  /// no thread keeps codes in memory or reads vectors ahead of the searches that need them. Readers
  /// have that thread alone.
  bool background_maintenance = true;
  /// Bounds what the database holds in memory of its own accord; 0 sets no limit, else [16 MiB, 1
  /// PiB]. The codes, links and lists of the segments that searches use are kept in memory as far
  /// as they fit, those that serve the most rows for their bytes first; what does not fit, and all
  /// vectors in full precision, is left to the page cache. Opening never fails for it. Rows are
  /// sealed earlier, and writes that would grow fresh rows beyond it wait, then fail with
  /// kResourceExhausted. Builds take what they need beside it, about the vectors and codes of the
  /// rows they index; so does RocksDB. Automatic codes get shorter where they would not fit.
  uint64_t memory_budget_bytes = 0;
  /// Locks what is kept, as far as the system allows (RLIMIT_MEMLOCK); DatabaseStats tells what it
  /// refused.
  bool lock_memory = false;
  /// Writes are refused with kResourceExhausted while less than this is free on the disk; deletes
  /// alone while less than a quarter of it is. Builds and copies keep it free too.
  uint64_t min_free_bytes = uint64_t{64} << 20;
  /// Everything read and written goes through this; null means the system's files.
  FileSystem* file_system = nullptr;
  Clock* clock = nullptr;
};

/// Ends and watches one call that may take long. Such calls look at the token and the time at least
/// once in 1,024 rows or 1 MiB of a file, and between the files that they verify as a whole.
struct CallOptions {
  int64_t timeout_ms = 0;  ///< >= 0; 0 means none; past it the call fails with kDeadlineExceeded
  const CancelToken* cancel = nullptr;
  /// Told what is being done and the share of that which is done, in [0, 1]; it must not close the
  /// database.
  std::function<void(std::string_view, double)> progress = {};
};

}  // namespace leadline
