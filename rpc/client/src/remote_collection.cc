#include "remote_collection.h"

#include <algorithm>
#include <utility>

#include <google/protobuf/arena.h>

#include "leadline/rpc/collection_wire.h"
#include "leadline/rpc/record_wire.h"
#include "leadline/rpc/search_wire.h"
#include "leadline/text/embedder.h"
#include "leadline/v1/maintenance.pb.h"
#include "leadline/v1/records.pb.h"

namespace leadline::rpc {
namespace {

/// Of one SearchBatch call: within what a message may hold, with room for the rest.
constexpr size_t kBatchBytes = size_t{15} << 20;
constexpr size_t kBatchRows = 4096;

std::string BytesOf(const float* values, size_t count) {
  return {reinterpret_cast<const char*>(values), count * sizeof(float)};
}

/// Memory of an answer with many small parts, let go of at once.
google::protobuf::ArenaOptions AnswerBlocks() {
  google::protobuf::ArenaOptions options;
  options.start_block_size = 4 << 10;
  options.max_block_size = 64 << 10;
  return options;
}

template <typename Options>
Channel::Limits LimitsOf(const Options& options) {
  return {options.timeout_ms, false, options.cancel};
}

/// kInvalidArgument for a time that no deadline can be made of.
Status CheckTimeout(int64_t timeout_ms) {
  return timeout_ms >= 0 ? OkStatus()
                         : InvalidFieldError("time below zero", "timeout_ms",
                                             std::to_string(timeout_ms), "at least 0");
}

}  // namespace

RemoteCollection::RemoteCollection(std::shared_ptr<RemoteState> state,
                                   const v1::CollectionDescription& description)
    : state_(std::move(state)),
      name_(description.name()),
      options_(ReadDescription(description)),
      embedder_version_(description.embedder_version()) {}

template <typename Request>
Status RemoteCollection::Call(const char* path, Request* request,
                              google::protobuf::Message* response, const Channel::Limits& limits,
                              Repeat repeat) const {
  LEADLINE_RETURN_IF_ERROR(state_->CheckOpen());
  LEADLINE_RETURN_IF_ERROR(CheckTimeout(limits.timeout_ms));
  request->set_collection(name_);
  return state_->retrier->Call(path, *request, response, limits, repeat);
}

template <typename Request>
Result<WriteResult> RemoteCollection::SendWrite(const char* path, Request* request,
                                                const std::string& key) const {
  request->set_idempotency_key(key.empty() ? state_->retrier->NewKey() : key);
  v1::WriteResponse response;
  const Repeat repeat = request->idempotency_key().empty() ? Repeat::kNever : Repeat::kWrite;
  LEADLINE_RETURN_IF_ERROR(Call(path, request, &response, {}, repeat));
  return ReadWriteResult(response);
}

Result<WriteResult> RemoteCollection::Write(const WriteBatch& batch) {
  v1::WriteRequest request;
  WriteChanges(batch, request.mutable_changes());
  return SendWrite("/leadline.v1.Records/Write", &request, batch.idempotency_key());
}

Result<WriteResult> RemoteCollection::Upsert(std::vector<Record> records) {
  v1::UpsertRequest request;
  for (Record& record : records) {
    WriteRecord(std::move(record), VectorAs::kBytes, request.add_records());
  }
  return SendWrite("/leadline.v1.Records/Upsert", &request, "");
}

Result<WriteResult> RemoteCollection::Delete(const std::vector<std::string>& ids) {
  v1::DeleteRequest request;
  for (const std::string& id : ids) {
    request.add_ids(id);
  }
  return SendWrite("/leadline.v1.Records/Delete", &request, "");
}

Result<WriteResult> RemoteCollection::DeleteWhere(const Filter& filter,
                                                  const DeleteOptions& options) {
  v1::DeleteRequest request;
  request.set_filter(filter.ToString());
  v1::WriteResponse response;
  LEADLINE_RETURN_IF_ERROR(
      Call("/leadline.v1.Records/Delete", &request, &response, LimitsOf(options), Repeat::kNever));
  return ReadWriteResult(response);
}

Result<std::vector<std::optional<Record>>> RemoteCollection::Get(
    const std::vector<std::string>& ids, const ReadOptions& options) {
  v1::GetRequest request;
  for (const std::string& id : ids) {
    request.add_ids(id);
  }
  request.set_with_vectors(options.with_vectors);
  request.set_with_payload(options.with_payload);
  request.set_vector_form(v1::VECTOR_FORM_F32);
  LEADLINE_ASSIGN_OR_RETURN(*request.mutable_snapshot(), NameOf(options.snapshot));
  v1::GetResponse response;
  LEADLINE_RETURN_IF_ERROR(
      Call("/leadline.v1.Records/Get", &request, &response, LimitsOf(options), Repeat::kRead));
  std::vector<std::optional<Record>> records;
  // Both lists are in the order of `ids`.
  int found = 0;
  for (const std::string& id : ids) {
    records.emplace_back();
    if (found < response.records_size() && response.records(found).id() == id) {
      LEADLINE_RETURN_IF_ERROR(ReadRecord(response.records(found), "", &records.back().emplace()));
      ++found;
    }
  }
  return records;
}

Result<uint64_t> RemoteCollection::Count(const std::optional<Filter>& filter,
                                         const ReadOptions& options) {
  v1::CountRequest request;
  if (filter) {
    request.set_filter(filter->ToString());
  }
  LEADLINE_ASSIGN_OR_RETURN(*request.mutable_snapshot(), NameOf(options.snapshot));
  v1::CountResponse response;
  LEADLINE_RETURN_IF_ERROR(
      Call("/leadline.v1.Records/Count", &request, &response, LimitsOf(options), Repeat::kRead));
  return response.count();
}

Result<ScrollPage> RemoteCollection::Scroll(const ScrollOptions& options) {
  v1::ScrollRequest request;
  if (options.filter) {
    request.set_filter(options.filter->ToString());
  }
  request.set_limit(static_cast<uint32_t>(std::min<size_t>(options.limit, UINT32_MAX)));
  request.set_cursor(options.cursor);
  request.set_with_vectors(options.read.with_vectors);
  request.set_with_payload(options.read.with_payload);
  request.set_vector_form(v1::VECTOR_FORM_F32);
  LEADLINE_ASSIGN_OR_RETURN(*request.mutable_snapshot(), NameOf(options.read.snapshot));
  v1::ScrollPage response;
  LEADLINE_RETURN_IF_ERROR(Call("/leadline.v1.Records/Page", &request, &response,
                                LimitsOf(options.read), Repeat::kRead));
  ScrollPage page;
  for (const v1::Record& record : response.records()) {
    LEADLINE_RETURN_IF_ERROR(ReadRecord(record, "", &page.records.emplace_back()));
  }
  page.next_cursor = response.next_cursor();
  return page;
}

Status RemoteCollection::WriteOptions(const SearchOptions& options,
                                      v1::SearchRequest* request) const {
  WriteSearchOptions(options, request->mutable_options());
  LEADLINE_ASSIGN_OR_RETURN(*request->mutable_options()->mutable_snapshot(),
                            NameOf(options.snapshot));
  return {};
}

Result<SearchResponse> RemoteCollection::SearchFor(v1::SearchRequest* request,
                                                   const SearchOptions& options) const {
  LEADLINE_RETURN_IF_ERROR(WriteOptions(options, request));
  google::protobuf::Arena arena(AnswerBlocks());
  auto* const response = google::protobuf::Arena::CreateMessage<v1::SearchResponse>(&arena);
  LEADLINE_RETURN_IF_ERROR(
      Call("/leadline.v1.Search/Search", request, response, LimitsOf(options), Repeat::kRead));
  return ReadSearchResponse(*response);
}

Result<SearchResponse> RemoteCollection::Search(VectorView query, const SearchOptions& options) {
  v1::SearchRequest request;
  request.set_vector_f32(BytesOf(query.data(), query.size()));
  return SearchFor(&request, options);
}

void RemoteCollection::SearchAsync(VectorView query, const SearchOptions& options,
                                   const SearchAnswered& answered) {
  struct Exchange {
    v1::SearchRequest request;
    google::protobuf::Arena arena{AnswerBlocks()};
    v1::SearchResponse* response =
        google::protobuf::Arena::CreateMessage<v1::SearchResponse>(&arena);
  };

  const auto exchange = std::make_shared<Exchange>();
  exchange->request.set_collection(name_);
  exchange->request.set_vector_f32(BytesOf(query.data(), query.size()));
  Status ready = state_->CheckOpen();
  if (ready.ok()) {
    ready = CheckTimeout(options.timeout_ms);
  }
  if (ready.ok()) {
    ready = WriteOptions(options, &exchange->request);
  }
  if (!ready.ok()) {
    answered(ready);
    return;
  }
  state_->retrier->ReadAsync(
      "/leadline.v1.Search/Search", exchange->request, exchange->response, LimitsOf(options),
      [state = state_, exchange, answered](const Status& status) {
        answered(status.ok() ? ReadSearchResponse(*exchange->response) : status);
      });
}

Result<SearchResponse> RemoteCollection::SearchText(std::string_view text,
                                                    const SearchOptions& options) {
  v1::SearchRequest request;
  request.set_text(std::string(text));
  return SearchFor(&request, options);
}

Result<SearchResponse> RemoteCollection::SearchId(std::string_view id,
                                                  const SearchOptions& options) {
  v1::SearchRequest request;
  request.set_id(std::string(id));
  return SearchFor(&request, options);
}

Status RemoteCollection::SearchRows(MatrixView queries, size_t begin, size_t end,
                                    const v1::SearchOptions& options, const Channel::Limits& limits,
                                    std::vector<SearchResponse>* out) const {
  v1::SearchBatchRequest request;
  *request.mutable_options() = options;
  request.set_matrix_dim(static_cast<uint32_t>(std::min<size_t>(queries.dim, UINT32_MAX)));
  request.set_matrix_f32(BytesOf(queries.data + begin * queries.dim, (end - begin) * queries.dim));
  google::protobuf::Arena arena(AnswerBlocks());
  auto* const response = google::protobuf::Arena::CreateMessage<v1::SearchBatchResponse>(&arena);
  LEADLINE_RETURN_IF_ERROR(
      Call("/leadline.v1.Search/SearchBatch", &request, response, limits, Repeat::kRead));
  for (const v1::SearchResponse& one : response->responses()) {
    LEADLINE_ASSIGN_OR_RETURN(SearchResponse read, ReadSearchResponse(one));
    out->push_back(std::move(read));
  }
  return {};
}

Result<std::vector<SearchResponse>> RemoteCollection::SearchBatch(MatrixView queries,
                                                                  const SearchOptions& options) {
  v1::SearchOptions written;
  WriteSearchOptions(options, &written);
  LEADLINE_ASSIGN_OR_RETURN(std::string snapshot, NameOf(options.snapshot));
  const size_t row_bytes = std::max<size_t>(1, queries.dim * sizeof(float));
  const size_t rows = std::clamp<size_t>(kBatchBytes / row_bytes, 1, kBatchRows);
  std::shared_ptr<const Snapshot> own;  // several calls have to see one moment
  if (queries.rows > rows && snapshot.empty()) {
    LEADLINE_ASSIGN_OR_RETURN(own, OpenSnapshot(state_->leases));
    LEADLINE_ASSIGN_OR_RETURN(snapshot, NameOf(own));
  }
  written.set_snapshot(snapshot);
  std::vector<SearchResponse> responses;
  for (size_t begin = 0; begin == 0 || begin < queries.rows; begin += rows) {
    LEADLINE_RETURN_IF_ERROR(SearchRows(queries, begin, std::min(begin + rows, queries.rows),
                                        written, LimitsOf(options), &responses));
  }
  return responses;
}

Result<std::shared_ptr<const Embedder>> RemoteCollection::OpenEmbedder() {
  LEADLINE_RETURN_IF_ERROR(state_->CheckOpen());
  if (options_.embedder.empty()) {
    return InvalidFieldError("collection has no embedder", "collection", name_,
                             "one created with an embedder");
  }
  LEADLINE_ASSIGN_OR_RETURN(auto embedder, leadline::OpenEmbedder(options_.embedder));
  if (embedder->version() != embedder_version_) {
    return FailedPreconditionError(
        "collection was embedded by another version: embedder=" + options_.embedder +
        " version=" + std::string(embedder->version()) + " server_version=" + embedder_version_);
  }
  return embedder;
}

Result<CollectionStats> RemoteCollection::Stats() {
  v1::CollectionStatsRequest request;
  v1::CollectionStatsResponse response;
  LEADLINE_RETURN_IF_ERROR(
      Call("/leadline.v1.Maintenance/CollectionStats", &request, &response, {}, Repeat::kRead));
  return ReadStats(response);
}

Status RemoteCollection::Optimize(const CallOptions& options) {
  v1::OptimizeRequest request;
  v1::OptimizeResponse response;
  return Call("/leadline.v1.Maintenance/Optimize", &request, &response,
              {options.timeout_ms, true, options.cancel}, Repeat::kNever);
}

}  // namespace leadline::rpc
