#include "list_gaps.h"

#include <algorithm>
#include <cmath>

#include "ivf_parts.h"
#include "leadline/index/candidate_buffer.h"
#include "match_table.h"

namespace leadline::index {
namespace {

constexpr size_t kSampledRows = 32;
/// The lists that say how near the near ones are: with the nearest alone, a query in the middle of
/// a list would visit too few, and with these alone, one between two lists too many.
constexpr size_t kNearLists = 9;
constexpr size_t kAboutNearLists = 12;
/// What a query's own count weighs against that of all.
constexpr double kOwn = 0.7;
/// So many times the lists of all are the most for one.
constexpr size_t kMostTimes = 4;

/// Damaged codes may say anything; a number that is none counts as 0.
float Root(float squared) {
  constexpr float kMost = 1e37F;
  return std::sqrt(std::min(kMost, std::max(0.0F, squared)));
}

}  // namespace

/// Half-way between the nearest list and the farthest of the near ones, as a distance.
float ListGaps::NearBy(const float* compared, size_t nlist, float norm) {
  const simd::SelectionKernels& selection = simd::CurrentLevel().selection;
  float nearest = 0;
  float farthest = 0;
  selection.min_max(compared, nlist, &nearest, &farthest);
  const float near = BoundOfSmallestBetween(selection, compared, nlist, kNearLists, kAboutNearLists,
                                            nearest, farthest);
  return (Root(nearest + norm) + Root(near + norm)) / 2;
}

Result<std::unique_ptr<const ListGaps>> ListGaps::Measure(const IvfParts& parts,
                                                          const CallControl& control) {
  const size_t nlist = parts.chooser.lists();
  const size_t rows = parts.codes->rows();
  const size_t sampled = std::min(kSampledRows, rows);
  ListChooser::Scratch scratch;
  std::vector<float> row(parts.codes->dim());
  std::vector<float> gaps;
  for (size_t s = 0; s < sampled; ++s) {
    DecodeRow(*parts.codes, s * rows / sampled, row.data());
    if (!AreMeans(row.data(), row.size())) {
      std::fill(row.begin(), row.end(), 0.0F);
    }
    LEADLINE_RETURN_IF_ERROR(parts.chooser.Compare(row.data(), control, &scratch));
    const float norm = parts.chooser.SquaredNorm(row.data());
    const float near = NearBy(scratch.distances.data(), nlist, norm);
    for (size_t l = 0; l < nlist; ++l) {
      gaps.push_back(Root(scratch.distances[l] + norm) - near);
    }
  }
  std::sort(gaps.begin(), gaps.end());
  auto measured = std::make_unique<ListGaps>();
  for (size_t n = 1; n <= nlist && sampled > 0; ++n) {
    measured->gaps_.push_back(gaps[n * sampled - 1]);
  }
  return std::unique_ptr<const ListGaps>(std::move(measured));
}

size_t ListGaps::ListsFor(const float* compared, float norm, size_t nprobe) const {
  const size_t nlist = gaps_.size();
  if (nprobe >= nlist) {
    return std::max(nprobe, nlist);
  }
  const float within = NearBy(compared, nlist, norm) + gaps_[nprobe - 1];
  const size_t own = within <= 0 ? 0
                                 : simd::CurrentLevel().selection.count_at_most(
                                       compared, nlist, within * within - norm);
  const auto counted = static_cast<double>(std::clamp<size_t>(own, 1, kMostTimes * nprobe));
  const double lists = std::pow(counted, kOwn) * std::pow(static_cast<double>(nprobe), 1 - kOwn);
  return std::clamp<size_t>(static_cast<size_t>(std::lround(lists)), 1, nlist);
}

}  // namespace leadline::index
