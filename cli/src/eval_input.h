#pragma once

#include <string>
#include <vector>

#include "leadline/eval/judgments.h"
#include "leadline/eval/metrics.h"
#include "leadline/eval/query_reader.h"

namespace leadline::cli {

/// Reads queries; damage in the file is the caller's error.
Result<std::vector<eval::InputQuery>> LoadQueries(const std::string& path,
                                                  const std::string& format = "auto");
/// The same for measuring: a file without any query is refused.
Result<std::vector<eval::InputQuery>> LoadSomeQueries(const std::string& path);
/// Reads judgments; damage in the file is the caller's error, and so is a file without any.
Result<eval::Qrels> LoadQrels(const std::string& path, eval::TrecRules rules,
                              const eval::ReadProgress& progress = nullptr);

}  // namespace leadline::cli
