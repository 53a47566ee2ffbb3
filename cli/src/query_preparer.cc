#include "query_preparer.h"

#include <memory>
#include <utility>

#include "leadline/eval/query_checks.h"
#include "leadline/text/embedder.h"
#include "search_arguments.h"

namespace leadline::cli {
namespace {

Result<std::shared_ptr<const Embedder>> EmbedderOf(Collection& collection,
                                                   const VectorField& field) {
  if (collection.options().embedder.empty()) {
    return InvalidFieldError("text queries need a collection with an embedder", "collection",
                             collection.name(), "an embedder, or a vector");
  }
  const std::string& embedded = collection.options().vectors.front().name;
  if (field.name != embedded) {
    return InvalidFieldError("the embedder made no vectors of this field", "--vector-field",
                             field.name, embedded);
  }
  return collection.OpenEmbedder();
}

Status Embed(const Embedder& embedder, const std::string& text, std::vector<float>* vector) {
  vector->resize(embedder.dim());
  const std::string_view view = text;
  return embedder.Embed({&view, 1}, *vector);
}

Status PrepareOne(eval::InputQuery query, const VectorField& field, const Embedder* embedder,
                  const std::optional<Filter>& shared, PreparedQuery* prepared) {
  LEADLINE_ASSIGN_OR_RETURN(prepared->filter, eval::CombinedFilter(shared, query.filter));
  prepared->vector = std::move(query.vector);
  if (prepared->vector.empty()) {
    LEADLINE_RETURN_IF_ERROR(Embed(*embedder, query.text, &prepared->vector));
  }
  return eval::CheckQueryVector(prepared->vector, field);
}

}  // namespace

Result<std::vector<PreparedQuery>> PrepareQueries(Collection& collection,
                                                  std::vector<eval::InputQuery> queries,
                                                  const SearchOptions& search) {
  LEADLINE_ASSIGN_OR_RETURN(const VectorField field,
                            SearchedField(collection.options(), search.vector_field));
  std::shared_ptr<const Embedder> embedder;
  std::vector<PreparedQuery> prepared(queries.size());
  for (size_t q = 0; q < queries.size(); ++q) {
    if (search.cancel != nullptr && search.cancel->cancelled()) {
      return CancelledError("stopped by a signal before the first query was searched");
    }
    if (queries[q].vector.empty() && embedder == nullptr) {
      LEADLINE_ASSIGN_OR_RETURN(embedder, EmbedderOf(collection, field));
    }
    prepared[q].id = queries[q].id;
    prepared[q].error =
        PrepareOne(std::move(queries[q]), field, embedder.get(), search.filter, &prepared[q]);
  }
  return prepared;
}

}  // namespace leadline::cli
