#include "leadline/index/segment_index.h"
#include "leadline/index/top_k.h"

namespace leadline::index {

Result<std::shared_ptr<const ListedRows>> SegmentIndex::ListRows(
    const ListedRows* /*before*/, std::span<const float* const> /*rows*/,
    const CallControl& /*control*/) const {
  return UnimplementedError("an index of this kind and codes lists no other rows");
}

}  // namespace leadline::index
