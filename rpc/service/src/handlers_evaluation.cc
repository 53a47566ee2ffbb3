#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "evaluation_input.h"
#include "evaluation_jobs.h"
#include "evaluation_score.h"
#include "handlers.h"
#include "leadline/eval/ann_report.h"
#include "leadline/eval/sweep_fit.h"
#include "leadline/v1/evaluation.pb.h"

namespace leadline::rpc {
namespace {

constexpr uint32_t kDefaultRunLimit = 100;
constexpr uint32_t kDefaultAnnLimit = 10;
constexpr uint32_t kDefaultReportLines = 1000;
/// Hits of all queries together: what a run keeps in memory.
constexpr uint64_t kMaxHits = 1'000'000;

Status CheckHits(size_t queries, uint64_t limit) {
  return queries * limit <= kMaxHits
             ? OkStatus()
             : InvalidFieldError(
                   "too many hits", "limit",
                   std::to_string(limit) + ", " + std::to_string(queries) + " queries",
                   std::to_string(kMaxHits) + " hits together");
}

Status Score(const ServiceParts& /*parts*/, const CallContext& /*context*/,
             const v1::ScoreRequest& request, v1::ScoreResponse* response) {
  return AnswerScore(request, response);
}

/// Starts a job whose work is `what` of `task`.
template <typename Task>
Status StartJob(const ServiceParts& parts, const CallContext& context, v1::JobKind kind,
                std::string collection, size_t bytes, std::shared_ptr<Task> task,
                Result<JobReport> (*what)(Task*, JobProgress*), v1::Job* job) {
  JobSpec spec;
  spec.kind = kind;
  spec.collection = std::move(collection);
  spec.token_id = context.caller->token_id;
  spec.bytes = bytes;
  spec.work = [task = std::move(task), what](JobProgress* progress) {
    return what(task.get(), progress);
  };
  return parts.jobs->Start(std::move(spec), job);
}

Result<EvaluatedCollection> WhereOf(const ServiceParts& parts, const std::string& collection) {
  EvaluatedCollection where;
  where.database = parts.database;
  where.clock = parts.clock;
  LEADLINE_ASSIGN_OR_RETURN(where.collection, parts.database->OpenCollection(collection));
  return where;
}

/// What both kinds of search say in the same fields: filter, vector field, rescore and the moment.
template <typename Request>
Result<SearchOptions> SearchOf(const ServiceParts& parts, const Request& request) {
  SearchOptions search;
  if (!request.filter().empty()) {
    LEADLINE_ASSIGN_OR_RETURN(search.filter, Filter::Parse(request.filter()));
  }
  search.vector_field = request.vector_field();
  search.rescore = request.rescore();
  LEADLINE_ASSIGN_OR_RETURN(search.snapshot, parts.leases->Find(request.snapshot()));
  if (search.snapshot == nullptr) {
    LEADLINE_ASSIGN_OR_RETURN(search.snapshot, parts.database->TakeSnapshot());
  }
  return search;
}

Result<eval::RunOptions> RunOptionsOf(const ServiceParts& parts,
                                      const v1::StartRunRequest& request) {
  eval::RunOptions options;
  LEADLINE_ASSIGN_OR_RETURN(options.search, SearchOf(parts, request));
  options.search.limit = request.has_limit() ? request.limit() : kDefaultRunLimit;
  options.search.exact = request.exact();
  options.search.ef_search =
      request.has_ef_search() ? request.ef_search() : options.search.ef_search;
  options.search.nprobe = request.nprobe();
  if (request.has_target_recall()) {
    options.search.target_recall = request.target_recall();
  }
  options.document_key = request.document_key();
  options.warmup = request.has_warmup() ? request.warmup() : options.warmup;
  options.batch = request.has_batch() ? request.batch() : options.batch;
  options.seed = request.has_seed() ? request.seed() : options.seed;
  return options;
}

Status StartRun(const ServiceParts& parts, const CallContext& context,
                const v1::StartRunRequest& request, v1::Job* response) {
  auto job = std::make_shared<RunJob>();
  LEADLINE_ASSIGN_OR_RETURN(job->where, WhereOf(parts, request.collection()));
  eval::EvaluatedRun* const evaluated = &job->evaluated;
  LEADLINE_ASSIGN_OR_RETURN(evaluated->queries, ReadQueries(request.queries()));
  LEADLINE_ASSIGN_OR_RETURN(evaluated->qrels, ReadJudgments(request.judgments()));
  if (!request.all_queries()) {
    evaluated->queries_not_judged = eval::KeepJudged(evaluated->qrels, &evaluated->queries);
  }
  if (evaluated->queries.empty()) {
    return InvalidFieldError("no query has judgments", "queries",
                             std::to_string(request.queries_size()),
                             "ids that judgments have, or all_queries");
  }
  job->scoring.rules = ReadRules(request.rules());
  evaluated->rules = job->scoring.rules == eval::TrecRules::kTrec9 ? "trec9" : "trec10";
  LEADLINE_ASSIGN_OR_RETURN(job->measures,
                            ReadMeasures(request.measures(), eval::DefaultRunMeasures()));
  LEADLINE_ASSIGN_OR_RETURN(job->options, RunOptionsOf(parts, request));
  LEADLINE_RETURN_IF_ERROR(CheckHits(evaluated->queries.size(), job->options.search.limit));
  LEADLINE_RETURN_IF_ERROR(
      ReadSearchedField(job->where.collection->options(), request.vector_field()).status());
  job->per_query = request.per_query();
  return StartJob(parts, context, v1::JOB_KIND_RUN, request.collection(), request.SpaceUsedLong(),
                  std::move(job), DoRun, response);
}

Status StartAnn(const ServiceParts& parts, const CallContext& context,
                const v1::StartAnnRequest& request, v1::Job* response) {
  auto job = std::make_shared<AnnJob>();
  LEADLINE_ASSIGN_OR_RETURN(job->where, WhereOf(parts, request.collection()));
  LEADLINE_ASSIGN_OR_RETURN(job->queries, ReadQueries(request.queries()));
  LEADLINE_ASSIGN_OR_RETURN(job->options.search, SearchOf(parts, request));
  job->options.search.limit = request.has_limit() ? request.limit() : kDefaultAnnLimit;
  job->options.warmup = eval::kAnnWarmupQueries;
  job->filter = request.filter();
  LEADLINE_RETURN_IF_ERROR(CheckHits(job->queries.size(), job->options.search.limit));
  Collection& collection = *job->where.collection;
  LEADLINE_ASSIGN_OR_RETURN(const VectorField field,
                            ReadSearchedField(collection.options(), request.vector_field()));
  LEADLINE_ASSIGN_OR_RETURN(job->sweep, ReadSweep(request));
  SearchOptions probing = job->options.search;
  LEADLINE_ASSIGN_OR_RETURN(probing.timeout_ms, context.TimeoutMs());
  probing.cancel = context.cancel;
  LEADLINE_ASSIGN_OR_RETURN(
      job->sweep, eval::FitSweep(std::move(job->sweep), collection, field, probing, "sweep"));
  LEADLINE_ASSIGN_OR_RETURN(job->warning, eval::ExactScanWarning(collection, field, probing));
  return StartJob(parts, context, v1::JOB_KIND_ANN, request.collection(), request.SpaceUsedLong(),
                  std::move(job), DoAnn, response);
}

Status StartGround(const ServiceParts& parts, const CallContext& context,
                   const v1::StartGroundRequest& request, v1::Job* response) {
  GroundOptions options;
  options.tier = request.has_tier() ? static_cast<int>(request.tier()) : options.tier;
  LEADLINE_ASSIGN_OR_RETURN(const GroundJudge judge, GroundJudge::Create(options));
  LEADLINE_ASSIGN_OR_RETURN(std::vector<GroundTask> tasks, ReadGroundTasks(request));
  return StartJob(parts, context, v1::JOB_KIND_GROUND, "", request.SpaceUsedLong(),
                  std::make_shared<GroundJob>(GroundJob{judge, std::move(tasks)}), DoGround,
                  response);
}

Status GetJob(const ServiceParts& parts, const CallContext& context,
              const v1::GetJobRequest& request, v1::Job* response) {
  return parts.jobs->Find(request.job(), *context.caller, response);
}

/// The states of one job, to its end.
class JobPages final : public PageSource {
 public:
  JobPages(JobTable* jobs, std::string name) : jobs_(jobs), name_(std::move(name)) {}

  Result<bool> Next(const CallContext& context, google::protobuf::Message* response) override {
    LEADLINE_RETURN_IF_ERROR(context.TimeoutMs().status());
    if (context.cancel != nullptr && context.cancel->cancelled()) {
      return CancelledError("the caller went away");
    }
    auto* job = static_cast<v1::Job*>(response);
    seen_ = jobs_->Version(name_);  // first: what changes meanwhile is told again
    LEADLINE_RETURN_IF_ERROR(jobs_->Find(name_, *context.caller, job));
    return job->state() == v1::JOB_STATE_WAITING || job->state() == v1::JOB_STATE_RUNNING;
  }

  void WhenReady(std::function<void()> go) override {
    jobs_->WhenChanged(name_, seen_, std::move(go));
  }

 private:
  JobTable* const jobs_;
  const std::string name_;
  uint64_t seen_ = 0;
};

Result<std::unique_ptr<PageSource>> WatchJob(const ServiceParts& parts,
                                             const CallContext& /*context*/,
                                             const v1::WatchJobRequest& request) {
  return std::unique_ptr<PageSource>(std::make_unique<JobPages>(parts.jobs, request.job()));
}

Status CancelJob(const ServiceParts& parts, const CallContext& context,
                 const v1::CancelJobRequest& request, v1::Job* response) {
  return parts.jobs->Cancel(request.job(), *context.caller, response);
}

Status ListJobs(const ServiceParts& parts, const CallContext& context,
                const v1::ListJobsRequest& /*request*/, v1::ListJobsResponse* response) {
  parts.jobs->List(*context.caller, response);
  return {};
}

Status GetReport(const ServiceParts& parts, const CallContext& context,
                 const v1::GetReportRequest& request, v1::Report* response) {
  const uint32_t limit = request.has_limit() ? request.limit() : kDefaultReportLines;
  return parts.jobs->Report(request.job(), *context.caller, request.offset(), limit, response);
}

}  // namespace

void AddEvaluationHandlers(const ServiceParts& parts, HandlerTable* table) {
  table->AddAnswer("/leadline.v1.Evaluation/Score", parts, Score);
  table->AddAnswer("/leadline.v1.Evaluation/StartRun", parts, StartRun);
  table->AddAnswer("/leadline.v1.Evaluation/StartAnn", parts, StartAnn);
  table->AddAnswer("/leadline.v1.Evaluation/StartGround", parts, StartGround);
  table->AddAnswer("/leadline.v1.Evaluation/Get", parts, GetJob);
  table->AddPages("/leadline.v1.Evaluation/Watch", parts, WatchJob);
  table->AddAnswer("/leadline.v1.Evaluation/Cancel", parts, CancelJob);
  table->AddAnswer("/leadline.v1.Evaluation/List", parts, ListJobs);
  table->AddAnswer("/leadline.v1.Evaluation/GetReport", parts, GetReport);
}

}  // namespace leadline::rpc
