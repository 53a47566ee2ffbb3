#include "remote_arguments.h"

#include <algorithm>

#include "leadline/rpc/address.h"

namespace leadline::cli {
namespace {

constexpr uint64_t kMaxTimeoutMs = 3'600'000;

}  // namespace

void DeclareRemote(Arguments& arguments, RemoteArguments* target) {
  const std::string remote(kRemoteOption);
  ClientOptions& client = target->client;
  arguments.Text(&target->address, remote, "ADDRESS",
                 "a running `leadline serve`, HOST:PORT or unix:PATH, in the place of DB");
  arguments
      .Text(&client.token_file, "--token-file", "FILE",
            "holds the token; without it the environment variable LEADLINE_TOKEN does")
      .Needs(remote);
  arguments
      .Flag(&client.tls, "--tls",
            "encrypt, and check the server's certificate and name; so do all of --tls-..")
      .Needs(remote);
  arguments
      .Text(&client.tls_ca, "--tls-ca", "FILE",
            "PEM authorities to trust; those of the system unless given")
      .Needs(remote);
  arguments
      .Text(&client.tls_certificate, "--tls-cert", "FILE",
            "PEM certificate of this client, where the server asks for one")
      .Needs(remote);
  arguments.Text(&client.tls_key, "--tls-key", "FILE", "its PEM key").Needs(remote);
  arguments
      .Text(&client.tls_server_name, "--tls-server-name", "NAME",
            "name that the server's certificate must have; the address's host unless given")
      .Needs(remote);
  arguments
      .Number(&target->timeout_ms, "--timeout-ms",
              "how long connecting (10 s at most) and each call may take; optimize, check and "
              "backup take what they need",
              1, kMaxTimeoutMs)
      .Needs(remote);
}

const Arguments& RemoteOptions() {
  static RemoteArguments target;
  static const Arguments options = [] {
    Arguments declared;
    DeclareRemote(declared, &target);
    return declared;
  }();
  return options;
}

bool IsConnectionOption(const Argument& argument) {
  return argument.needs == kRemoteOption;
}

Result<std::unique_ptr<Database>> Connect(const RemoteArguments& remote) {
  LEADLINE_RETURN_IF_ERROR(rpc::ParseAddress(kRemoteOption, remote.address).status());
  ClientOptions options = remote.client;
  options.call_timeout_ms = static_cast<int64_t>(remote.timeout_ms);
  options.connect_timeout_ms = std::min(options.connect_timeout_ms, options.call_timeout_ms);
  Result<std::unique_ptr<Database>> database = Client::Connect(remote.address, options);
  if (!database.ok()) {
    Status failed = std::move(database).status();
    return failed.WithContext(kRemoteOption);
  }
  return database;
}

}  // namespace leadline::cli
