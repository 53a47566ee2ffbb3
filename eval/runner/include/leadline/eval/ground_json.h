#pragma once

#include <string>

#include "leadline/eval/ground.h"

namespace leadline::eval {

/// {"id","score","sentences":[{"text","verdict","score","evidence"}]} on one line; a score that
/// cannot be given is null, with a "reason" beside it.
std::string GroundReportJson(const GroundReport& report);

/// {"auroc","pr_auc",..,"n","baselines":{..}} on one line; where a value is null, "undefined" maps
/// its name to the reason.
std::string GroundSummaryJson(const GroundSummary& summary);

}  // namespace leadline::eval
