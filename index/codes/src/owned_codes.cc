#include "leadline/index/owned_codes.h"

#include <algorithm>
#include <string_view>

namespace leadline::index {

Result<OwnedCodes> OwnedCodes::Make(MatrixView vectors, Metric metric, Executor* executor,
                                    const CallControl& control) {
  const size_t size = RowCodesBytes(CodeType::kSq8, vectors.rows, vectors.dim);
  Block block = NewHugeArray<char>(size);
  // Pages are touched by whichever thread comes first.
  constexpr size_t kPieceBytes = size_t{1} << 20;
  ParallelFor(executor, (size + kPieceBytes - 1) / kPieceBytes, [&](size_t p) {
    std::fill_n(block.get() + p * kPieceBytes, std::min(kPieceBytes, size - p * kPieceBytes), '\0');
  });
  LEADLINE_RETURN_IF_ERROR(
      EncodeRowCodesTo(block.get(), vectors, metric, CodeType::kSq8, executor, control));
  LEADLINE_ASSIGN_OR_RETURN(const RowCodes codes,
                            RowCodes::Open({block.get(), size}, vectors.rows, vectors.dim, metric));
  return OwnedCodes(std::move(block), size, codes);
}

Result<OwnedCodes> OwnedCodes::Copy(std::string_view section, size_t rows, size_t dim,
                                    Metric metric) {
  Block block = NewHugeArray<char>(section.size());
  std::copy(section.begin(), section.end(), block.get());
  LEADLINE_ASSIGN_OR_RETURN(const RowCodes codes,
                            RowCodes::Open({block.get(), section.size()}, rows, dim, metric));
  return OwnedCodes(std::move(block), section.size(), codes);
}

}  // namespace leadline::index
