#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "arguments.h"
#include "leadline/core/options.h"
#include "leadline/core/search.h"

namespace leadline::cli {

/// Flags that every searching command has.
struct SearchArguments {
  uint64_t k = 10;
  std::string mode = "dense";
  std::optional<std::string> rerank;
  std::optional<std::string> filter;
  std::string vector_field;
  bool exact = false;
  uint64_t ef_search = 0;
  uint64_t nprobe = 0;
  uint64_t rescore = 0;
  std::optional<std::string> target_recall;
};

inline constexpr const char* kRescoreHelp =
    "candidates of an index with codes that are compared again in full precision; 0 picks a "
    "default";

inline constexpr const char* kTargetRecallHelp =
    "share of the true neighbours to find: each index looks as hard as it takes, by what it "
    "measured when it was built; [0.5, 0.999]";

/// --target-recall as a number; nothing where it was not given.
Result<std::optional<double>> ParseTargetRecall(const std::optional<std::string>& text);

/// Declares -k, --filter, --vector-field and the index settings.
void DeclareSearch(Arguments& arguments, SearchArguments* target);
/// Declares --mode and --rerank.
void DeclareMode(Arguments& arguments, SearchArguments* target);
/// kInvalidArgument names the flag: a filter that does not parse, a mode that does not exist yet.
Result<SearchOptions> MakeSearchOptions(const SearchArguments& arguments);

/// The vector that --vector-field names, the first one where it is empty; the error names the flag.
Result<VectorField> SearchedField(const CollectionOptions& options, const std::string& name);

}  // namespace leadline::cli
