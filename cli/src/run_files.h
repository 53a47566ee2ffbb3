#pragma once

#include <string>

#include "evaluated_run.h"
#include "leadline/eval/report.h"

namespace leadline::cli {

/// Writes run.json, run.trec, per_query.jsonl and report.html into `directory`, which is created.
/// Each file is replaced as a whole; run.json comes last. Ids in run.trec are encoded by
/// EncodeTrecColumn; returns how many columns that changed.
Result<size_t> WriteRunFiles(const std::string& directory, const EvaluatedRun& evaluated);

/// The report's input: first measure sorts, hits carry judgments and snippets.
eval::ReportInput MakeReport(const EvaluatedRun& evaluated);

}  // namespace leadline::cli
