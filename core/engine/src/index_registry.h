#pragma once

#include <cstdint>
#include <span>

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

/// What a tail is sealed into that a later build indexes: written quickly.
IndexChoice UnindexedChoice(const VectorField& field);

/// True for a tail that is sealed into its index at once, since that takes well below a second.
bool IsIndexedWhenSealed(const VectorField& field, uint64_t rows);

/// What a segment of `rows` rows gets when the collection asks for `field`.
/// Where CheckCodes(field) fails the factory refuses it.
IndexChoice ChooseIndex(const VectorField& field, uint64_t rows);

/// Bytes of codes, links and lists that a search of such a segment keeps in memory, about.
uint64_t KeptBytes(const VectorField& field, IndexChoice choice, uint64_t rows);

/// ChooseIndex where these bytes should not exceed `room`: then automatic codes of an index are
/// sq4, the shortest, unless the usual ones fit.
IndexChoice ChooseIndexWithin(const VectorField& field, uint64_t rows, uint64_t room);

/// True where `field` got `choice` for a segment, or would have got it with less room.
bool IsChoiceOf(const VectorField& field, uint64_t rows, uint64_t room, IndexChoice choice);

/// True where an index reads no vector but those it compares in full precision after their codes,
/// and asks SearchParams::row_check first.
bool AsksBeforeReadingVectors(IndexKind kind, CodeType codes);

/// What a section of a segment file is for, as far as its size is reported.
enum class SectionUse { kOther, kVectors, kCodes, kLinks };

/// By the section's type number. Links are also the lists of ivf.
SectionUse UseOfSection(uint32_t type);

/// kDataLoss unless the sections of codes among `types` are those of an index with `codes`.
Status CheckCodeSections(std::span<const uint32_t> types, CodeType codes);

}  // namespace leadline::engine
