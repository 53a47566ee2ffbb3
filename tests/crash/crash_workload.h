#pragma once

/// A workload that parent and worker compute alike: batch `index` of a stream is a pure function of
/// the seed, so acknowledgements are plain numbers and the expected state lives outside the
/// database.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "brute_force_model.h"
#include "leadline/core/rng.h"
#include "leadline/leadline.h"

namespace leadline::testing {

inline constexpr size_t kCrashDim = 8;
inline constexpr uint64_t kCrashIds = 90;
inline constexpr int kCrashStreams = 2;

struct CrashOp {
  WriteBatch::Kind kind;
  std::string id;
  ModelRecord record;  ///< for kPatch only `group` counts
};

using CrashBatch = std::vector<CrashOp>;
using CrashRecords = BruteForceModel::Records;

inline CollectionOptions CrashCollection() {
  CollectionOptions options;
  VectorField field;
  field.dim = kCrashDim;
  field.metric = Metric::kL2;
  field.index = IndexKind::kHnsw;
  field.ef_construction = 40;
  options.vectors.push_back(field);
  return options;
}

inline DatabaseOptions CrashDatabase() {
  DatabaseOptions options;
  options.create_if_missing = true;
  options.seal_rows = 64;
  return options;
}

inline CrashBatch MakeCrashBatch(uint64_t seed, int stream, uint64_t index) {
  Rng rng(seed * 1'000'003 + static_cast<uint64_t>(stream) * 7919 + index * 104'729);
  CrashBatch batch;
  const size_t ops = 1 + rng.Uniform(8);
  for (size_t i = 0; i < ops; ++i) {
    CrashOp op;
    op.id = "s" + std::to_string(stream) + "-" + std::to_string(rng.Uniform(kCrashIds));
    op.kind = rng.Uniform(4) == 0 ? WriteBatch::Kind::kDelete : WriteBatch::Kind::kUpsert;
    op.record = RandomModelRecord(&rng, kCrashDim, static_cast<int64_t>(index));
    batch.push_back(op);
    if (op.kind == WriteBatch::Kind::kUpsert && rng.Uniform(6) == 0) {
      op.kind = WriteBatch::Kind::kPatch;
      op.record.group = static_cast<int64_t>(rng.Uniform(1000));
      batch.push_back(op);
    }
  }
  return batch;
}

inline WriteBatch ToWriteBatch(const CrashBatch& batch) {
  WriteBatch out;
  for (const CrashOp& op : batch) {
    switch (op.kind) {
      case WriteBatch::Kind::kUpsert:
        out.Upsert(ToRecord(op.id, op.record));
        break;
      case WriteBatch::Kind::kPatch:
        out.PatchPayload(op.id, "{\"group\":" + std::to_string(op.record.group) + "}");
        break;
      case WriteBatch::Kind::kDelete:
        out.Delete(op.id);
        break;
    }
  }
  return out;
}

inline void Apply(const CrashBatch& batch, CrashRecords* records) {
  for (const CrashOp& op : batch) {
    switch (op.kind) {
      case WriteBatch::Kind::kUpsert:
        (*records)[op.id] = op.record;
        break;
      case WriteBatch::Kind::kPatch:
        (*records)[op.id].group = op.record.group;
        break;
      case WriteBatch::Kind::kDelete:
        records->erase(op.id);
        break;
    }
  }
}

/// Every record as "id version group", sorted: two states are equal when these are.
using CrashImage = std::vector<std::string>;

inline std::string ImageLine(const std::string& id, const std::string& payload) {
  return id + " " + payload;
}

inline CrashImage ImageOf(const CrashRecords& records) {
  CrashImage image;
  for (const auto& [id, record] : records) {
    image.push_back(ImageLine(id, record.Payload()));
  }
  return image;
}

/// Reads the whole collection; ids sorted. `prefix` keeps one stream.
Result<CrashImage> ReadImage(Collection* collection, const std::string& prefix);

/// Compares counts, exact search, approximate search and every vector with `records`, and runs
/// Check. Returns the disagreements; empty when all is well.
std::vector<std::string> Disagreements(Database* database, Collection* collection,
                                       const CrashRecords& records, uint64_t seed);

}  // namespace leadline::testing
