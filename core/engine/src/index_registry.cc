#include "index_registry.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>

#include "leadline/index/flat.h"
#include "leadline/index/hnsw.h"
#include "leadline/index/ivf.h"
#include "leadline/index/principal_axes.h"
#include "leadline/index/row_codes.h"
#include "leadline/storage/segment_file.h"

namespace leadline::engine {
namespace {

/// Below this a scan costs less than a graph search with its bookkeeping, and needs no build.
constexpr uint64_t kAutoFlatRows = 10'000;

/// Lists over fewer rows are not worth their bookkeeping while fresher groups keep coming.
constexpr uint64_t kSealedIndexRows = 8192;
/// Below this a row of codes and its numbers takes no fewer cache lines than the vector.
constexpr uint32_t kLeastCodedDim = 32;
/// From here on 1-bit codes need so few candidates that lists are searched faster by them
/// (docs/decisions/0021-one-bit-codes.md).
constexpr uint32_t kLeastBitDim = 384;

/// What an automatic kind may become where codes are given, best first, for few rows and for many.
constexpr std::array kKindsForFewRows = {IndexKind::kFlat, IndexKind::kHnsw, IndexKind::kIvf};
constexpr std::array kKindsForManyRows = {IndexKind::kHnsw, IndexKind::kIvf, IndexKind::kFlat};

constexpr std::array kFlatCodes = {CodeType::kF32, CodeType::kBf16, CodeType::kSq8, CodeType::kSq4};
constexpr std::array kHnswCodes = {CodeType::kF32, CodeType::kBf16, CodeType::kSq8, CodeType::kSq4,
                                   CodeType::kPca8};
constexpr std::array kIvfCodes = {CodeType::kF32, CodeType::kBf16,   CodeType::kSq8, CodeType::kSq4,
                                  CodeType::kPq4, CodeType::kRabitq, CodeType::kPca8};

/// Section types of storage/FORMAT.md that their kinds keep to themselves.
constexpr uint32_t kIvfListsSection = 40;
constexpr uint32_t kIvfProductsSection = 41;
constexpr uint32_t kIvfBitsSection = 42;

/// The codes that the factory of `kind` builds; for kAuto those of any kind.
std::span<const CodeType> CodesOf(IndexKind kind) {
  switch (kind) {
    case IndexKind::kFlat:
      return kFlatCodes;
    case IndexKind::kHnsw:
      return kHnswCodes;
    case IndexKind::kAuto:
    case IndexKind::kIvf:
      break;
  }
  return kIvfCodes;
}

/// Scans by 8-bit codes are as exact as those of the vectors, and read a quarter of the bytes.
CodeType FlatCodes(const VectorField& field) {
  return field.dim < kLeastCodedDim ? CodeType::kF32 : CodeType::kSq8;
}

/// The quickest codes of an index of `kind` for `field`.
CodeType BestCodes(const VectorField& field, IndexKind kind, bool few_rows) {
  if (kind == IndexKind::kFlat) {
    return FlatCodes(field);
  }
  if (few_rows) {
    return CodeType::kF32;
  }
  if (kind == IndexKind::kIvf) {
    return field.dim < kLeastBitDim ? CodeType::kPq4 : CodeType::kRabitq;
  }
  return CodeType::kSq8;
}

/// What a code of so many bytes takes with its numbers: cache lines, which have room for them or
/// not.
uint64_t CodedRowBytes(uint64_t bytes) {
  constexpr uint64_t kLine = 64;
  constexpr uint64_t kNumbers = 8;
  const uint64_t lines = (bytes + kLine - 1) / kLine * kLine;
  return lines - bytes >= kNumbers ? lines : lines + kNumbers;
}

bool HasCodes(IndexKind kind, CodeType codes) {
  const std::span<const CodeType> known = CodesOf(kind);
  return codes == CodeType::kAuto || std::find(known.begin(), known.end(), codes) != known.end();
}

/// True where an automatic kind may become `kind` for these codes. Whoever names sq4 or bf16 wants
/// memory saved; a flat segment has sq8 for speed.
bool Suits(IndexKind kind, CodeType codes) {
  const bool scanned_best = codes == CodeType::kF32 || codes == CodeType::kSq8;
  return HasCodes(kind, codes) && (kind != IndexKind::kFlat || scanned_best);
}

}  // namespace

const index::IndexFactory* FindIndexFactory(IndexKind kind) {
  switch (kind) {
    case IndexKind::kFlat:
      return &index::FlatIndexFactory();
    case IndexKind::kHnsw:
      return &index::HnswIndexFactory();
    case IndexKind::kIvf:
      return &index::IvfIndexFactory();
    case IndexKind::kAuto:
      break;
  }
  return nullptr;
}

IndexChoice UnindexedChoice(const VectorField& field) {
  return {IndexKind::kFlat, field.codes == CodeType::kF32 ? CodeType::kF32 : FlatCodes(field)};
}

bool IsIndexedWhenSealed(const VectorField& field, uint64_t rows) {
  return rows >= kSealedIndexRows && ChooseIndex(field, rows).kind == IndexKind::kIvf;
}

IndexChoice ChooseIndex(const VectorField& field, uint64_t rows) {
  const bool few = rows < kAutoFlatRows;
  IndexChoice choice{field.index, field.codes};
  if (choice.kind == IndexKind::kAuto && choice.codes == CodeType::kAuto) {
    choice.kind = few ? IndexKind::kFlat : IndexKind::kIvf;
  } else if (choice.kind == IndexKind::kAuto) {
    const auto& kinds = few ? kKindsForFewRows : kKindsForManyRows;
    const auto* const found = std::find_if(
        kinds.begin(), kinds.end(), [&](IndexKind kind) { return Suits(kind, choice.codes); });
    choice.kind = found == kinds.end() ? kinds.front() : *found;
  }
  if (choice.codes == CodeType::kAuto) {
    choice.codes = BestCodes(field, choice.kind, few);
  }
  return choice;
}

uint64_t KeptBytes(const VectorField& field, IndexChoice choice, uint64_t rows) {
  const uint64_t dim = field.dim;
  uint64_t row_bytes = choice.kind == IndexKind::kHnsw  ? uint64_t{8} * field.m + 4
                       : choice.kind == IndexKind::kIvf ? 4
                                                        : 0;
  switch (choice.codes) {
    case CodeType::kBf16:
      row_bytes += CodedRowBytes(2 * dim);
      break;
    case CodeType::kSq4:
      row_bytes += CodedRowBytes(dim / 2);
      break;
    case CodeType::kPq4:
      row_bytes += CodedRowBytes(dim) + dim / (dim <= 192 ? 4 : dim <= 512 ? 8 : 16);
      break;
    case CodeType::kRabitq:
      row_bytes += CodedRowBytes(dim) + dim / 8 + 8;
      break;
    case CodeType::kSq8:
      row_bytes += CodedRowBytes(dim);
      break;
    default:
      break;
  }
  return rows * row_bytes;
}

IndexChoice ChooseIndexWithin(const VectorField& field, uint64_t rows, uint64_t room) {
  IndexChoice choice = ChooseIndex(field, rows);
  const bool may_be_shorter = field.codes == CodeType::kAuto && choice.kind != IndexKind::kFlat &&
                              choice.codes != CodeType::kF32;
  if (may_be_shorter && KeptBytes(field, choice, rows) > room) {
    choice.codes = CodeType::kSq4;
  }
  return choice;
}

bool IsChoiceOf(const VectorField& field, uint64_t rows, uint64_t room, IndexChoice choice) {
  return choice == ChooseIndexWithin(field, rows, room) ||
         choice == ChooseIndexWithin(field, rows, 0);
}

bool AsksBeforeReadingVectors(IndexKind kind, CodeType codes) {
  return kind == IndexKind::kIvf && codes != CodeType::kF32;
}

SectionUse UseOfSection(uint32_t type) {
  switch (type) {
    case static_cast<uint32_t>(segment::SectionType::kVectors):
      return SectionUse::kVectors;
    case index::kHnswGraphSection:
    case kIvfListsSection:
      return SectionUse::kLinks;
    case kIvfProductsSection:
    case kIvfBitsSection:
    case index::kRowCodesSection:
    case index::kPrincipalAxesSection:
      return SectionUse::kCodes;
    default:
      return SectionUse::kOther;
  }
}

Status CheckCodeSections(std::span<const uint32_t> types, CodeType codes) {
  const auto has = [types](uint32_t type) {
    return std::find(types.begin(), types.end(), type) != types.end();
  };
  if (has(index::kRowCodesSection) == (codes != CodeType::kF32) &&
      has(kIvfProductsSection) == (codes == CodeType::kPq4) &&
      has(kIvfBitsSection) == (codes == CodeType::kRabitq) &&
      has(index::kPrincipalAxesSection) == (codes == CodeType::kPca8)) {
    return {};
  }
  return DataLossError("sections are not those of the header's codes: codes=" +
                       std::string(CodeTypeName(codes)));
}

}  // namespace leadline::engine

namespace leadline {

Status CheckCodes(const VectorField& field) {
  if (engine::HasCodes(field.index, field.codes)) {
    return {};
  }
  std::string limit(CodeTypeName(CodeType::kAuto));
  for (const CodeType codes : engine::CodesOf(field.index)) {
    limit.append("|").append(CodeTypeName(codes));
  }
  return UnimplementedError("an index of this kind has no such codes: vector=" + field.name +
                            " index=" + std::string(IndexKindName(field.index)) +
                            " field=codes value=" + std::string(CodeTypeName(field.codes)) +
                            " limit=" + limit)
      .WithField("codes", limit);
}

}  // namespace leadline
