// What ListSearch makes of the rows that it found: fewer by their own codes, then the nearest.

#include <algorithm>
#include <limits>

#include "leadline/index/rescoring.h"
#include "list_search.h"

namespace leadline::index {
namespace {

/// Candidates that show at least whether more are worth a look.
constexpr size_t kLeastStep = 12;

}  // namespace

/// How far about the `count`-th of the rows found is, as MatchTable has distances.
float ListSearch::DistanceSoFar(size_t count) {
  const simd::SelectionKernels& selection = simd::CurrentLevel().selection;
  float distance = std::numeric_limits<float>::max();
  if (CandidateBuffer& found = scratch_.found; blocks_ != nullptr && found.size() >= count) {
    distance = BoundOfSmallest(selection, found.distances(), found.size(), count, count);
    distance = parts_.metric == Metric::kCosine ? 2 + 2 * distance : distance;
  }
  if (last().size() >= count) {
    const float bound = BoundOfSmallest(selection, last().distances(), last().size(), count, count);
    distance = std::min(distance, bound + scratch_.query.Shift());
  }
  return distance;
}

/// From the rows nearest by the codes of their blocks to those nearest by their own codes.
void ListSearch::Narrow() {
  CandidateBuffer& found = scratch_.found;
  found.Finish();
  const auto own = static_cast<uint32_t>(parts_.vectors.rows);
  const std::span<uint32_t> positions(found.positions(), found.size());
  const auto beside = std::partition(positions.begin(), positions.end(),
                                     [own](uint32_t position) { return position < own; });
  NarrowSome(*parts_.codes, {positions.begin(), beside}, 0);
  for (auto number = beside; number != positions.end(); ++number) {
    *number -= own;
  }
  if (beside != positions.end()) {
    NarrowSome(beside_->codes(), {beside, positions.end()}, own);
  }
}

/// The same for matches that lie at much the same distance from the query, so that the codes of
/// blocks say less about who is nearest: as long as the last of the candidates were, go on.
void ListSearch::NarrowWhileUseful() {
  CandidateBuffer& found = scratch_.found;
  found.Finish();
  const simd::SelectionKernels& selection = simd::CurrentLevel().selection;
  std::vector<uint32_t>& some = scratch_.positions;
  size_t left = found.size();
  float farthest = FarthestOf(params_.k);
  const size_t least_taken = std::max(sizes_.scanned, 3 * kLeastStep);
  for (size_t wanted = least_taken - least_taken / 3; left > 0;) {
    float* const distances = found.distances();
    uint32_t* const positions = found.positions();
    const size_t least = std::min(wanted, left);
    const float bound = BoundOfSmallest(selection, distances, left, least, least + least / 4);
    some.resize(left);
    size_t taken = 0;
    for (size_t i = 0; i < left; ++i) {
      const bool take = distances[i] <= bound;
      some[taken] = positions[i];
      distances[i - taken] = distances[i];
      positions[i - taken] = positions[i];
      taken += take ? 1U : 0U;
    }
    some.resize(taken);
    left -= taken;
    const bool enough = found.size() - left >= least_taken;
    NarrowSome(*parts_.codes, some, 0);
    const float before = farthest;
    farthest = FarthestOf(params_.k);
    if (enough && farthest == before) {
      return;
    }
    wanted = (found.size() - left) / 2;
  }
}

/// The distance by their own codes of the `count`-th of the rows that are to be compared in full.
float ListSearch::FarthestOf(size_t count) {
  last().Finish();
  if (last().size() < count) {
    return std::numeric_limits<float>::max();
  }
  return BoundOfSmallest(simd::CurrentLevel().selection, last().distances(), last().size(), count,
                         count);
}

/// The rows beside that are in no blocks, in the lists that were visited.
void ListSearch::ScanCodesBeside() {
  last().Finish();
  std::vector<uint32_t>& numbers = scratch_.beside;
  numbers.clear();
  for (const uint32_t visited : scratch_.order) {
    const IvfListedRows::List* const list = beside_->list(visited);
    for (size_t i = 0; list != nullptr && i < list->plain.size(); ++i) {
      const uint32_t number = list->plain[i];
      if (number < params_.beside_count && IsAllowed(params_.beside_allowed, number)) {
        numbers.push_back(number);
      }
    }
  }
  NarrowSome(beside_->codes(), numbers, static_cast<uint32_t>(parts_.vectors.rows));
}

/// Adds `rows` of `codes` to the rows nearest by their own codes, under numbers from `first` on.
void ListSearch::NarrowSome(const RowCodes& codes, std::span<const uint32_t> rows, uint32_t first) {
  for (size_t begin = 0; begin < rows.size(); begin += CandidateBuffer::kMaxAppend) {
    const std::span<const uint32_t> some =
        rows.subspan(begin, std::min(CandidateBuffer::kMaxAppend, rows.size() - begin));
    for (const uint32_t row : some) {
      codes.Prefetch(row);
    }
    float* distances = last().distances_end();
    uint32_t* positions = last().positions_end();
    scratch_.query.DistancesIn(codes, some.data(), some.size(), scratch_.sums.data(), distances);
    const float threshold = last().threshold();
    size_t kept = 0;
    for (size_t i = 0; i < some.size(); ++i) {
      distances[kept] = distances[i];
      positions[kept] = first + some[i];
      kept += distances[kept] <= threshold ? 1U : 0U;
    }
    last().Added(kept);
  }
  stats_.distances += rows.size();
}

Status ListSearch::Rescore() {
  last().Finish();
  std::vector<uint32_t>& rows = scratch_.rows;
  rows.clear();
  scratch_.beside.clear();
  const size_t own = parts_.vectors.rows;
  for (size_t i = 0; i < last().size(); ++i) {
    const uint32_t position = last().positions()[i];
    if (position < own) {
      rows.push_back(parts_.lists.row_ids[position]);
    } else {
      scratch_.beside.push_back(position - static_cast<uint32_t>(own));
    }
  }
  if (params_.row_check != nullptr) {
    LEADLINE_RETURN_IF_ERROR(params_.row_check->Check(rows));
  }
  for (const uint32_t number : scratch_.beside) {
    __builtin_prefetch(beside_->row(number));
  }
  RescoreRows(distance_, parts_.vectors, query_, rows, &top_, &stats_);
  RescoreBeside(scratch_.beside);
  return {};
}

/// The same in the order of the rows' codes and step by step, until a step of those that are more
/// than usual finds none of the nearest.
Status ListSearch::RescoreWhileUseful() {
  last().Finish();
  std::vector<Neighbor>& nearest = scratch_.nearest;
  nearest.clear();
  for (size_t i = 0; i < last().size(); ++i) {
    nearest.push_back({last().distances()[i], parts_.lists.row_ids[last().positions()[i]]});
  }
  std::sort(nearest.begin(), nearest.end());
  const size_t usual = sizes_.rescored / 2;
  const size_t step = std::max<size_t>(usual / 3, 1);
  size_t next = std::min(usual - step, nearest.size());
  for (size_t done = 0; done < nearest.size();) {
    scratch_.rows.clear();
    for (; done < next; ++done) {
      scratch_.rows.push_back(nearest[done].row);
    }
    if (params_.row_check != nullptr) {
      LEADLINE_RETURN_IF_ERROR(params_.row_check->Check(scratch_.rows));
    }
    const float before = top_.threshold();
    RescoreRows(distance_, parts_.vectors, query_, scratch_.rows, &top_, &stats_);
    if (done >= usual && top_.threshold() == before) {
      break;
    }
    next = std::min(done + step, nearest.size());
  }
  return {};
}

void ListSearch::RescoreBeside(std::span<const uint32_t> numbers) {
  for (const uint32_t number : numbers) {
    const float distance = distance_.Pair(query_, beside_->row(number));
    if (distance <= top_.threshold()) {
      top_.Offer(distance, static_cast<uint32_t>(parts_.vectors.rows) + number);
    }
  }
  stats_.distances += numbers.size();
  stats_.rescored += numbers.size();
}

}  // namespace leadline::index
