#pragma once

/// Evaluations as messages, and what comes back. Errors are kInvalidArgument for what has no place
/// in a message, kDataLoss for answers that no server gives.

#include <span>
#include <string>

#include "leadline/client.h"
#include "leadline/core/status.h"
#include "leadline/eval/metrics.h"
#include "leadline/v1/evaluation.pb.h"

namespace leadline::rpc {

v1::ScoreRequest WriteScoreRequest(const eval::RankedRun& run, const eval::Qrels& qrels,
                                   std::span<const eval::Measure> measures,
                                   const eval::ScoreOptions& options);
/// The report of eval::Score for the same input.
Result<eval::ScoreReport> ReadScoreResponse(const v1::ScoreResponse& response,
                                            std::span<const eval::Measure> measures,
                                            const eval::RankedRun& run);

Result<v1::StartRunRequest> WriteRunRequest(const RunEvaluation& run);
Result<v1::StartAnnRequest> WriteAnnRequest(const AnnEvaluation& ann);
Result<v1::StartGroundRequest> WriteGroundRequest(const GroundEvaluation& ground);

Result<EvaluationJob> ReadJob(const v1::Job& job);

}  // namespace leadline::rpc
