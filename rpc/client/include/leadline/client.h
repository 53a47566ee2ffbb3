#pragma once

/// A database behind `leadline serve`, with the interface of one in this process:
///
///   Result<std::unique_ptr<Database>> database = Client::Connect("127.0.0.1:7701");
///   // instead of Database::Open("db"): everything below stays as it is
///
/// find_package(leadline COMPONENTS client) and link leadline::client.

#include <cstdint>
#include <memory>
#include <string>

#include "leadline/core/database.h"
#include "leadline/core/status.h"

namespace leadline {

struct ClientOptions {
  /// Sent with every call; empty: the one of `token_file`, else of the environment variable
  /// LEADLINE_TOKEN, else none. Never logged, and never sent unencrypted beyond this machine.
  std::string token;
  /// Holds a token and nothing else; read by Connect where `token` is empty.
  std::string token_file;
  /// Encrypts, and checks the server's certificate and its name. So do all of the fields below.
  bool tls = false;
  /// PEM file of the authorities to trust; empty: those of the system.
  std::string tls_ca;
  /// PEM files of this client's own certificate and its key, where the server asks for one.
  std::string tls_certificate;
  std::string tls_key;
  /// The name that the server's certificate must have; empty: the host of the address.
  std::string tls_server_name;
  /// How long Connect waits for the server; [1, 3600000] ms.
  int64_t connect_timeout_ms = 10'000;
  /// Of every call that names none, long ones (Optimize, Check, Backup) excepted; [1, 3600000] ms.
  int64_t call_timeout_ms = 60'000;
  /// How often a call that only reads, or a write of one batch, is sent again when its answer is
  /// lost; [0, 20]. The pauses grow from 0.1 s to 2 s, and end with the call's time.
  uint32_t max_retries = 2;
};

/// Thread-safe, as are the databases it makes.
class Client {
 public:
  /// Connects to "HOST:PORT" or "unix:PATH". The handle differs from one of this process only where
  /// a network does. Any call may fail with kUnavailable. Of the calls that change something,
  /// Write, Upsert and Delete of ids send an idempotency key, the batch's or one made here, and so
  /// are done at most once however often they are sent; with max_retries 0 only the batch's. All
  /// others are sent once. A change that fails with kUnavailable or kDeadlineExceeded may or may
  /// not have happened; for a batch with a key of the caller's, the same Write again finds out, and
  /// does it if not. Backup names a folder of the server's own directory instead of a path.
  /// Snapshots are leases that a thread of the handle renews. Errors: kUnavailable (nobody
  /// answers, or no agreement on TLS, with the reason), kUnauthenticated, kInvalidArgument
  /// (options, files, a token that would be sent unencrypted), those of reading files.
  static Result<std::unique_ptr<Database>> Connect(const std::string& address,
                                                   const ClientOptions& options = {});
};

}  // namespace leadline
