#pragma once

#include <string>

#include "leadline/core/status.h"
#include "leadline/eval/judgments.h"
#include "leadline/eval/metrics.h"

namespace leadline::cli {

/// Directory of the run saved under `name` in a database.
std::string SavedRunDirectory(const std::string& database, const std::string& name);
/// kInvalidArgument unless `name` is `[A-Za-z0-9_-]{1,128}`.
Status CheckRunName(const std::string& name);

/// Reads a run: a TREC run file, whose ids are taken as they are, or one this program wrote, a
/// directory of --out or DB#NAME, whose ids are decoded. kNotFound names all places looked at.
Result<eval::RankedRun> LoadRun(const std::string& source, eval::TrecRules rules,
                                const eval::ReadProgress& progress = nullptr);
/// "trec9" or "trec10".
Result<eval::TrecRules> ParseTrecRules(const std::string& word);

}  // namespace leadline::cli
