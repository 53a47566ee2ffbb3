#include "handlers.h"
#include "leadline/rpc/collection_wire.h"
#include "leadline/text/embedder.h"
#include "leadline/v1/collections.pb.h"

namespace leadline::rpc {
namespace {

/// Says what the collection is, and by which version its texts are embedded where this program has
/// that one.
void DescribeTo(Collection* collection, v1::CollectionDescription* response) {
  WriteDescription(collection->name(), collection->options(), response);
  const auto embedder = collection->OpenEmbedder();
  if (embedder.ok()) {
    response->set_embedder_version(std::string((*embedder)->version()));
  }
}

Status Create(const ServiceParts& parts, const CallContext& /*context*/,
              const v1::CreateCollectionRequest& request, v1::CollectionDescription* response) {
  LEADLINE_ASSIGN_OR_RETURN(const CollectionOptions options, ReadCreateRequest(request));
  LEADLINE_ASSIGN_OR_RETURN(const auto collection,
                            parts.database->CreateCollection(request.name(), options));
  DescribeTo(collection.get(), response);
  return {};
}

Status Describe(const ServiceParts& parts, const CallContext& /*context*/,
                const v1::DescribeCollectionRequest& request, v1::CollectionDescription* response) {
  LEADLINE_ASSIGN_OR_RETURN(const auto collection,
                            parts.database->OpenCollection(request.collection()));
  DescribeTo(collection.get(), response);
  return {};
}

Status List(const ServiceParts& parts, const CallContext& context,
            const v1::ListCollectionsRequest& /*request*/, v1::ListCollectionsResponse* response) {
  LEADLINE_ASSIGN_OR_RETURN(const auto names, parts.database->ListCollections());
  for (const std::string& name : names) {
    if (context.caller->MayTouch(name)) {
      response->add_names(name);
    }
  }
  return {};
}

Status Alter(const ServiceParts& parts, const CallContext& /*context*/,
             const v1::AlterCollectionRequest& request, v1::CollectionDescription* response) {
  LEADLINE_ASSIGN_OR_RETURN(const CollectionChanges changes, ReadAlterRequest(request));
  LEADLINE_ASSIGN_OR_RETURN(const auto collection,
                            parts.database->AlterCollection(request.collection(), changes));
  DescribeTo(collection.get(), response);
  return {};
}

Status Drop(const ServiceParts& parts, const CallContext& /*context*/,
            const v1::DropCollectionRequest& request, v1::DropCollectionResponse* /*response*/) {
  return parts.database->DropCollection(request.collection());
}

}  // namespace

void AddCollectionHandlers(const ServiceParts& parts, HandlerTable* table) {
  table->AddAnswer("/leadline.v1.Collections/Create", parts, Create);
  table->AddAnswer("/leadline.v1.Collections/Describe", parts, Describe);
  table->AddAnswer("/leadline.v1.Collections/List", parts, List);
  table->AddAnswer("/leadline.v1.Collections/Alter", parts, Alter);
  table->AddAnswer("/leadline.v1.Collections/Drop", parts, Drop);
}

}  // namespace leadline::rpc
