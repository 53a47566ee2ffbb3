#include "evaluation_jobs.h"

#include <algorithm>
#include <string>
#include <utility>

#include "leadline/eval/ann_report.h"
#include "leadline/eval/ground_json.h"
#include "leadline/text/sentences.h"

namespace leadline::rpc {
namespace {

/// As messages of this service call what the warnings of a run speak of.
constexpr eval::RunWords kRunWords = {"limit", "document_key=doc_id"};

/// Of the evidence for one response: every sentence of it may quote the longest of the contexts.
constexpr size_t kMaxEvidenceBytes = 32U << 20;

Status CheckEvidence(const GroundInput& input) {
  size_t longest = 0;
  for (const std::string& context : input.contexts) {
    longest = std::max(longest, context.size());
  }
  if (longest <= kMaxEvidenceBytes / (input.response.size() + 1)) {
    return {};  // whatever the sentences are
  }
  longest = 0;
  for (const std::string& context : input.contexts) {
    for (const text::SentenceSpan& sentence : text::SplitSentences(context)) {
      longest = std::max(longest, sentence.end - sentence.begin);
    }
  }
  const size_t sentences = text::SplitSentences(input.response).size();
  return longest <= kMaxEvidenceBytes / (sentences + 1)
             ? OkStatus()
             : InvalidFieldError(
                   "too many sentences for contexts with sentences so long", "response",
                   std::to_string(sentences) + " sentences, " + std::to_string(longest) + " bytes",
                   std::to_string(kMaxEvidenceBytes) + " bytes, multiplied");
}

Status ReportTooLarge() {
  return ResourceExhaustedError("the report is too large; evaluate less at a time: limit=" +
                                std::to_string(JobTable::kMaxReportBytes));
}

}  // namespace

Result<JobReport> DoRun(RunJob* job, JobProgress* progress) {
  eval::EvaluatedRun* const evaluated = &job->evaluated;
  eval::RunOptions options = job->options;
  options.cancel = progress->cancel();
  options.progress = [progress](size_t done) { progress->Done(done); };
  progress->Begin("search", evaluated->queries.size());
  LEADLINE_ASSIGN_OR_RETURN(
      evaluated->run,
      eval::RunQueries(*job->where.database, *job->where.collection, evaluated->queries, options));
  evaluated->finished_unix_ms = job->where.clock->UnixMillis();
  progress->Begin("score", evaluated->queries.size());
  LEADLINE_RETURN_IF_ERROR(
      eval::ScoreRun(job->measures, job->scoring, progress->cancel(), evaluated));
  progress->Done(evaluated->queries.size());
  JobReport report;
  report.summary = eval::RunJson(*evaluated);
  if (job->per_query) {
    report.lines = eval::PerQueryJson(*evaluated);
  }
  report.warnings = eval::Warnings(*evaluated, kRunWords);
  return report;
}

Result<JobReport> DoAnn(AnnJob* job, JobProgress* progress) {
  const size_t queries = job->queries.size();
  Database& database = *job->where.database;
  Collection& collection = *job->where.collection;
  eval::RunOptions options = job->options;
  options.cancel = progress->cancel();
  options.progress = [progress](size_t done) { progress->Done(done); };
  progress->Begin("exact search", queries);
  LEADLINE_ASSIGN_OR_RETURN(const eval::AnnTruth truth,
                            eval::ExactTruth(database, collection, job->queries, options));
  eval::AnnReport measured;
  progress->Begin("sweep", job->sweep.size() * queries);
  for (const eval::AnnSetting& setting : job->sweep) {
    const size_t before = measured.points.size() * queries;
    options.progress = [progress, before](size_t done) { progress->Done(before + done); };
    LEADLINE_ASSIGN_OR_RETURN(
        eval::AnnPoint point,
        eval::MeasureAnn(database, collection, job->queries, truth, setting, options));
    measured.points.push_back(std::move(point));
  }
  LEADLINE_ASSIGN_OR_RETURN(const CollectionStats stats, collection.Stats());
  measured.k = options.search.limit;
  measured.queries = queries;
  measured.threads = options.threads;
  measured.warmup = std::min(options.warmup, queries);
  measured.truth_seconds = truth.seconds;
  measured.filter = job->filter;
  measured.degraded = stats.degraded;
  measured.sequence = options.search.snapshot->sequence();
  JobReport report;
  report.summary = eval::AnnReportJson(measured);
  report.warnings = eval::AnnWarnings(measured.points.front());
  if (job->warning) {
    report.warnings.insert(report.warnings.begin(), *job->warning);
  }
  if (stats.degraded) {
    report.warnings.emplace_back("the collection is degraded: some answers came from the store");
  }
  return report;
}

Result<JobReport> DoGround(GroundJob* job, JobProgress* progress) {
  JobReport report;
  size_t bytes = 0;
  std::vector<GroundOutcome> outcomes;
  progress->Begin("judge", job->tasks.size());
  for (const GroundTask& task : job->tasks) {
    const size_t index = report.lines.size();
    if (progress->cancel()->cancelled()) {
      return CancelledError("stopped before all responses were judged");
    }
    const Status fits = CheckEvidence(task.input);
    Result<GroundReport> judged =
        fits.ok() ? job->judge.Judge(task.input) : Result<GroundReport>(fits);
    if (!judged.ok()) {
      return judged.status().WithContext("responses[" + std::to_string(index) + "]");
    }
    report.lines.push_back(eval::GroundReportJson(*judged));
    bytes += report.lines.back().size();
    if (bytes > JobTable::kMaxReportBytes) {
      return ReportTooLarge();
    }
    if (task.grounded) {
      outcomes.push_back({*task.grounded, judged->score, judged->baselines});
    }
    progress->Done(report.lines.size());
  }
  if (!outcomes.empty()) {
    LEADLINE_ASSIGN_OR_RETURN(const GroundSummary summary, SummariseGround(outcomes));
    report.summary = eval::GroundSummaryJson(summary);
  }
  return report;
}

}  // namespace leadline::rpc
