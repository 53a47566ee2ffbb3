#include "leadline/client.h"

#include "channel_security.h"
#include "leadline/v1/maintenance.pb.h"
#include "remote_database.h"

namespace leadline {
namespace {

constexpr int64_t kMaxTimeoutMs = 3'600'000;
constexpr uint32_t kMaxRetries = 20;

Status CheckRange(const char* field, int64_t value) {
  return value >= 1 && value <= kMaxTimeoutMs
             ? OkStatus()
             : InvalidFieldError("time out of range", field, std::to_string(value),
                                 "1 to " + std::to_string(kMaxTimeoutMs));
}

}  // namespace

Result<std::unique_ptr<Database>> Client::Connect(const std::string& address,
                                                  const ClientOptions& options) {
  LEADLINE_RETURN_IF_ERROR(CheckRange("connect_timeout_ms", options.connect_timeout_ms));
  LEADLINE_RETURN_IF_ERROR(CheckRange("call_timeout_ms", options.call_timeout_ms));
  if (options.max_retries > kMaxRetries) {
    return InvalidFieldError("too many retries", "max_retries", std::to_string(options.max_retries),
                             "0 to " + std::to_string(kMaxRetries));
  }
  auto state = std::make_shared<rpc::RemoteState>();
  LEADLINE_ASSIGN_OR_RETURN(const rpc::ChannelSecurity security,
                            rpc::SecureChannel(address, options));
  state->channel = std::make_shared<rpc::Channel>(address, security, options.call_timeout_ms);
  LEADLINE_ASSIGN_OR_RETURN(state->retrier,
                            rpc::Retrier::Make(state->channel, options.max_retries));
  state->leases = std::make_shared<rpc::LeaseKeeper>(state->channel);
  LEADLINE_RETURN_IF_ERROR(state->channel->WaitForServer(options.connect_timeout_ms));
  v1::InfoResponse info;
  LEADLINE_RETURN_IF_ERROR(state->retrier->Call("/leadline.v1.Maintenance/Info", v1::InfoRequest(),
                                                &info, {}, rpc::Repeat::kRead));
  return std::unique_ptr<Database>(std::make_unique<rpc::RemoteDatabase>(std::move(state)));
}

}  // namespace leadline
