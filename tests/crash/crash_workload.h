#pragma once

/// A workload that parent and worker compute alike: step `index` of a stream is a pure function of
/// the seed, so acknowledgements are plain numbers and the expected state lives outside the
/// database.
///
/// Streams 0 and 1 write to collection "c" (hnsw), each to ids and groups of its own. Stream 2 owns
/// collection "v" (ivf): it creates it, fills it, optimises, backs up and drops it, over and over.

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "leadline/core/rng.h"
#include "leadline/leadline.h"
#include "reference_model.h"

namespace leadline::testing {

/// 96 bytes a row: past kMinBlobBytes of storage/kv, so that vectors lie in blob files.
inline constexpr size_t kCrashDim = 24;
inline constexpr int kCrashStreams = 3;

struct CrashOp {
  WriteBatch::Kind kind;
  std::string id;
  ModelRecord record;  ///< for kPatch only `group` counts
};

using CrashBatch = std::vector<CrashOp>;
using CrashRecords = ReferenceModel::Records;

enum class StepKind : uint8_t { kCreate, kAlter, kWrite, kDeleteWhere, kOptimize, kBackup, kDrop };

struct CrashStep {
  StepKind kind = StepKind::kWrite;
  CrashBatch batch;    ///< of kWrite
  ModelFilter filter;  ///< of kDeleteWhere
};

/// What a stream's steps so far have left. Expired records stay in `records`.
struct CrashState {
  bool exists = false;
  CrashRecords records;
};

/// Vectors fall into clusters, so that filters can correlate with distance.
ModelRecord RandomCrashRecord(Rng* rng, int64_t version);
CrashStep MakeCrashStep(uint64_t seed, int stream, uint64_t index);
void Apply(const CrashStep& step, CrashState* state);
/// Before the first step: collection "c" is there, "v" is not.
CrashState InitialState(int stream);
/// Runs `step` on the database in `path`, whose files are in `fs`; a backup is restored and then
/// both are deleted again.
Status RunStep(Database* database, FileSystem* fs, const std::string& path, int stream,
               const CrashStep& step);

std::string CollectionOf(int stream);
CollectionOptions CrashCollection(int stream);
DatabaseOptions CrashDatabase();

/// The records that a read returns.
CrashRecords Visible(const CrashRecords& records);

/// Every visible record as "id payload hash-of-vector", sorted: two states are equal when these
/// are.
using CrashImage = std::vector<std::string>;
CrashImage ImageOf(const CrashRecords& records);
/// Reads the whole collection. `prefix` keeps one stream.
Result<CrashImage> ReadImage(Collection* collection, const std::string& prefix,
                             std::shared_ptr<const Snapshot> snapshot = nullptr);
/// Ids of this stream start so.
std::string PrefixOf(int stream);

/// What searches did, summed over a test: proves that the indexes were not passed by.
struct SearchTally {
  uint64_t searches = 0;
  uint64_t hnsw_walks = 0;  ///< graph searches that compared less than the segment's rows
  uint64_t ivf_probes = 0;  ///< list searches that did so
  uint64_t store_scans = 0;
  uint64_t wanted = 0;  ///< true nearest neighbours of the approximate searches
  uint64_t found = 0;   ///< those of them that came back

  [[nodiscard]] double recall() const {
    return wanted == 0 ? 0 : static_cast<double>(found) / static_cast<double>(wanted);
  }
};

/// Measured 0.988 to 1.000 over the harnesses with the small `ef` they use.
inline constexpr double kCrashRecallFloor = 0.95;

/// Fails the test when an index kind did not run or recall is below the floor; prints the tally.
void ExpectIndexesUsed(const SearchTally& tally);

/// One disagreement with the model, or a call that failed.
struct Disagreement {
  std::string what;
  StatusCode code = StatusCode::kOk;  ///< of the call that failed
};

/// Compares counts, exact and approximate searches with and without filters, and every record with
/// `records`. Exact answers must equal the model's; approximate hits must be live, of the right
/// version and score.
std::vector<Disagreement> CompareReads(Collection* collection, const CrashRecords& records,
                                       uint64_t seed, SearchTally* tally);

/// CompareReads and Database::Check as lines for people; empty when all is well.
std::vector<std::string> Disagreements(Database* database, Collection* collection,
                                       const CrashRecords& records, uint64_t seed,
                                       SearchTally* tally);

}  // namespace leadline::testing
