#include "match_reach.h"

#include <algorithm>
#include <limits>

#include "leadline/index/held_out_rows.h"
#include "list_search.h"

namespace leadline::index {
namespace {

constexpr size_t kSampledRows = 32;

}  // namespace

Result<std::unique_ptr<const MatchReach>> MatchReach::Measure(const IvfParts& parts,
                                                              const CallControl& control) {
  const MatchTable table(parts, nullptr);
  ListSearch::Scratch& scratch = ListSearch::Scratch::OfThread();
  SearchParams params;
  params.k = kHeldOutNeighbors + 1;  // a row finds itself as well
  params.control = control;
  std::vector<float> row(parts.codes->dim());
  std::vector<float> reaches;
  const size_t rows = parts.codes->rows();
  const size_t sampled = std::min(kSampledRows, rows);
  for (size_t s = 0; s < sampled; ++s) {
    DecodeRow(*parts.codes, s * rows / sampled, row.data());
    ListSearch search(parts, params, row.data(), nullptr, &scratch);
    LEADLINE_ASSIGN_OR_RETURN(const float distance,
                              search.DistanceAfter(table, parts.lists.default_nprobe, params.k));
    const MatchScores& scores = scratch.scores;
    for (size_t i = 0; i < table.size(); ++i) {
      reaches.push_back((scores.middle[i] - distance) /
                        std::max(scores.spread[i], std::numeric_limits<float>::min()));
    }
  }
  std::sort(reaches.begin(), reaches.end());
  auto measured = std::make_unique<MatchReach>();
  for (size_t n = 1; n <= table.size(); ++n) {
    measured->reaches_.push_back(reaches[n * sampled - 1]);
  }
  return std::unique_ptr<const MatchReach>(std::move(measured));
}

float MatchReach::For(size_t lists) const {
  return reaches_.empty() ? 0 : reaches_[std::min(lists, reaches_.size()) - 1];
}

}  // namespace leadline::index
