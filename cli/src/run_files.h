#pragma once

#include <string>

#include "leadline/core/status.h"
#include "leadline/eval/evaluated_run.h"
#include "leadline/eval/report.h"

namespace leadline::cli {

/// As `eval run` calls its settings.
inline constexpr eval::RunWords kRunWords = {"-k", "--doc-key doc_id"};

/// Writes run.json, run.trec, per_query.jsonl and report.html into `directory`, which is created.
/// Each file is replaced as a whole; run.json comes last. Ids in run.trec are encoded by
/// EncodeTrecColumn; returns how many columns that changed.
Result<size_t> WriteRunFiles(const std::string& directory, const eval::EvaluatedRun& evaluated);

/// The report's input: first measure sorts, hits carry judgments and snippets.
eval::ReportInput MakeReport(const eval::EvaluatedRun& evaluated);

}  // namespace leadline::cli
