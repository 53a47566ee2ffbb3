#include "search_arguments.h"

#include "database_opening.h"

namespace leadline::cli {

void DeclareSearch(Arguments& arguments, SearchArguments* target) {
  arguments.Number(&target->k, "-k", "hits a query", 1, kMaxTopK);
  arguments.Text(&target->filter, "--filter", "EXPR", "only records that match");
  arguments.Text(&target->vector_field, "--vector-field", "NAME",
                 "vector to search; the collection's first unless given");
  arguments.Flag(&target->exact, "--exact", "compare with every matching record");
  arguments.Number(&target->ef_search, "--ef-search", "candidates of hnsw; 0 picks a default", 0,
                   kMaxEfSearch);
  arguments.Number(&target->nprobe, "--nprobe",
                   "lists of ivf that queries visit, on average; 0 picks a default", 0, kMaxNprobe);
  arguments.Number(&target->rescore, "--rescore", kRescoreHelp, 0, kMaxEfSearch);
  arguments.Text(&target->target_recall, "--target-recall", "R", kTargetRecallHelp);
}

void DeclareMode(Arguments& arguments, SearchArguments* target) {
  arguments.Choice(&target->mode, "--mode", {"dense"},
                   "what is compared; bm25 and hybrid are not in this version", {"bm25", "hybrid"});
  arguments.Text(&target->rerank, "--rerank", "NAME", "not in this version");
}

Result<std::optional<double>> ParseTargetRecall(const std::optional<std::string>& text) {
  if (!text) {
    return std::optional<double>();
  }
  LEADLINE_ASSIGN_OR_RETURN(
      const double target, ParseReal("--target-recall", *text, kMinTargetRecall, kMaxTargetRecall));
  return std::optional<double>(target);
}

Result<SearchOptions> MakeSearchOptions(const SearchArguments& arguments) {
  if (arguments.rerank) {
    return InvalidFieldError("not in this version", "--rerank", *arguments.rerank, "no --rerank");
  }
  SearchOptions options;
  options.limit = arguments.k;
  options.vector_field = arguments.vector_field;
  LEADLINE_ASSIGN_OR_RETURN(options.filter, ParseFilterFlag(arguments.filter));
  options.exact = arguments.exact;
  options.ef_search = arguments.ef_search;
  options.nprobe = arguments.nprobe;
  options.rescore = arguments.rescore;
  LEADLINE_ASSIGN_OR_RETURN(options.target_recall, ParseTargetRecall(arguments.target_recall));
  return options;
}

Result<VectorField> SearchedField(const CollectionOptions& options, const std::string& name) {
  for (const VectorField& field : options.vectors) {
    if (name.empty() || field.name == name) {
      return field;
    }
  }
  return InvalidFieldError("the collection has no such vector", "--vector-field", name,
                           "a vector of the collection");
}

}  // namespace leadline::cli
