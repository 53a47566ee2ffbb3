#pragma once

#include "leadline/core/status.h"
#include "leadline/v1/evaluation.pb.h"

namespace leadline::rpc {

/// Scores what the request holds; the values come in the order of `leadline eval score`.
/// kInvalidArgument for unknown measures, ids that occur twice, no judgments.
Status AnswerScore(const v1::ScoreRequest& request, v1::ScoreResponse* response);

}  // namespace leadline::rpc
