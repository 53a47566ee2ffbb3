#include "owned_codes.h"

#include <algorithm>
#include <string>

namespace leadline::index::hnsw {

Result<OwnedCodes> OwnedCodes::Make(MatrixView vectors, Metric metric, Executor* executor,
                                    const CallControl& control) {
  LEADLINE_ASSIGN_OR_RETURN(const std::string bytes,
                            EncodeRowCodes(vectors, metric, CodeType::kSq8, executor, control));
  Block block(
      static_cast<char*>(::operator new (bytes.size(), std::align_val_t{simd::kCodeBytes})));
  std::copy(bytes.begin(), bytes.end(), block.get());
  LEADLINE_ASSIGN_OR_RETURN(
      const RowCodes codes,
      RowCodes::Open({block.get(), bytes.size()}, vectors.rows, vectors.dim, metric));
  return OwnedCodes(std::move(block), codes);
}

}  // namespace leadline::index::hnsw
