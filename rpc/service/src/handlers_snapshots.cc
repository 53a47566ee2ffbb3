#include "handlers.h"
#include "leadline/v1/snapshots.pb.h"

namespace leadline::rpc {
namespace {

int64_t LeaseMs(int64_t asked) {
  return asked != 0 ? asked : LeaseTable::kDefaultMs;
}

void WriteLease(std::string name, const Snapshot& snapshot, int64_t lease_ms, v1::Lease* out) {
  out->set_snapshot(std::move(name));
  out->set_sequence(snapshot.sequence());
  out->set_expires_in_ms(lease_ms);
}

Status Open(const ServiceParts& parts, const CallContext& /*context*/,
            const v1::OpenSnapshotRequest& request, v1::Lease* response) {
  LEADLINE_ASSIGN_OR_RETURN(const auto snapshot, parts.database->TakeSnapshot());
  const int64_t lease_ms = LeaseMs(request.lease_ms());
  LEADLINE_ASSIGN_OR_RETURN(std::string name, parts.leases->Add(snapshot, lease_ms));
  WriteLease(std::move(name), *snapshot, lease_ms, response);
  return {};
}

Status Renew(const ServiceParts& parts, const CallContext& /*context*/,
             const v1::RenewSnapshotRequest& request, v1::Lease* response) {
  const int64_t lease_ms = LeaseMs(request.lease_ms());
  LEADLINE_ASSIGN_OR_RETURN(const auto snapshot, parts.leases->Renew(request.snapshot(), lease_ms));
  WriteLease(request.snapshot(), *snapshot, lease_ms, response);
  return {};
}

Status Release(const ServiceParts& parts, const CallContext& /*context*/,
               const v1::ReleaseSnapshotRequest& request,
               v1::ReleaseSnapshotResponse* /*response*/) {
  parts.leases->Release(request.snapshot());
  return {};
}

}  // namespace

void AddSnapshotHandlers(const ServiceParts& parts, HandlerTable* table) {
  table->AddAnswer("/leadline.v1.Snapshots/Open", parts, Open);
  table->AddAnswer("/leadline.v1.Snapshots/Renew", parts, Renew);
  table->AddAnswer("/leadline.v1.Snapshots/Release", parts, Release);
}

}  // namespace leadline::rpc
