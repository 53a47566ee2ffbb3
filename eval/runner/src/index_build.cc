#include "index_build.h"

#include <vector>

#include "hash_feeder.h"

namespace leadline::eval {

Result<IndexBuild> IndexBuildAt(Collection& collection, const VectorField& field,
                                const std::shared_ptr<const Snapshot>& snapshot,
                                const CancelToken* cancel) {
  SearchOptions search;
  search.limit = 1;
  search.vector_field = field.name;
  search.snapshot = snapshot;
  search.cancel = cancel;
  search.explain = true;
  const std::vector<float> any_direction(field.dim, 1.0F);
  LEADLINE_ASSIGN_OR_RETURN(const SearchResponse response,
                            collection.Search(any_direction, search));
  HashFeeder feed;
  IndexBuild build;
  if (response.plan) {
    build.simd = response.plan->simd;
    for (const PlanStep& step : response.plan->steps) {
      feed.Text(step.source);
      feed.Number(step.rows);
    }
  }
  build.hash = feed.HexDigest();
  return build;
}

}  // namespace leadline::eval
