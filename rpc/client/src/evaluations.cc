#include <utility>

#include "evaluation_messages.h"
#include "leadline/client.h"
#include "remote_database.h"

namespace leadline {
namespace {

using rpc::Repeat;

/// Of one call; fewer come where they are long.
constexpr uint32_t kLinesAPage = 10'000;

Status Call(const rpc::RemoteState& state, const char* method,
            const google::protobuf::Message& request, google::protobuf::Message* response,
            Repeat repeat) {
  LEADLINE_RETURN_IF_ERROR(state.CheckOpen());
  return state.retrier->Call(std::string("/leadline.v1.Evaluation/") + method, request, response,
                             {}, repeat);
}

/// A call that answers with a job.
Result<EvaluationJob> CallForJob(const rpc::RemoteState& state, const char* method,
                                 const google::protobuf::Message& request, Repeat repeat) {
  v1::Job job;
  LEADLINE_RETURN_IF_ERROR(Call(state, method, request, &job, repeat));
  return rpc::ReadJob(job);
}

double ShareOf(const v1::Job& job) {
  return job.total() == 0 ? 0 : static_cast<double>(job.done()) / static_cast<double>(job.total());
}

}  // namespace

Result<std::unique_ptr<Evaluations>> Evaluations::Of(Database& database) {
  const auto* remote = dynamic_cast<const rpc::RemoteDatabase*>(&database);
  if (remote == nullptr) {
    return InvalidFieldError("database of this process", "database", "local", "one of a server");
  }
  return std::unique_ptr<Evaluations>(new Evaluations(remote->state()));
}

Result<eval::ScoreReport> Evaluations::Score(const eval::RankedRun& run, const eval::Qrels& qrels,
                                             std::span<const eval::Measure> measures,
                                             const eval::ScoreOptions& options) {
  if (measures.empty()) {
    return InvalidFieldError("no measures", "measures", "0", "at least 1");
  }
  v1::ScoreResponse response;
  LEADLINE_RETURN_IF_ERROR(Call(*state_, "Score",
                                rpc::WriteScoreRequest(run, qrels, measures, options), &response,
                                Repeat::kRead));
  return rpc::ReadScoreResponse(response, measures, run);
}

Result<EvaluationJob> Evaluations::StartRun(const std::string& collection,
                                            const RunEvaluation& run) {
  LEADLINE_ASSIGN_OR_RETURN(v1::StartRunRequest request, rpc::WriteRunRequest(run));
  request.set_collection(collection);
  return CallForJob(*state_, "StartRun", request, Repeat::kNever);
}

Result<EvaluationJob> Evaluations::StartAnn(const std::string& collection,
                                            const AnnEvaluation& ann) {
  LEADLINE_ASSIGN_OR_RETURN(v1::StartAnnRequest request, rpc::WriteAnnRequest(ann));
  request.set_collection(collection);
  return CallForJob(*state_, "StartAnn", request, Repeat::kNever);
}

Result<EvaluationJob> Evaluations::StartGround(const GroundEvaluation& ground) {
  LEADLINE_ASSIGN_OR_RETURN(const v1::StartGroundRequest request, rpc::WriteGroundRequest(ground));
  return CallForJob(*state_, "StartGround", request, Repeat::kNever);
}

Result<EvaluationJob> Evaluations::Get(const std::string& name) {
  v1::GetJobRequest request;
  request.set_job(name);
  return CallForJob(*state_, "Get", request, Repeat::kRead);
}

Result<std::vector<EvaluationJob>> Evaluations::List() {
  v1::ListJobsResponse response;
  LEADLINE_RETURN_IF_ERROR(Call(*state_, "List", v1::ListJobsRequest(), &response, Repeat::kRead));
  std::vector<EvaluationJob> jobs;
  for (const v1::Job& job : response.jobs()) {
    LEADLINE_ASSIGN_OR_RETURN(jobs.emplace_back(), rpc::ReadJob(job));
  }
  return jobs;
}

Result<EvaluationJob> Evaluations::Wait(const std::string& name, const CallOptions& options) {
  LEADLINE_RETURN_IF_ERROR(state_->CheckOpen());
  if (options.timeout_ms < 0) {
    return InvalidFieldError("time below zero", "timeout_ms", std::to_string(options.timeout_ms),
                             "at least 0");
  }
  v1::WatchJobRequest request;
  request.set_job(name);
  v1::Job job;
  LEADLINE_RETURN_IF_ERROR(state_->retrier->Listen("/leadline.v1.Evaluation/Watch", request, &job,
                                                   {options.timeout_ms, true, options.cancel}, [&] {
                                                     if (options.progress) {
                                                       options.progress(job.step(), ShareOf(job));
                                                     }
                                                   }));
  LEADLINE_ASSIGN_OR_RETURN(EvaluationJob last, rpc::ReadJob(job));
  return last.ended() ? Result<EvaluationJob>(std::move(last))
                      : UnavailableError("the server tells no more of a job: name=" + name);
}

Result<EvaluationJob> Evaluations::Cancel(const std::string& name) {
  v1::CancelJobRequest request;
  request.set_job(name);
  return CallForJob(*state_, "Cancel", request, Repeat::kRead);  // as if once, however often
}

Result<EvaluationReport> Evaluations::Report(const std::string& name) {
  v1::GetReportRequest request;
  request.set_job(name);
  request.set_limit(kLinesAPage);
  EvaluationReport report;
  v1::Report page;
  do {
    request.set_offset(page.next_offset());
    page.Clear();
    LEADLINE_RETURN_IF_ERROR(Call(*state_, "GetReport", request, &page, Repeat::kRead));
    if (request.offset() == 0) {
      report.kind = static_cast<EvaluationKind>(page.kind());
      report.summary = std::move(*page.mutable_summary());
    }
    for (v1::ReportLine& line : *page.mutable_lines()) {
      report.lines.push_back(std::move(*line.mutable_value()));
    }
  } while (page.has_next_offset() && page.next_offset() > request.offset());
  return report;
}

}  // namespace leadline
