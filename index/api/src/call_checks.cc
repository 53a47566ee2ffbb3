#include "leadline/index/call_checks.h"

#include <algorithm>
#include <string>

#include "leadline/core/range_check.h"

namespace leadline::index {

Status CheckMatrix(MatrixView vectors) {
  LEADLINE_RETURN_IF_ERROR(CheckRange("vectors.dim", vectors.dim, 1, kMaxDim));
  LEADLINE_RETURN_IF_ERROR(CheckRange("vectors.rows", vectors.rows, 0, kMaxSegmentRows));
  if (vectors.data == nullptr && vectors.rows != 0) {
    return InvalidFieldError("matrix without data", "vectors.data", "null", "non-null");
  }
  return {};
}

Status CheckBuild(MatrixView vectors, const BuildOptions& options,
                  std::initializer_list<CodeType> codes) {
  LEADLINE_RETURN_IF_ERROR(CheckMatrix(vectors));
  if (options.codes == CodeType::kAuto || options.codes == CodeType::kF32 ||
      std::find(codes.begin(), codes.end(), options.codes) != codes.end()) {
    return {};
  }
  std::string limit = "auto|f32";
  for (const CodeType known : codes) {
    limit.append("|").append(CodeTypeName(known));
  }
  return UnimplementedError("codes are not available for this index kind: field=codes value=" +
                            std::string(CodeTypeName(options.codes)) + " limit=" + limit)
      .WithField("codes", limit);
}

Status CheckExactSearch(MatrixView queries, const SearchParams& params,
                        std::span<const SearchOutcome> out, size_t dim) {
  if (queries.dim != dim) {
    return InvalidFieldError("query dimension differs from the index", "queries.dim",
                             std::to_string(queries.dim), std::to_string(dim));
  }
  if (out.size() != queries.rows) {
    return InvalidFieldError("one outcome per query", "out.size", std::to_string(out.size()),
                             std::to_string(queries.rows));
  }
  if (params.k == 0) {
    return InvalidFieldError("at least one neighbour", "k", "0", ">= 1");
  }
  return {};
}

Status CheckSearch(MatrixView queries, const SearchParams& params,
                   std::span<const SearchOutcome> out, size_t dim) {
  LEADLINE_RETURN_IF_ERROR(CheckRange("k", params.k, 1, kMaxTopK));
  LEADLINE_RETURN_IF_ERROR(CheckExactSearch(queries, params, out, dim));
  LEADLINE_RETURN_IF_ERROR(CheckRange("ef_search", params.ef_search, 0, kMaxEfSearch));
  return CheckRange("nprobe", params.nprobe, 0, kMaxNprobe);
}

}  // namespace leadline::index
