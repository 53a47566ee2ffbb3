#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "catalog.h"
#include "leadline/core/record.h"
#include "leadline/core/status.h"
#include "stored_record.h"

namespace leadline::engine {

/// One checked change, ready for the commit: nothing about it can be refused any more except a
/// patch of an unknown id.
struct PreparedOp {
  WriteBatch::Kind kind = WriteBatch::Kind::kUpsert;
  StoredRecord record;            ///< sequence not yet set; for kPatch `payload` is the merge patch
  uint64_t expected_ordinal = 0;  ///< kDelete: only this version of the record; 0 = any
  std::vector<std::vector<float>> stored;  ///< per field as given, empty where absent
  std::vector<std::vector<float>> search;  ///< per field in search form, empty where absent
};

/// Bytes of id, payload and vectors.
size_t BytesOf(const PreparedOp& op);

/// The one choke point for data on its way in: checks ids, vectors (dimension, finite values, norm)
/// and payloads against the limits of types.h. Errors name the record's position, the field, the
/// value and the limit.
Result<std::vector<PreparedOp>> PrepareBatch(const CollectionOptions& options,
                                             const WriteBatch& batch);
/// Tells batches of different content apart: XXH3 of what storage/FORMAT.md says. Call before the
/// commit, which resolves patches.
uint64_t DigestOf(const std::vector<PreparedOp>& ops);
/// kInvalidArgument unless `key` is empty, or printable ASCII of a good length.
Status ValidateIdempotencyKey(std::string_view key);
/// kInvalidArgument above kMaxBatchBytes; `what` says which bytes.
Status CheckBatchBytes(std::string_view what, uint64_t bytes);

Status ValidateId(std::string_view id);
/// Checks a vector against its field; for cosine, also that it has a direction.
Status ValidateVector(const VectorField& field, VectorView values);
/// The vector as indexes compare it: unit length for cosine, else unchanged.
std::vector<float> SearchForm(const VectorField& field, VectorView values);
/// The same into `form` [values.size()].
void WriteSearchForm(const VectorField& field, VectorView values, float* form);

Status ValidateCollectionName(std::string_view name);
Status ValidateCollectionOptions(const CollectionOptions& options);
Status ValidateDatabaseOptions(const DatabaseOptions& options);

/// Position of the named field (empty name: 0), or kInvalidArgument.
Result<uint32_t> FindField(const CollectionOptions& options, std::string_view name);

}  // namespace leadline::engine
