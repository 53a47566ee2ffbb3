#pragma once

/// What the jobs of the service Evaluation do.

#include <memory>
#include <vector>

#include "evaluation_input.h"
#include "job_table.h"
#include "leadline/core/clock.h"
#include "leadline/core/database.h"
#include "leadline/eval/evaluated_run.h"
#include "leadline/eval/runner.h"

namespace leadline::rpc {

/// The moment of a collection that is evaluated. Borrows database and clock.
struct EvaluatedCollection {
  Database* database = nullptr;
  Clock* clock = nullptr;
  std::shared_ptr<Collection> collection;
};

/// A run that is to be made and scored.
struct RunJob {
  EvaluatedCollection where;
  eval::RunOptions options;  ///< without cancel and progress
  std::vector<eval::Measure> measures;
  eval::ScoreOptions scoring;
  eval::EvaluatedRun evaluated;  ///< with queries, judgments and rules
  bool per_query = false;
};

Result<JobReport> DoRun(RunJob* job, JobProgress* progress);

/// A sweep that is to be measured.
struct AnnJob {
  EvaluatedCollection where;
  eval::RunOptions options;  ///< as above
  std::vector<eval::InputQuery> queries;
  std::vector<eval::AnnSetting> sweep;
  std::string filter;                  ///< as it was given
  std::optional<std::string> warning;  ///< known before anything is measured
};

Result<JobReport> DoAnn(AnnJob* job, JobProgress* progress);

/// Responses that are to be judged.
struct GroundJob {
  GroundJudge judge;
  std::vector<GroundTask> tasks;
};

Result<JobReport> DoGround(GroundJob* job, JobProgress* progress);

}  // namespace leadline::rpc
