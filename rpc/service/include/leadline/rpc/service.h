#pragma once

/// The service without a transport: who may call, what waits for what, and the answers. Transports
/// (rpc/server) turn bytes into these calls.

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <google/protobuf/message.h>

#include "leadline/core/clock.h"
#include "leadline/core/database.h"
#include "leadline/core/status.h"
#include "leadline/rpc/audit_log.h"
#include "leadline/rpc/call_context.h"
#include "leadline/rpc/call_record.h"
#include "leadline/rpc/lane.h"
#include "leadline/rpc/logger.h"
#include "leadline/rpc/method_table.h"
#include "leadline/rpc/page_source.h"
#include "leadline/rpc/token_store.h"
#include "leadline/v1/health.pb.h"

namespace leadline::rpc {

class AnswerSteps;

struct ServiceOptions {
  size_t search_slots = 0;    ///< searches at a time; 0 means one more than there are processors
  size_t search_queue = 256;  ///< that wait; more are refused with kResourceExhausted
  /// Callers who took much more of the processors than the others lately get what those leave.
  bool ahead_yields = true;
  /// Searches that wait and are alike may be answered together by whoever has a slot, who gathers
  /// them for at most so long, [0, kMaxGatherMicros]; 0 answers each by itself.
  uint64_t gather_micros = 0;
  size_t blocking_threads = 16;  ///< writes at a time: they share syncs
  size_t blocking_queue = 256;
  size_t long_threads = 2;  ///< checks, backups, optimisations at a time
  size_t long_queue = 8;
  size_t evaluations = 1;        ///< at a time; they compute, each on one thread
  size_t evaluation_queue = 16;  ///< that wait
  std::string backup_directory;  ///< of Maintenance.Backup; empty refuses it
  bool reflection = false;       ///< answer tools that ask what there is (kReflectionPaths)
  /// Of every token without a rate of its own, and of all callers without a token together.
  CallRate rate;
  /// Told of internal errors and of calls slower than `slow_ms`; null tells nobody. Streams and
  /// work of minutes are never slow.
  Logger* logger = nullptr;
  int64_t slow_ms = 1000;
  AuditLog* audit = nullptr;             ///< null keeps none
  std::vector<CallObserver*> observers;  ///< told of every call after metrics and logs
  Clock* clock = nullptr;                ///< null is the system's
};

inline constexpr std::string_view kMetricsContentType = "text/plain; version=0.0.4; charset=utf-8";

/// Thread-safe. Borrows the database, the token store and what the options point to; work that was
/// submitted ends before it.
class Service {
 public:
  Service(Database* database, TokenStore* tokens, const ServiceOptions& options);
  ~Service();

  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  /// Who brings the credentials "Bearer TOKEN", decided before any body is read. Without tokens in
  /// the store everybody may do everything. kUnauthenticated.
  Result<Caller> Authenticate(std::string_view authorization);

  /// The one way in: who calls, whether the role reaches the method, and one call from the
  /// caller's rate (methods without a role cost none). Fills `record` first, refused or not.
  /// kUnimplemented for an unknown method, kUnauthenticated, kPermissionDenied, kResourceExhausted.
  Result<Caller> Admit(const Arrival& arrival, CallRecord* record);

  /// The one way out, once for every call that was given to Admit: counts, logs and audits it.
  /// Called before the last of the answer is sent, so that who got it finds it noted.
  void Ended(const CallRecord& record, const Status& status);

  /// Runs `work` where calls of `method` run, on this thread or another. kResourceExhausted, and
  /// the work is dropped, where too much waits; kUnavailable while draining. After OK the work may
  /// have ended, and the call with it.
  Status Submit(const Method& method, CallRecord* record, std::function<void()> work);

  /// Ends a stage of the work that is the transport's own, `parse_nanos` or `write_nanos`: what
  /// passed since the work began or the last stage ended goes there.
  void EndStage(CallRecord* record, int64_t CallRecord::*stage);

  /// Answers one request of a kUnary or kAnswers method. The errors of fields, scope, handler and
  /// library, always kInternal where something throws. Where `context` has a record, each request
  /// of a kAnswers method costs one call of the caller's rate, beside the one of its arrival.
  Status Answer(const Method& method, const CallContext& context,
                const google::protobuf::Message& request, google::protobuf::Message* response);

  using Answered = std::function<void(const Status&)>;
  /// The same within work that was given to Submit, as the last that it does: between the steps of
  /// a long answer calls of others have their turns. Calls `answered` once, on this thread or
  /// another. Until then the request, the response and what `context` points to, its record too,
  /// must live.
  void AnswerInTurns(const Method& method, const CallContext& context,
                     const google::protobuf::Message& request, google::protobuf::Message* response,
                     Answered answered);
  /// The same for a kPages method.
  Result<std::unique_ptr<PageSource>> StartPages(const Method& method, const CallContext& context,
                                                 const google::protobuf::Message& request);

  Result<bool> NextPage(PageSource* pages, const CallContext& context,
                        google::protobuf::Message* response);

  /// From now on the service says that it is not ready, and takes no new call. Evaluations end
  /// early.
  void Drain();
  /// Waits for evaluations that run; after Drain. To be called before the database closes.
  void FinishJobs();

  [[nodiscard]] bool ready() const { return !draining_.load(); }

  /// Lets go of snapshots whose leases ran out, of evaluations that expired and of rates nobody
  /// uses, and tells who watches evaluations; to be called every second or so.
  void Tick();

  /// All counters and the state of the database, in the Prometheus text format 0.0.4
  /// (kMetricsContentType). Names collections: for whoever may read all of them.
  std::string MetricsText();

 private:
  struct Parts;

  /// False for a method that is switched off.
  [[nodiscard]] bool Offers(const Method& method) const;
  /// Of the whole server, whichever of its services is asked about. kNotFound for others.
  Status Health(const std::string& name, v1::HealthResponse* response) const;
  /// kInvalidArgument and kPermissionDenied that only the body can tell.
  static Status CheckRequest(const Method& method, const CallContext& context,
                             const google::protobuf::Message& request);
  /// True where calls of the method may be answered with others.
  [[nodiscard]] bool MayBeGathered(const Method& method) const;
  /// Leaves the answer to the gatherer; false where it has to be found alone.
  bool Gather(const Method& method, const CallContext& context,
              const google::protobuf::Message& request, google::protobuf::Message* response,
              const Answered& answered);
  /// AnswerInTurns without others.
  void AnswerAlone(const Method& method, const CallContext& context,
                   const google::protobuf::Message& request, google::protobuf::Message* response,
                   Answered answered);
  /// An answer between two of its steps.
  struct OpenAnswer;

  /// Checks, then the whole answer, or its first step where it has several: `steps` gives the
  /// others. Says whether another follows.
  Result<bool> Begin(const Method& method, const CallContext& context,
                     const google::protobuf::Message& request, google::protobuf::Message* response,
                     std::unique_ptr<AnswerSteps>* steps);
  Result<bool> Handle(const Method& method, const CallContext& context,
                      const google::protobuf::Message& request, google::protobuf::Message* response,
                      std::unique_ptr<AnswerSteps>* steps);
  /// Another step.
  Result<bool> GoOn(AnswerSteps* steps, const CallContext& context,
                    google::protobuf::Message* response);
  /// Goes on with `open`.
  void TakeTurn(const std::shared_ptr<OpenAnswer>& open);
  /// Ends it after a step, or lets others have their turns before the next where there is `more`.
  void EndTurn(const std::shared_ptr<OpenAnswer>& open, Result<bool> more);
  /// Notes in the record how an answer ended.
  static void NoteAnswer(const Status& status, const google::protobuf::Message& response,
                         CallRecord* record);

  TokenStore* const tokens_;
  Clock* const clock_;
  const std::unique_ptr<Parts> parts_;
  std::atomic<bool> draining_{false};
  std::array<std::unique_ptr<Lane>, 4> lanes_;  // by v1::Work; the first is null
};

}  // namespace leadline::rpc
