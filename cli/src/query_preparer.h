#pragma once

#include <optional>
#include <string>
#include <vector>

#include "leadline/core/collection.h"
#include "leadline/eval/query_reader.h"

namespace leadline::cli {

/// A query with its vector and its whole filter, or why it cannot be searched.
struct PreparedQuery {
  std::string id;
  std::vector<float> vector;
  std::optional<Filter> filter;
  Status error;
};

/// Checks and embeds every query before the first is searched.
///
/// A query that cannot be searched (wrong vector size, a zero vector under cosine, a text without a
/// known word, a filter that does not parse) keeps its error. What makes all of them impossible is
/// the error of the call: an unknown vector field, texts without an embedder, `search.cancel`.
Result<std::vector<PreparedQuery>> PrepareQueries(Collection& collection,
                                                  std::vector<eval::InputQuery> queries,
                                                  const SearchOptions& search);

}  // namespace leadline::cli
