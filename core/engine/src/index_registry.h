#pragma once

#include "leadline/core/options.h"
#include "leadline/core/status.h"
#include "leadline/core/types.h"
#include "leadline/index/segment_index.h"

namespace leadline::engine {

/// The factory of a concrete kind; null for kAuto.
const index::IndexFactory* FindIndexFactory(IndexKind kind);

/// Index of one segment; neither of the two is automatic.
struct IndexChoice {
  IndexKind kind = IndexKind::kFlat;
  CodeType codes = CodeType::kF32;

  friend bool operator==(const IndexChoice& a, const IndexChoice& b) = default;
};

/// What a tail is sealed into: written quickly, and indexed by a later build.
inline constexpr IndexChoice kUnindexed{IndexKind::kFlat, CodeType::kF32};

/// What a segment of `rows` rows gets when the collection asks for `field`.
/// Where CheckCodes(field) fails the factory refuses it.
IndexChoice ChooseIndex(const VectorField& field, uint64_t rows);

}  // namespace leadline::engine
