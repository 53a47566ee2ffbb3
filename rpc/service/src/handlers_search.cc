#include <algorithm>
#include <cstring>
#include <utility>

#include "handlers.h"
#include "leadline/core/query_check.h"
#include "leadline/rpc/record_wire.h"
#include "leadline/rpc/search_wire.h"
#include "leadline/text/embedder.h"
#include "leadline/v1/search.pb.h"

namespace leadline::rpc {
namespace {

/// Queries of a batch that are searched before others have their turn: as many as the library looks
/// for together, so that a pass over rows serves no fewer of them than without steps.
constexpr size_t kStepQueries = 32;

Result<SearchOptions> OptionsOf(const ServiceParts& parts, const CallContext& context,
                                const v1::SearchOptions& in) {
  LEADLINE_ASSIGN_OR_RETURN(SearchOptions options, ReadSearchOptions(in));
  LEADLINE_ASSIGN_OR_RETURN(options.snapshot, parts.leases->Find(in.snapshot()));
  LEADLINE_ASSIGN_OR_RETURN(options.timeout_ms, context.TimeoutMs());
  options.cancel = context.cancel;
  return options;
}

Result<SearchResponse> Find(Collection& collection, const v1::SearchRequest& request,
                            const SearchOptions& options) {
  std::vector<float> vector;
  LEADLINE_RETURN_IF_ERROR(ReadVector(
      {request.vector(), request.vector_f32(), request.vector_bf16()}, "vector", &vector));
  const int given =
      (vector.empty() ? 0 : 1) + (request.has_text() ? 1 : 0) + (request.has_id() ? 1 : 0);
  if (given != 1) {
    return InvalidFieldError("nothing to look for, or several things", "vector, text, id",
                             std::to_string(given) + " of them", "exactly one");
  }
  if (request.has_text()) {
    return collection.SearchText(request.text(), options);
  }
  return request.has_id() ? collection.SearchId(request.id(), options)
                          : collection.Search(vector, options);
}

Status Search(const ServiceParts& parts, const CallContext& context,
              const v1::SearchRequest& request, v1::SearchResponse* response) {
  LEADLINE_ASSIGN_OR_RETURN(const auto collection,
                            parts.database->OpenCollection(request.collection()));
  LEADLINE_ASSIGN_OR_RETURN(const SearchOptions options,
                            OptionsOf(parts, context, request.options()));
  LEADLINE_ASSIGN_OR_RETURN(SearchResponse found, Find(*collection, request, options));
  WriteSearchResponse(std::move(found), response);
  return {};
}

/// The field that is searched. kInvalidArgument for an unknown one.
Result<const VectorField*> FieldOf(const Collection& collection, const std::string& field) {
  for (const VectorField& known : collection.options().vectors) {
    if (field.empty() || known.name == field) {
      return &known;
    }
  }
  return InvalidFieldError("unknown vector field", "vector_field", field.substr(0, 64),
                           "a field of the collection");
}

/// Rows of `dim` values, from whichever form the request has.
Result<std::vector<float>> ReadMatrix(Collection& collection, const v1::SearchBatchRequest& request,
                                      size_t dim) {
  std::vector<float> matrix;
  if (!request.matrix_f32().empty()) {
    const std::string& bytes = request.matrix_f32();
    if (bytes.size() % (dim * sizeof(float)) != 0) {
      return InvalidFieldError("not a whole number of rows", "matrix_f32",
                               std::to_string(bytes.size()) + " bytes",
                               "a multiple of " + std::to_string(dim * sizeof(float)));
    }
    matrix.resize(bytes.size() / sizeof(float));
    std::memcpy(matrix.data(), bytes.data(), bytes.size());
    return matrix;
  }
  std::vector<float> row;
  for (int i = 0; i < request.vectors_size(); ++i) {
    const v1::Vector& vector = request.vectors(i);
    const std::string name = "vectors[" + std::to_string(i) + "]";
    LEADLINE_RETURN_IF_ERROR(
        ReadVector({vector.values(), vector.f32(), vector.bf16()}, name, &row));
    if (row.size() != dim) {
      return InvalidFieldError("wrong vector size", name, std::to_string(row.size()),
                               std::to_string(dim));
    }
    matrix.insert(matrix.end(), row.begin(), row.end());
  }
  if (!request.texts().empty()) {
    LEADLINE_ASSIGN_OR_RETURN(const auto embedder, collection.OpenEmbedder());
    const std::vector<std::string_view> texts(request.texts().begin(), request.texts().end());
    matrix.resize(texts.size() * embedder->dim());
    LEADLINE_RETURN_IF_ERROR(embedder->Embed(texts, matrix));
  }
  return matrix;
}

/// The queries of one SearchBatch call, some at a time.
class BatchSteps final : public AnswerSteps {
 public:
  BatchSteps(std::shared_ptr<Collection> collection, SearchOptions options,
             std::vector<float> matrix, size_t dim)
      : collection_(std::move(collection)),
        options_(std::move(options)),
        matrix_(std::move(matrix)),
        dim_(dim),
        rows_(matrix_.size() / dim) {}

  [[nodiscard]] bool several() const { return rows_ > kStepQueries; }

  /// Lets several steps see what one would: no query that fails after others were answered, and one
  /// state of the database.
  Status BeforeSeveral(Database* database, const VectorField& field) {
    LEADLINE_RETURN_IF_ERROR(CheckQueries(field, {matrix_.data(), rows_, dim_}));
    if (options_.snapshot == nullptr) {
      LEADLINE_ASSIGN_OR_RETURN(options_.snapshot, database->TakeSnapshot());
    }
    return {};
  }

  Result<bool> Next(const CallContext& context, google::protobuf::Message* response) override {
    LEADLINE_ASSIGN_OR_RETURN(options_.timeout_ms, context.TimeoutMs());
    const size_t count = std::min(kStepQueries, rows_ - done_);
    turns_ = std::max<size_t>(1, count);
    LEADLINE_ASSIGN_OR_RETURN(
        auto found,
        collection_->SearchBatch({matrix_.data() + done_ * dim_, count, dim_}, options_));
    for (SearchResponse& one : found) {
      WriteSearchResponse(std::move(one),
                          static_cast<v1::SearchBatchResponse*>(response)->add_responses());
    }
    done_ += count;
    return done_ < rows_;
  }

  [[nodiscard]] uint64_t turns() const override { return turns_; }

 private:
  const std::shared_ptr<Collection> collection_;
  SearchOptions options_;
  const std::vector<float> matrix_;
  const size_t dim_;
  const size_t rows_;
  size_t done_ = 0;
  size_t turns_ = 1;
};

Result<std::unique_ptr<AnswerSteps>> SearchBatch(const ServiceParts& parts,
                                                 const CallContext& context,
                                                 const v1::SearchBatchRequest& request) {
  const int given = (request.vectors().empty() ? 0 : 1) + (request.matrix_f32().empty() ? 0 : 1) +
                    (request.texts().empty() ? 0 : 1);
  if (given > 1) {
    return InvalidFieldError("queries in several forms", "vectors, matrix_f32, texts",
                             std::to_string(given) + " of them", "1");
  }
  LEADLINE_ASSIGN_OR_RETURN(std::shared_ptr<Collection> collection,
                            parts.database->OpenCollection(request.collection()));
  LEADLINE_ASSIGN_OR_RETURN(SearchOptions options, OptionsOf(parts, context, request.options()));
  LEADLINE_ASSIGN_OR_RETURN(const VectorField* const field,
                            FieldOf(*collection, options.vector_field));
  const size_t dim = request.matrix_dim() != 0 ? request.matrix_dim() : field->dim;
  LEADLINE_ASSIGN_OR_RETURN(std::vector<float> matrix, ReadMatrix(*collection, request, dim));
  auto steps = std::make_unique<BatchSteps>(std::move(collection), std::move(options),
                                            std::move(matrix), dim);
  if (steps->several()) {
    LEADLINE_RETURN_IF_ERROR(steps->BeforeSeveral(parts.database, *field));
  }
  return std::unique_ptr<AnswerSteps>(std::move(steps));
}

/// More hits than that are not kept for others.
constexpr uint32_t kMaxGatheredHits = 1000;

bool MayBeGathered(const v1::SearchRequest& request) {
  const v1::SearchOptions& options = request.options();
  return !request.has_id() && options.snapshot().empty() && options.group_by().empty() &&
         !options.explain() && options.limit() <= kMaxGatheredHits;
}

Result<std::vector<float>> QueryOf(Collection& collection, const VectorField& field,
                                   const v1::SearchRequest& request) {
  std::vector<float> vector;
  LEADLINE_RETURN_IF_ERROR(ReadVector(
      {request.vector(), request.vector_f32(), request.vector_bf16()}, "vector", &vector));
  if (vector.empty() != request.has_text()) {
    return InvalidFieldError("nothing to look for, or several things", "vector, text", "", "one");
  }
  if (request.has_text()) {
    if (&field != collection.options().vectors.data()) {
      return InvalidFieldError("the embedder made no vectors of this field", "vector_field",
                               field.name, collection.options().vectors[0].name);
    }
    LEADLINE_ASSIGN_OR_RETURN(const auto embedder, collection.OpenEmbedder());
    vector.resize(embedder->dim());
    const std::string_view text = request.text();
    LEADLINE_RETURN_IF_ERROR(embedder->Embed({&text, 1}, vector));
  }
  LEADLINE_RETURN_IF_ERROR(CheckQueries(field, {vector.data(), 1, vector.size()}));
  return vector;
}

Result<GatherableSearch> Gatherable(Database* database, const v1::SearchRequest& request) {
  GatherableSearch search;
  LEADLINE_ASSIGN_OR_RETURN(search.collection, database->OpenCollection(request.collection()));
  LEADLINE_ASSIGN_OR_RETURN(const VectorField* const field,
                            FieldOf(*search.collection, request.options().vector_field()));
  LEADLINE_ASSIGN_OR_RETURN(search.vector, QueryOf(*search.collection, *field, request));
  // With the size: a collection of the same name may have taken the place of another one.
  search.likeness = request.collection() + '\0' + std::to_string(search.vector.size()) + '\0' +
                    request.options().SerializeAsString();
  return search;
}

}  // namespace

std::optional<GatherableSearch> ReadGatherable(Database* database,
                                               const v1::SearchRequest& request) {
  if (!MayBeGathered(request)) {
    return std::nullopt;
  }
  Result<GatherableSearch> search = Gatherable(database, request);
  return search.ok() ? std::optional(*std::move(search)) : std::nullopt;
}

void AddSearchHandlers(const ServiceParts& parts, HandlerTable* table) {
  table->AddAnswer("/leadline.v1.Search/Search", parts, Search);
  table->AddAnswer("/leadline.v1.Search/SearchStream", parts, Search);
  table->AddSteps("/leadline.v1.Search/SearchBatch", parts, SearchBatch);
}

}  // namespace leadline::rpc
