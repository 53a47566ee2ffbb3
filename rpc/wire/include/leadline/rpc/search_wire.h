#pragma once

/// Searches between processes.

#include "leadline/core/search.h"
#include "leadline/core/status.h"
#include "leadline/v1/search.pb.h"

namespace leadline::rpc {

/// Everything but snapshot, deadline and token, which do not travel in the message as such.
/// kInvalidArgument where the filter does not parse.
Result<SearchOptions> ReadSearchOptions(const v1::SearchOptions& in);
void WriteSearchOptions(const SearchOptions& options, v1::SearchOptions* out);

void WriteSearchResponse(SearchResponse response, v1::SearchResponse* out);
/// kDataLoss for a metric that this version does not know.
Result<SearchResponse> ReadSearchResponse(const v1::SearchResponse& in);

}  // namespace leadline::rpc
