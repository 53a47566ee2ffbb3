#include "remote_database.h"

#include "leadline/rpc/collection_wire.h"
#include "leadline/v1/collections.pb.h"
#include "leadline/v1/maintenance.pb.h"
#include "remote_collection.h"

namespace leadline::rpc {

Status RemoteDatabase::Call(const char* path, const google::protobuf::Message& request,
                            google::protobuf::Message* response,
                            const Channel::Limits& limits) const {
  LEADLINE_RETURN_IF_ERROR(state_->CheckOpen());
  return state_->retrier->Call(path, request, response, limits, Repeat::kNever);
}

Status RemoteDatabase::Read(const char* path, const google::protobuf::Message& request,
                            google::protobuf::Message* response) const {
  LEADLINE_RETURN_IF_ERROR(state_->CheckOpen());
  return state_->retrier->Call(path, request, response, {}, Repeat::kRead);
}

Result<std::shared_ptr<Collection>> RemoteDatabase::CreateCollection(
    const std::string& name, const CollectionOptions& options) {
  v1::CreateCollectionRequest request;
  WriteCreateRequest(name, options, &request);
  v1::CollectionDescription response;
  LEADLINE_RETURN_IF_ERROR(Call("/leadline.v1.Collections/Create", request, &response));
  return std::shared_ptr<Collection>(std::make_shared<RemoteCollection>(state_, response));
}

Result<std::shared_ptr<Collection>> RemoteDatabase::AlterCollection(
    const std::string& name, const CollectionChanges& changes) {
  v1::AlterCollectionRequest request;
  WriteAlterRequest(name, changes, &request);
  v1::CollectionDescription response;
  LEADLINE_RETURN_IF_ERROR(Call("/leadline.v1.Collections/Alter", request, &response));
  return std::shared_ptr<Collection>(std::make_shared<RemoteCollection>(state_, response));
}

Result<std::shared_ptr<Collection>> RemoteDatabase::OpenCollection(const std::string& name) {
  v1::DescribeCollectionRequest request;
  request.set_collection(name);
  v1::CollectionDescription response;
  LEADLINE_RETURN_IF_ERROR(Read("/leadline.v1.Collections/Describe", request, &response));
  return std::shared_ptr<Collection>(std::make_shared<RemoteCollection>(state_, response));
}

Status RemoteDatabase::DropCollection(const std::string& name) {
  v1::DropCollectionRequest request;
  request.set_collection(name);
  v1::DropCollectionResponse response;
  return Call("/leadline.v1.Collections/Drop", request, &response);
}

Result<std::vector<std::string>> RemoteDatabase::ListCollections() {
  v1::ListCollectionsResponse response;
  LEADLINE_RETURN_IF_ERROR(
      Read("/leadline.v1.Collections/List", v1::ListCollectionsRequest(), &response));
  return std::vector<std::string>(response.names().begin(), response.names().end());
}

Result<std::shared_ptr<const Snapshot>> RemoteDatabase::TakeSnapshot() {
  LEADLINE_RETURN_IF_ERROR(state_->CheckOpen());
  return OpenSnapshot(state_->leases);
}

Status RemoteDatabase::Refresh() {
  return state_->CheckOpen();
}

Status RemoteDatabase::Flush() {
  v1::FlushResponse response;
  return Call("/leadline.v1.Maintenance/Flush", v1::FlushRequest(), &response);
}

Result<DatabaseStats> RemoteDatabase::Stats() {
  v1::DatabaseStatsResponse response;
  LEADLINE_RETURN_IF_ERROR(
      Read("/leadline.v1.Maintenance/DatabaseStats", v1::DatabaseStatsRequest(), &response));
  return ReadStats(response);
}

Result<CopyReport> RemoteDatabase::Backup(const std::string& to, const CallOptions& options) {
  v1::BackupRequest request;
  request.set_name(to);
  v1::BackupResponse response;
  LEADLINE_RETURN_IF_ERROR(Call("/leadline.v1.Maintenance/Backup", request, &response,
                                {options.timeout_ms, true, options.cancel}));
  return CopyReport{{response.left_out().begin(), response.left_out().end()}};
}

Result<CheckReport> RemoteDatabase::Check(const CallOptions& options) {
  v1::CheckResponse response;
  LEADLINE_RETURN_IF_ERROR(Call("/leadline.v1.Maintenance/Check", v1::CheckRequest(), &response,
                                {options.timeout_ms, true, options.cancel}));
  return ReadCheckReport(response);
}

Status RemoteDatabase::Close() {
  state_->closed.store(true);
  state_->retrier->Stop();
  return {};
}

}  // namespace leadline::rpc
