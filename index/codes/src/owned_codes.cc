#include "leadline/index/owned_codes.h"

#include <algorithm>
#include <string>

namespace leadline::index {

Result<OwnedCodes> OwnedCodes::Make(MatrixView vectors, Metric metric, Executor* executor,
                                    const CallControl& control) {
  LEADLINE_ASSIGN_OR_RETURN(const std::string section,
                            EncodeRowCodes(vectors, metric, CodeType::kSq8, executor, control));
  return Copy(section, vectors.rows, vectors.dim, metric);
}

Result<OwnedCodes> OwnedCodes::Copy(std::string_view section, size_t rows, size_t dim,
                                    Metric metric) {
  Block block(
      static_cast<char*>(::operator new (section.size(), std::align_val_t{simd::kCodeBytes})));
  std::copy(section.begin(), section.end(), block.get());
  LEADLINE_ASSIGN_OR_RETURN(const RowCodes codes,
                            RowCodes::Open({block.get(), section.size()}, rows, dim, metric));
  return OwnedCodes(std::move(block), codes);
}

}  // namespace leadline::index
