#pragma once

/// The service without a transport: who may call, what waits for what, and the answers. Transports
/// (rpc/server) turn bytes into these calls.

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <google/protobuf/message.h>

#include "leadline/core/clock.h"
#include "leadline/core/database.h"
#include "leadline/core/status.h"
#include "leadline/rpc/call_context.h"
#include "leadline/rpc/lane.h"
#include "leadline/rpc/method_table.h"
#include "leadline/rpc/page_source.h"
#include "leadline/rpc/token_store.h"

namespace leadline::rpc {

struct ServiceOptions {
  size_t search_slots = 0;       ///< searches at a time; 0 means one for each processor
  size_t search_queue = 256;     ///< that wait; more are refused with kResourceExhausted
  size_t blocking_threads = 16;  ///< writes at a time: they share syncs
  size_t blocking_queue = 256;
  size_t long_threads = 2;  ///< checks, backups, optimisations at a time
  size_t long_queue = 8;
  std::string backup_directory;  ///< of Maintenance.Backup; empty refuses it
};

/// Thread-safe. Borrows the database and the token store; work that was submitted ends before it.
class Service {
 public:
  Service(Database* database, TokenStore* tokens, const ServiceOptions& options);
  ~Service();

  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  /// Who brings the credentials "Bearer TOKEN", decided before any body is read. Without tokens in
  /// the store everybody may do everything. kUnauthenticated.
  Result<Caller> Authenticate(std::string_view authorization);

  /// Runs `work` where calls of `method` run, on this thread or another. kResourceExhausted, and
  /// the work is dropped, where too much waits; kUnavailable while draining.
  Status Submit(const Method& method, std::function<void()> work);

  /// Answers one request of a kUnary or kAnswers method. The errors of fields, scope, handler and
  /// library, always kInternal where something throws.
  Status Answer(const Method& method, const CallContext& context,
                const google::protobuf::Message& request, google::protobuf::Message* response);
  /// The same for a kPages method.
  Result<std::unique_ptr<PageSource>> StartPages(const Method& method, const CallContext& context,
                                                 const google::protobuf::Message& request);

  Result<bool> NextPage(PageSource* pages, const CallContext& context,
                        google::protobuf::Message* response);

  /// From now on the service says that it is not ready, and takes no new call.
  void Drain() { draining_.store(true); }

  [[nodiscard]] bool ready() const { return !draining_.load(); }

  /// Lets go of snapshots whose leases ran out; to be called every second or so.
  void Tick();

 private:
  struct Parts;

  /// kInvalidArgument and kPermissionDenied that only the body can tell.
  static Status CheckRequest(const Method& method, const CallContext& context,
                             const google::protobuf::Message& request);

  TokenStore* const tokens_;
  const std::unique_ptr<Parts> parts_;
  std::atomic<bool> draining_{false};
  std::array<std::unique_ptr<Lane>, 4> lanes_;  // by v1::Work; the first is null
};

}  // namespace leadline::rpc
