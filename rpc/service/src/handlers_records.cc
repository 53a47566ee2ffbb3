#include <optional>

#include "handlers.h"
#include "leadline/rpc/record_wire.h"
#include "leadline/v1/records.pb.h"

namespace leadline::rpc {
namespace {

VectorAs FormOf(v1::VectorForm form) {
  return form == v1::VECTOR_FORM_F32 ? VectorAs::kBytes : VectorAs::kNumbers;
}

Result<std::optional<Filter>> ParseFilter(const std::string& text) {
  if (text.empty()) {
    return std::optional<Filter>();
  }
  LEADLINE_ASSIGN_OR_RETURN(Filter filter, Filter::Parse(text));
  return std::optional<Filter>(std::move(filter));
}

/// What a request says of reading: any of those with snapshot, with_vectors and with_payload.
template <typename Request>
Result<ReadOptions> ReadOptionsOf(const ServiceParts& parts, const CallContext& context,
                                  const Request& request) {
  ReadOptions options;
  LEADLINE_ASSIGN_OR_RETURN(options.snapshot, parts.leases->Find(request.snapshot()));
  options.with_vectors = !request.has_with_vectors() || request.with_vectors();
  options.with_payload = !request.has_with_payload() || request.with_payload();
  LEADLINE_ASSIGN_OR_RETURN(options.timeout_ms, context.TimeoutMs());
  options.cancel = context.cancel;
  return options;
}

Status Upsert(const ServiceParts& parts, const CallContext& /*context*/,
              const v1::UpsertRequest& request, v1::WriteResponse* response) {
  LEADLINE_ASSIGN_OR_RETURN(const auto collection,
                            parts.database->OpenCollection(request.collection()));
  WriteBatch batch;
  batch.SetIdempotencyKey(request.idempotency_key());
  for (int i = 0; i < request.records_size(); ++i) {
    Record record;
    LEADLINE_RETURN_IF_ERROR(
        ReadRecord(request.records(i), "records[" + std::to_string(i) + "].", &record));
    batch.Upsert(std::move(record));
  }
  LEADLINE_ASSIGN_OR_RETURN(const WriteResult result, collection->Write(batch));
  WriteResultTo(result, response);
  return {};
}

Status Write(const ServiceParts& parts, const CallContext& /*context*/,
             const v1::WriteRequest& request, v1::WriteResponse* response) {
  LEADLINE_ASSIGN_OR_RETURN(const auto collection,
                            parts.database->OpenCollection(request.collection()));
  WriteBatch batch;
  batch.SetIdempotencyKey(request.idempotency_key());
  LEADLINE_RETURN_IF_ERROR(ReadChanges(request.changes(), &batch));
  LEADLINE_ASSIGN_OR_RETURN(const WriteResult result, collection->Write(batch));
  WriteResultTo(result, response);
  return {};
}

Status Patch(const ServiceParts& parts, const CallContext& /*context*/,
             const v1::PatchRequest& request, v1::WriteResponse* response) {
  LEADLINE_ASSIGN_OR_RETURN(const auto collection,
                            parts.database->OpenCollection(request.collection()));
  WriteBatch batch;
  batch.SetIdempotencyKey(request.idempotency_key());
  for (const v1::PayloadPatch& patch : request.patches()) {
    batch.PatchPayload(patch.id(), patch.patch());
  }
  LEADLINE_ASSIGN_OR_RETURN(const WriteResult result, collection->Write(batch));
  WriteResultTo(result, response);
  return {};
}

Result<WriteResult> DeleteIds(Collection* collection, const v1::DeleteRequest& request) {
  if (request.ids().empty() || request.idempotency_key().empty()) {
    return collection->Delete({request.ids().begin(), request.ids().end()});
  }
  WriteBatch batch;
  batch.SetIdempotencyKey(request.idempotency_key());
  for (const std::string& id : request.ids()) {
    batch.Delete(id);
  }
  return collection->Write(batch);
}

Status Delete(const ServiceParts& parts, const CallContext& context,
              const v1::DeleteRequest& request, v1::WriteResponse* response) {
  LEADLINE_ASSIGN_OR_RETURN(const auto collection,
                            parts.database->OpenCollection(request.collection()));
  LEADLINE_ASSIGN_OR_RETURN(const std::optional<Filter> filter, ParseFilter(request.filter()));
  if (!filter) {
    LEADLINE_ASSIGN_OR_RETURN(const WriteResult result, DeleteIds(collection.get(), request));
    WriteResultTo(result, response);
    return {};
  }
  if (!request.ids().empty()) {
    return InvalidFieldError("ids and a filter in one call", "filter", "given", "one of the two");
  }
  if (!request.idempotency_key().empty()) {
    return InvalidFieldError("a deletion by filter takes no key", "idempotency_key", "given",
                             "with ids only");
  }
  DeleteOptions options;
  LEADLINE_ASSIGN_OR_RETURN(options.timeout_ms, context.TimeoutMs());
  options.cancel = context.cancel;
  LEADLINE_ASSIGN_OR_RETURN(const WriteResult result, collection->DeleteWhere(*filter, options));
  WriteResultTo(result, response);
  return {};
}

Status Get(const ServiceParts& parts, const CallContext& context, const v1::GetRequest& request,
           v1::GetResponse* response) {
  LEADLINE_ASSIGN_OR_RETURN(const auto collection,
                            parts.database->OpenCollection(request.collection()));
  LEADLINE_ASSIGN_OR_RETURN(const ReadOptions options, ReadOptionsOf(parts, context, request));
  LEADLINE_ASSIGN_OR_RETURN(auto records,
                            collection->Get({request.ids().begin(), request.ids().end()}, options));
  for (size_t i = 0; i < records.size(); ++i) {
    if (records[i]) {
      WriteRecord(*std::move(records[i]), FormOf(request.vector_form()), response->add_records());
    } else {
      response->add_missing(request.ids(static_cast<int>(i)));
    }
  }
  return {};
}

Status Count(const ServiceParts& parts, const CallContext& context, const v1::CountRequest& request,
             v1::CountResponse* response) {
  LEADLINE_ASSIGN_OR_RETURN(const auto collection,
                            parts.database->OpenCollection(request.collection()));
  LEADLINE_ASSIGN_OR_RETURN(const std::optional<Filter> filter, ParseFilter(request.filter()));
  ReadOptions options;
  LEADLINE_ASSIGN_OR_RETURN(options.snapshot, parts.leases->Find(request.snapshot()));
  LEADLINE_ASSIGN_OR_RETURN(options.timeout_ms, context.TimeoutMs());
  options.cancel = context.cancel;
  LEADLINE_ASSIGN_OR_RETURN(const uint64_t count, collection->Count(filter, options));
  response->set_count(count);
  return {};
}

Result<ScrollOptions> ScrollOptionsOf(const ServiceParts& parts, const CallContext& context,
                                      const v1::ScrollRequest& request) {
  ScrollOptions options;
  LEADLINE_ASSIGN_OR_RETURN(options.filter, ParseFilter(request.filter()));
  options.limit = request.has_limit() ? request.limit() : options.limit;
  options.cursor = request.cursor();
  LEADLINE_ASSIGN_OR_RETURN(options.read, ReadOptionsOf(parts, context, request));
  return options;
}

void WritePage(leadline::ScrollPage page, VectorAs form, v1::ScrollPage* out) {
  for (Record& record : page.records) {
    WriteRecord(std::move(record), form, out->add_records());
  }
  out->set_next_cursor(std::move(page.next_cursor));
}

Status Page(const ServiceParts& parts, const CallContext& context, const v1::ScrollRequest& request,
            v1::ScrollPage* response) {
  LEADLINE_ASSIGN_OR_RETURN(const auto collection,
                            parts.database->OpenCollection(request.collection()));
  LEADLINE_ASSIGN_OR_RETURN(const ScrollOptions options, ScrollOptionsOf(parts, context, request));
  LEADLINE_ASSIGN_OR_RETURN(leadline::ScrollPage page, collection->Scroll(options));
  WritePage(std::move(page), FormOf(request.vector_form()), response);
  return {};
}

/// A scroll to the end, at one moment.
class ScrollPages final : public PageSource {
 public:
  ScrollPages(std::shared_ptr<Collection> collection, ScrollOptions options, VectorAs form)
      : collection_(std::move(collection)), options_(std::move(options)), form_(form) {}

  Result<bool> Next(const CallContext& context, google::protobuf::Message* response) override {
    LEADLINE_ASSIGN_OR_RETURN(options_.read.timeout_ms, context.TimeoutMs());
    options_.read.cancel = context.cancel;
    LEADLINE_ASSIGN_OR_RETURN(leadline::ScrollPage page, collection_->Scroll(options_));
    options_.cursor = page.next_cursor;
    WritePage(std::move(page), form_, static_cast<v1::ScrollPage*>(response));
    return !options_.cursor.empty();
  }

 private:
  const std::shared_ptr<Collection> collection_;
  ScrollOptions options_;
  const VectorAs form_;
};

Result<std::unique_ptr<PageSource>> Scroll(const ServiceParts& parts, const CallContext& context,
                                           const v1::ScrollRequest& request) {
  LEADLINE_ASSIGN_OR_RETURN(auto collection, parts.database->OpenCollection(request.collection()));
  LEADLINE_ASSIGN_OR_RETURN(ScrollOptions options, ScrollOptionsOf(parts, context, request));
  if (options.read.snapshot == nullptr) {
    LEADLINE_ASSIGN_OR_RETURN(options.read.snapshot, parts.database->TakeSnapshot());
  }
  return std::unique_ptr<PageSource>(std::make_unique<ScrollPages>(
      std::move(collection), std::move(options), FormOf(request.vector_form())));
}

}  // namespace

void AddRecordHandlers(const ServiceParts& parts, HandlerTable* table) {
  table->AddAnswer("/leadline.v1.Records/Upsert", parts, Upsert);
  table->AddAnswer("/leadline.v1.Records/Write", parts, Write);
  table->AddAnswer("/leadline.v1.Records/Patch", parts, Patch);
  table->AddAnswer("/leadline.v1.Records/Delete", parts, Delete);
  table->AddAnswer("/leadline.v1.Records/Ingest", parts, Upsert);
  table->AddAnswer("/leadline.v1.Records/Get", parts, Get);
  table->AddAnswer("/leadline.v1.Records/Count", parts, Count);
  table->AddAnswer("/leadline.v1.Records/Page", parts, Page);
  table->AddPages("/leadline.v1.Records/Scroll", parts, Scroll);
}

}  // namespace leadline::rpc
