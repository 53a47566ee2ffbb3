#pragma once

#include <string>

#include "evaluated_run.h"
#include "leadline/eval/report.h"

namespace leadline::cli {

/// Writes run.json, run.trec, per_query.jsonl and report.html into `directory`, which is created.
/// Each file is replaced as a whole; run.json comes last. Ids with blanks are percent-encoded in
/// run.trec, whose columns they would break; returns how many.
Result<size_t> WriteRunFiles(const std::string& directory, const EvaluatedRun& evaluated);

/// The report's input: first measure sorts, hits carry judgments and snippets.
eval::ReportInput MakeReport(const EvaluatedRun& evaluated);

}  // namespace leadline::cli
