#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "leadline/core/collection.h"
#include "leadline/core/options.h"
#include "leadline/core/types.h"

namespace leadline {

/// Pins one moment of the whole database. Reads given the same snapshot agree with each other while
/// writers, sealing and compaction go on. Immutable, thread-safe. Keeps old files alive: release
/// it.
class Snapshot {
 public:
  virtual ~Snapshot() = default;
  [[nodiscard]] virtual SequenceNumber sequence() const = 0;
};

/// What an open database has in memory. Its own heap and the sections it keeps share the budget;
/// the rest is what the page cache holds of its files at the moment, whoever read them.
struct MemoryStats {
  uint64_t budget_bytes = 0;  ///< DatabaseOptions::memory_budget_bytes; 0: no limit
  uint64_t heap_bytes = 0;    ///< fresh rows, indexes, deletes, answers of filters; not the store's
  uint64_t kept_bytes = 0;    ///< codes, links and lists that are kept in memory for searches
  uint64_t locked_bytes = 0;  ///< of those, locked
  uint64_t unkept_bytes = 0;  ///< codes, links and lists in use that did not fit
  uint64_t resident_index_bytes = 0;   ///< codes, links and lists in memory now, kept or not
  uint64_t resident_vector_bytes = 0;  ///< vectors in full precision in memory now
  std::string lock_error;              ///< why something could not be locked; empty where all could
};

struct DatabaseStats {
  SequenceNumber sequence = 0;  ///< of the last committed batch; never falls
  uint64_t collections = 0;
  uint64_t store_bytes = 0;
  uint64_t segment_bytes = 0;
  uint64_t log_syncs = 0;
  /// Some segment or collection cannot be used, or no write is taken.
  bool degraded = false;
  std::string store_error;  ///< why no write is taken until the next open; empty while they are
  std::vector<std::string> damaged_collections;  ///< only calls that name one of these fail
  MemoryStats memory;
};

/// One violated invariant found by Check (docs/architecture.md lists I1 to I9).
struct CheckProblem {
  std::string invariant;  ///< "I1" .. "I9", or "IO" where something could not be read
  std::string where;
  std::string detail;
};

struct CheckReport {
  uint64_t rows = 0;
  std::vector<CheckProblem> problems;  ///< the first 1,000

  [[nodiscard]] bool ok() const { return problems.empty(); }
};

/// Where repair cut a damaged log.
struct LogLoss {
  std::string path;
  uint64_t offset = 0;               ///< the log counts up to here
  uint64_t dropped_bytes = 0;        ///< after that, later logs included
  SequenceNumber last_sequence = 0;  ///< of the newest write that is left
};

struct CopyReport {
  /// Segment files, as the source names them, that were damaged and so are not in the copy. No
  /// record is missing for that: whoever opens the copy for writing rebuilds them.
  std::vector<std::string> left_out;
};

struct RepairReport {
  std::vector<std::string> actions;  ///< what was done, for people
  bool lost_data = false;
  std::optional<LogLoss> log_loss;  ///< nullopt where no log was cut
  /// A check at the end found nothing. Otherwise the last action says what could not be mended, or
  /// not be read and so not be judged.
  bool sound = false;
};

/// One directory, one writer process, any number of read-only processes. Thread-safe.
/// Must not be used in a forked child (calls fail with kFailedPrecondition there).
class Database {
 public:
  virtual ~Database() = default;

  /// Opens `path`. Errors: kNotFound (missing, create_if_missing false), kFailedPrecondition
  /// (another writer, with pid and host; an unfinished backup), kDataLoss (damaged log or store;
  /// damaged segments are no error, and a damaged collection is one of its own calls only),
  /// kUnimplemented (newer format), kInvalidArgument (options).
  /// Cost: log replay plus tail rebuild; segments are mapped, not read.
  static Result<std::unique_ptr<Database>> Open(const std::string& path,
                                                const DatabaseOptions& options = {});

  /// kAlreadyExists, kInvalidArgument (names field, value, limit).
  virtual Result<std::shared_ptr<Collection>> CreateCollection(
      const std::string& name, const CollectionOptions& options) = 0;
  /// Changes how segments are indexed from now on, durably. Segments that are otherwise become so
  /// when they are built next: in the background from 20,000 rows on, by Optimize all of them;
  /// until then they answer as they are. Handles opened before keep showing the old options.
  /// kNotFound, kInvalidArgument (names field, value, limit).
  virtual Result<std::shared_ptr<Collection>> AlterCollection(const std::string& name,
                                                              const CollectionChanges& changes) = 0;
  /// kNotFound; kDataLoss where what is stored of it is damaged.
  virtual Result<std::shared_ptr<Collection>> OpenCollection(const std::string& name) = 0;
  /// kNotFound. Drops a damaged one too.
  virtual Status DropCollection(const std::string& name) = 0;
  /// Names, sorted; damaged ones are among them.
  virtual Result<std::vector<std::string>> ListCollections() = 0;

  virtual Result<std::shared_ptr<const Snapshot>> TakeSnapshot() = 0;
  /// Read-only handles: moves to the newest published state. Snapshots taken before stay as they
  /// are. Writers: no effect.
  virtual Status Refresh() = 0;
  /// Makes everything acknowledged so far durable, whatever the mode.
  virtual Status Flush() = 0;
  /// Cost: about a millisecond for each GiB of segment files.
  virtual Result<DatabaseStats> Stats() = 0;
  /// Copies one consistent state into the new directory `to`, while writes go on. The copy is made
  /// in `to`.partial and renamed at the end: a call that fails or is stopped deletes it. What a
  /// crash left there does not open unless it is whole; the next backup to `to` replaces it.
  /// Each segment file is verified as copied; the report names those left out.
  /// kAlreadyExists, kInvalidArgument (no name, inside the database), kResourceExhausted,
  /// kCancelled, kDeadlineExceeded.
  virtual Result<CopyReport> Backup(const std::string& to, const CallOptions& options = {}) = 0;
  /// Copies a backup into the new directory `to` and checks every file on the way. `to` appears
  /// when it is whole, as with Backup. Opening `from` is not interrupted.
  static Result<CopyReport> Restore(const std::string& from, const std::string& to,
                                    const CallOptions& options = {},
                                    FileSystem* file_system = nullptr);
  /// Proves that indexes, locations and counters agree with the store, at one snapshot. Writes
  /// nothing; works beside writers. Stopped, it fails with kCancelled or kDeadlineExceeded and
  /// tells nothing of what it has found.
  virtual Result<CheckReport> Check(const CallOptions& options = {}) = 0;
  /// Fixes what Check finds in a closed database. Everything but the record store is derived and
  /// rebuilt; what only could not be read is left as it is. With `accept_loss` a damaged log is cut
  /// at the damage, and records whose bytes are lost are dropped. A damaged table file of the store
  /// is kDataLoss, and no record is touched. Stopped, it fails with kCancelled or
  /// kDeadlineExceeded: what was mended (or cut) stays so, and another call goes on.
  static Result<RepairReport> Repair(const std::string& path, bool accept_loss,
                                     const CallOptions& options = {},
                                     FileSystem* file_system = nullptr);
  /// Finishes writes, stops background work, closes. The destructor closes too, dropping errors.
  virtual Status Close() = 0;
};

}  // namespace leadline
