#include "index_registry.h"

#include "leadline/index/flat.h"
#include "leadline/index/hnsw.h"
#include "leadline/index/ivf.h"

namespace leadline::engine {
namespace {

/// Below this a scan costs less than a graph search with its bookkeeping, and needs no build.
constexpr uint64_t kAutoFlatRows = 10'000;

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

IndexKind ResolveIndexKind(IndexKind wanted, uint64_t rows) {
  if (wanted != IndexKind::kAuto) {
    return wanted;
  }
  return rows < kAutoFlatRows ? IndexKind::kFlat : IndexKind::kHnsw;
}

}  // namespace leadline::engine
