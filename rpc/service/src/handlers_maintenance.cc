#include "handlers.h"
#include "leadline/core/file_system.h"
#include "leadline/core/version.h"
#include "leadline/rpc/collection_wire.h"
#include "leadline/rpc/limits.h"
#include "leadline/simd/level.h"
#include "leadline/v1/maintenance.pb.h"

namespace leadline::rpc {
namespace {

Result<CallOptions> OptionsOf(const CallContext& context) {
  CallOptions options;
  LEADLINE_ASSIGN_OR_RETURN(options.timeout_ms, context.TimeoutMs());
  options.cancel = context.cancel;
  return options;
}

Status Info(const ServiceParts& /*parts*/, const CallContext& /*context*/,
            const v1::InfoRequest& /*request*/, v1::InfoResponse* response) {
  response->set_version(std::string(Version()));
  response->set_simd(std::string(simd::CurrentLevel().name));
  response->set_max_dim(kMaxDim);
  response->set_max_limit(kMaxTopK);
  response->set_max_batch_records(kMaxBatchRecords);
  response->set_max_message_bytes(kMaxMessageBytes);
  return {};
}

Status DatabaseStatsOf(const ServiceParts& parts, const CallContext& /*context*/,
                       const v1::DatabaseStatsRequest& /*request*/,
                       v1::DatabaseStatsResponse* response) {
  LEADLINE_ASSIGN_OR_RETURN(const DatabaseStats stats, parts.database->Stats());
  WriteStats(stats, response);
  return {};
}

Status CollectionStatsOf(const ServiceParts& parts, const CallContext& /*context*/,
                         const v1::CollectionStatsRequest& request,
                         v1::CollectionStatsResponse* response) {
  LEADLINE_ASSIGN_OR_RETURN(const auto collection,
                            parts.database->OpenCollection(request.collection()));
  LEADLINE_ASSIGN_OR_RETURN(const CollectionStats stats, collection->Stats());
  WriteStats(stats, response);
  return {};
}

Status Flush(const ServiceParts& parts, const CallContext& /*context*/,
             const v1::FlushRequest& /*request*/, v1::FlushResponse* /*response*/) {
  return parts.database->Flush();
}

Status Optimize(const ServiceParts& parts, const CallContext& context,
                const v1::OptimizeRequest& request, v1::OptimizeResponse* /*response*/) {
  LEADLINE_ASSIGN_OR_RETURN(const auto collection,
                            parts.database->OpenCollection(request.collection()));
  LEADLINE_ASSIGN_OR_RETURN(const CallOptions options, OptionsOf(context));
  return collection->Optimize(options);
}

Status Check(const ServiceParts& parts, const CallContext& context,
             const v1::CheckRequest& /*request*/, v1::CheckResponse* response) {
  LEADLINE_ASSIGN_OR_RETURN(const CallOptions options, OptionsOf(context));
  LEADLINE_ASSIGN_OR_RETURN(const CheckReport report, parts.database->Check(options));
  WriteCheckReport(report, response);
  return {};
}

Status Backup(const ServiceParts& parts, const CallContext& context,
              const v1::BackupRequest& request, v1::BackupResponse* response) {
  if (parts.backup_directory.empty()) {
    return FailedPreconditionError("the server is configured without a directory for backups");
  }
  LEADLINE_ASSIGN_OR_RETURN(const CallOptions options, OptionsOf(context));
  LEADLINE_ASSIGN_OR_RETURN(
      const CopyReport report,
      parts.database->Backup(JoinPath(parts.backup_directory, request.name()), options));
  for (const std::string& file : report.left_out) {
    response->add_left_out(file);
  }
  return {};
}

Status Metrics(const ServiceParts& parts, const CallContext& /*context*/,
               const v1::MetricsRequest& /*request*/, v1::MetricsResponse* response) {
  response->set_text(parts.metrics());
  return {};
}

}  // namespace

void AddMaintenanceHandlers(const ServiceParts& parts, HandlerTable* table) {
  table->AddAnswer("/leadline.v1.Maintenance/Info", parts, Info);
  table->AddAnswer("/leadline.v1.Maintenance/DatabaseStats", parts, DatabaseStatsOf);
  table->AddAnswer("/leadline.v1.Maintenance/CollectionStats", parts, CollectionStatsOf);
  table->AddAnswer("/leadline.v1.Maintenance/Flush", parts, Flush);
  table->AddAnswer("/leadline.v1.Maintenance/Optimize", parts, Optimize);
  table->AddAnswer("/leadline.v1.Maintenance/Check", parts, Check);
  table->AddAnswer("/leadline.v1.Maintenance/Backup", parts, Backup);
  table->AddAnswer("/leadline.v1.Maintenance/Metrics", parts, Metrics);
}

}  // namespace leadline::rpc
