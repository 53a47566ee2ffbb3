#pragma once

/// A database behind `leadline serve`, with the interface of one in this process:
///
///   Result<std::unique_ptr<Database>> database = Client::Connect("127.0.0.1:7701");
///   // instead of Database::Open("db"): everything below stays as it is
///
/// find_package(leadline COMPONENTS client) and link leadline::client.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "leadline/core/database.h"
#include "leadline/core/options.h"
#include "leadline/core/search.h"
#include "leadline/core/status.h"
#include "leadline/eval/ground.h"
#include "leadline/eval/metrics.h"

namespace leadline {

namespace rpc {
struct RemoteState;
}  // namespace rpc

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

/// A vector, or, where that is empty, a text for the collection's embedder.
struct EvaluationQuery {
  std::string id;  ///< [1, 512] bytes, each once
  std::vector<float> vector;
  std::string text;
  std::string filter;  ///< holds beside the filter of all queries; empty: none
};

/// Judged queries, as `leadline eval run` takes them. Queries times hits are 1,000,000 at most,
/// queries 10,000, all of it 16 MiB.
struct RunEvaluation {
  std::vector<EvaluationQuery> queries;
  eval::Qrels judgments;
  std::vector<std::string> measures;  ///< names; empty: those of `leadline eval run`
  eval::TrecRules rules = eval::TrecRules::kTrec10;
  /// Of every query. Its snapshot is one of the server; null: the moment of the start. What changes
  /// which hits there are, but has no meaning here (group_by, min_score, full_scan_threshold), is
  /// refused; what to return of a hit, time and token are not looked at.
  SearchOptions search = DeepSearch();
  std::string document_key;  ///< payload key that names the document of a chunk; empty: ids count
  bool all_queries = false;  ///< run queries without judgments too
  size_t batch = 1;        ///< queries searched together, [1, 4096]; above 1 no latency is measured
  size_t warmup = 32;      ///< queries searched before the clock starts, [0, 10000]
  uint64_t seed = 42;      ///< of the bootstrap intervals, below 2^53
  bool per_query = false;  ///< a line of the report for each query, with its hits

  /// 100 hits: measures look deeper than people do.
  static SearchOptions DeepSearch() {
    SearchOptions search;
    search.limit = 100;
    return search;
  }
};

/// Recall of approximate search against exact search, as `leadline eval ann` measures it.
struct AnnEvaluation {
  std::vector<EvaluationQuery> queries;
  /// As above; of the settings only limit, vector_field, filter, rescore and snapshot.
  SearchOptions search;
  /// What is measured: of the two the one that the index reads, 32 values at most. Both empty: a
  /// few that fit.
  std::vector<size_t> ef_search;
  std::vector<size_t> nprobe;
};

/// Responses to be judged, as by `leadline eval ground`: 10,000 at most, 16 MiB in all.
struct GroundEvaluation {
  std::vector<GroundInput> responses;  ///< ids each once
  /// Whether a response is grounded, where somebody knows: one for each, or none at all.
  std::vector<std::optional<bool>> labels;
  GroundOptions options;
};

enum class EvaluationKind : uint8_t { kRun = 1, kAnn = 2, kGround = 3 };
enum class EvaluationState : uint8_t {
  kWaiting = 1,
  kRunning = 2,
  kDone = 3,
  kFailed = 4,
  kCancelled = 5,
};

/// An evaluation that the server does, at one moment.
struct EvaluationJob {
  std::string name;  ///< by which it is found, from any connection
  EvaluationKind kind = EvaluationKind::kRun;
  std::string collection;  ///< empty where there is none
  EvaluationState state = EvaluationState::kWaiting;
  std::string step;  ///< what is being done
  uint64_t done = 0;
  uint64_t total = 0;
  StatusCode error_code = StatusCode::kOk;  ///< of one that failed or was cancelled
  std::string error;
  std::vector<std::string> warnings;  ///< what a reader of the report must know first
  uint64_t lines = 0;                 ///< of the report
  int64_t created_unix_ms = 0;
  std::optional<int64_t> expires_in_ms;  ///< once it has ended: how long it is kept

  [[nodiscard]] bool ended() const { return state >= EvaluationState::kDone; }
};

/// JSON objects, as the program writes them with --json: of a run its run.json and, with per_query,
/// a line for each query; of a sweep its points; of responses a line for each, and a summary where
/// they have labels.
struct EvaluationReport {
  EvaluationKind kind = EvaluationKind::kRun;
  std::string summary;  ///< may be empty
  std::vector<std::string> lines;
};

/// Is retrieval good, and are answers grounded? Evaluations that a server does. What takes long is
/// a job there: it outlives the connection that started it, is found again by its name, and is
/// kept for an hour after its end. Thread-safe. Errors: as those of the database's calls, and
/// kNotFound for jobs that are gone or of another token, kResourceExhausted where too many wait.
class Evaluations {
 public:
  /// Over the connection of `database`, which may go first, but not be closed. kInvalidArgument for
  /// one of this process: there eval::Score and GroundJudge do the work.
  static Result<std::unique_ptr<Evaluations>> Of(Database& database);

  /// eval::Score at the server: the same report.
  Result<eval::ScoreReport> Score(const eval::RankedRun& run, const eval::Qrels& qrels,
                                  std::span<const eval::Measure> measures,
                                  const eval::ScoreOptions& options);

  /// Start a job, once: where the answer is lost (kUnavailable) it may run, and List tells.
  Result<EvaluationJob> StartRun(const std::string& collection, const RunEvaluation& run);
  Result<EvaluationJob> StartAnn(const std::string& collection, const AnnEvaluation& ann);
  Result<EvaluationJob> StartGround(const GroundEvaluation& ground);

  Result<EvaluationJob> Get(const std::string& name);
  /// Jobs that may be seen, newest first.
  Result<std::vector<EvaluationJob>> List();
  /// The job at its end, however that came about. Attaches again where the connection is lost, as
  /// often as calls are repeated without news from the job. `options.progress` is told the step and
  /// its share at most five times a second. When it is cancelled or out of time the job goes on.
  Result<EvaluationJob> Wait(const std::string& name, const CallOptions& options = {});
  /// Asks a job to end and does not wait for that. One that has ended stays as it is.
  Result<EvaluationJob> Cancel(const std::string& name);
  /// All of it, in as many calls as that takes. kFailedPrecondition unless the job is done.
  Result<EvaluationReport> Report(const std::string& name);

 private:
  explicit Evaluations(std::shared_ptr<rpc::RemoteState> state) : state_(std::move(state)) {}

  const std::shared_ptr<rpc::RemoteState> state_;
};

}  // namespace leadline
