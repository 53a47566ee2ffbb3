#pragma once

#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include "leadline/eval/metrics.h"

namespace leadline::eval {

/// One case of tests/eval/make_pytrec_golden.py.
struct PytrecCase {
  ScoreOptions options;
  RankedRun run;
  Qrels qrels;
  std::vector<double> expected;  ///< empty in a case to be answered
};

inline std::vector<std::string> SplitAt(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  std::string part;
  while (std::getline(in, part, separator)) {
    parts.push_back(part);
  }
  return parts;
}

/// Reads one line; false where it is malformed.
inline bool ParsePytrecCase(const std::string& line, PytrecCase* out) {
  const std::vector<std::string> fields = SplitAt(line, '\t');
  if (fields.size() < 4) {
    return false;
  }
  out->options.rules = TrecRules::kTrec9;
  out->options.relevance_level = std::atoi(fields[0].c_str());
  out->options.judged_only = fields[1] == "1";
  RankedQuery ranked{.id = "q", .docs = {}};
  for (const std::string& pair : SplitAt(fields[2], ' ')) {
    const size_t equals = pair.rfind('=');
    ranked.docs.push_back(
        {pair.substr(0, equals), std::strtod(pair.c_str() + equals + 1, nullptr)});
  }
  JudgedQuery judged{.id = "q", .docs = {}};
  for (const std::string& pair : SplitAt(fields[3], ' ')) {
    const size_t equals = pair.rfind('=');
    judged.docs.push_back({pair.substr(0, equals), std::atoi(pair.c_str() + equals + 1)});
  }
  out->run.queries = {ranked};
  out->qrels.queries = {judged};
  out->expected.clear();
  if (fields.size() > 4) {
    for (const std::string& value : SplitAt(fields[4], ' ')) {
      out->expected.push_back(std::strtod(value.c_str(), nullptr));
    }
  }
  return true;
}

}  // namespace leadline::eval
