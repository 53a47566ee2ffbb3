#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "leadline/core/no_throw.h"
#include "leadline/index/first_error.h"
#include "leadline/index/search_curve.h"

namespace leadline::index {
namespace {

constexpr size_t kFirstProbes = 1;
constexpr size_t kFirstBeam = 10;
constexpr size_t kFirstCandidates = 40;
/// Bits of many dimensions tell so much that fewer than twice as many as are rescored will do.
constexpr size_t kFirstBitCandidates = 20;
constexpr size_t kMostCandidates = 10'000;
/// Factors from one point to the next: between points a search interpolates.
constexpr double kEffortStep = 1.4142;
constexpr double kCandidatesStep = 1.6;
/// Four times the effort, and nothing more found: what is missing no effort finds, be it a row that
/// no link leads to or one that codes rank too low to be compared again.
constexpr size_t kIdleSteps = 4;
/// What a promise need not exceed.
constexpr double kEnough = 0.9992;
/// By how much promises take misses to be more frequent than rows see them.
constexpr double kListMisses = 1.25;
constexpr double kGraphMisses = 2.5;
/// Rescoring so many finds all that matters, unless fewer find as much but for this.
constexpr std::array<size_t, 4> kRescoreSizes = {15, 20, 30, 60};
constexpr double kRescoreLoss = 0.0005;
/// Rows, a quarter at least, that choose between two ways to go on.
constexpr size_t kSomeRows = 64;
/// Bytes in order that take as long as the start of a row of a list and as a row out of order.
constexpr double kBytesPerRow = 16;
constexpr double kBytesPerJump = 400;
/// Read for each held-out row of however small a segment.
constexpr double kFreeBytes = 8 << 20;
/// What candidates cost at least, as a part of the scan that finds them. Rows say too little about
/// how many it takes: codes tell the neighbours of a row better from others than those of queries
/// that are spread differently, and more candidates are soon paid for by fewer lists.
constexpr double kLeastShare = 0.3;

struct Setting {
  size_t effort = 1;
  size_t candidates = 0;
  size_t rescore = 0;
};

/// What one setting gave.
struct Trial {
  Setting setting;
  std::vector<double> shares;  ///< of their neighbours that rows found, for those it was tried on
  double recall = 0;
  double promised = 0;
  double distances = 0;
  double cost = 0;  ///< bytes in order that take as long
};

/// Lower end of Wilson's interval, one standard error wide, for `found` shares of a few hits each.
/// The hits of a row come together, so a row counts as fewer than its hits, as the spread of the
/// shares says.
double LowerEnd(std::span<const double> shares, double mean) {
  const auto rows = static_cast<double>(shares.size());
  double squares = 0;
  for (const double share : shares) {
    squares += (share - mean) * (share - mean);
  }
  const double hits = rows * static_cast<double>(kHeldOutNeighbors);
  const double alone = mean * (1 - mean) / hits;
  const double together = squares / std::max(rows - 1, 1.0) / rows;
  const double trials = hits / std::max(1.0, alone > 0 ? together / alone : 1.0);
  return (mean + 0.5 / trials - std::sqrt(mean * (1 - mean) / trials + 0.25 / (trials * trials))) /
         (1 + 1 / trials);
}

/// Tries settings on held-out rows and keeps account of what that cost. Thread-compatible.
class Trials {
 public:
  Trials(const SegmentIndex& index, CodeType codes, MatrixView vectors, const HeldOutRows& held_out,
         Executor* executor, const CallControl& control)
      : index_(index),
        shape_(index.shape()),
        codes_(codes),
        vectors_(vectors),
        held_out_(held_out),
        executor_(executor),
        control_(control) {}

  [[nodiscard]] bool lists() const { return index_.kind() == IndexKind::kIvf; }

  /// True where codes hand candidates on to others.
  [[nodiscard]] bool staged() const {
    return codes_ == CodeType::kPq4 || codes_ == CodeType::kRabitq;
  }

  [[nodiscard]] size_t first_candidates() const {
    return codes_ == CodeType::kRabitq ? kFirstBitCandidates : staged() ? kFirstCandidates : 0;
  }

  [[nodiscard]] size_t most_effort() const {
    return lists() ? shape_.lists : std::min<size_t>(vectors_.rows, kMaxEfSearch);
  }

  [[nodiscard]] size_t most_candidates() const {
    return std::min<size_t>(vectors_.rows, kMostCandidates);
  }

  /// Candidates that cost their least part of what the scan of `trial` costs.
  [[nodiscard]] size_t LeastCandidates(const Trial& trial) const {
    const double least = kLeastShare * trial.distances * ScanBytes() / CandidateBytes();
    return staged() ? std::min(most_candidates(), static_cast<size_t>(least)) : 0;
  }

  /// True while less was read for each held-out row than one and a half times all rows in full
  /// precision.
  [[nodiscard]] bool affordable() const {
    const auto bytes = static_cast<double>(vectors_.rows * vectors_.dim * sizeof(float));
    return spent_ < 1.5 * bytes + kFreeBytes;
  }

  Result<Trial> Try(const Setting& setting) {
    LEADLINE_ASSIGN_OR_RETURN(const Trial trial, Begin(setting));
    return Complete(trial);
  }

  /// Tries it on some of the rows only: enough to choose among settings.
  Result<Trial> Begin(const Setting& setting) {
    Trial trial;
    trial.setting = setting;
    LEADLINE_RETURN_IF_ERROR(TryRows(SomeRows(), &trial));
    return trial;
  }

  /// Tries what was begun on the other rows too.
  Result<Trial> Complete(Trial trial) {
    LEADLINE_RETURN_IF_ERROR(TryRows(held_out_.rows.size(), &trial));
    const double misses = lists() ? kListMisses : kGraphMisses;
    trial.promised = 1 - misses * (1 - LowerEnd(trial.shares, trial.recall));
    trial.promised = std::clamp(trial.promised, 0.0, trial.recall);
    return trial;
  }

 private:
  /// They were drawn at random, so the first ones are as good as any.
  [[nodiscard]] size_t SomeRows() const {
    return std::min(held_out_.rows.size(), std::max(kSomeRows, held_out_.rows.size() / 4));
  }

  /// Tries the setting of `trial` on the rows from those that it has up to `end`.
  Status TryRows(size_t end, Trial* trial) {
    const size_t begin = trial->shares.size();
    trial->shares.resize(end);
    std::vector<SearchStats> stats(end - begin);
    std::vector<Status> statuses(end - begin);
    ParallelFor(executor_, end - begin, [&](size_t i) {
      statuses[i] = NoThrow(
          [&] { return TryRow(trial->setting, begin + i, &trial->shares[begin + i], &stats[i]); });
    });
    Status failed = FirstError(statuses);
    LEADLINE_RETURN_IF_ERROR(failed);
    double cost = 0;
    double distances = 0;
    for (const SearchStats& of_row : stats) {
      distances += static_cast<double>(of_row.distances);
      cost += CostOf(trial->setting, of_row);
    }
    const auto before = static_cast<double>(begin);
    const auto rows = static_cast<double>(end);
    trial->distances = (trial->distances * before + distances) / rows;
    trial->cost = (trial->cost * before + cost) / rows;
    trial->recall =
        std::min(std::accumulate(trial->shares.begin(), trial->shares.end(), 0.0) / rows, 1.0);
    spent_ += cost / static_cast<double>(held_out_.rows.size());
    return {};
  }

  /// A row takes one place of each stage itself.
  Status TryRow(const Setting& setting, size_t i, double* share, SearchStats* stats) const {
    const uint32_t row = held_out_.rows[i];
    const std::vector<Neighbor>& nearest = held_out_.nearest[i];
    SearchParams params;
    params.k = kHeldOutNeighbors + 1;
    params.nprobe = lists() ? setting.effort : 0;
    params.ef_search = setting.effort + 1;
    params.candidates = setting.candidates == 0 ? 0 : setting.candidates + 1;
    params.rescore = setting.rescore == 0 ? 0 : setting.rescore + 1;
    params.never_scan_instead = true;
    params.control = control_;
    SearchOutcome outcome;
    LEADLINE_RETURN_IF_ERROR(
        index_.Search({vectors_.row(row).data(), 1, vectors_.dim}, params, {&outcome, 1}));
    *stats = outcome.stats;
    size_t seen = 0;
    size_t hits = 0;
    for (const Neighbor& found : outcome.neighbors) {
      if (found.row != row && seen < nearest.size()) {
        ++seen;
        hits += found.distance <= nearest.back().distance ? 1U : 0U;
      }
    }
    *share = nearest.empty() ? 1 : static_cast<double>(hits) / static_cast<double>(nearest.size());
    return {};
  }

  /// What a row costs that is compared by what is looked at first.
  [[nodiscard]] double ScanBytes() const {
    return static_cast<double>(shape_.scan_bytes) + (lists() ? kBytesPerRow : kBytesPerJump / 4);
  }

  /// What it costs that rows of blocks are compared by their own codes, each.
  [[nodiscard]] double CandidateBytes() const {
    return 2 * static_cast<double>(vectors_.dim) + kBytesPerJump;
  }

  [[nodiscard]] double CostOf(const Setting& setting, const SearchStats& stats) const {
    const auto dim = static_cast<double>(vectors_.dim);
    const auto compared = static_cast<double>(stats.distances);
    if (!staged()) {
      return compared * ScanBytes();
    }
    const auto again = std::min(static_cast<double>(setting.candidates), compared);
    return static_cast<double>(shape_.lists) * dim + compared * ScanBytes() +
           again * CandidateBytes() +
           static_cast<double>(stats.rescored) * (4 * dim + kBytesPerJump);
  }

  const SegmentIndex& index_;
  const IndexShape shape_;
  const CodeType codes_;
  const MatrixView vectors_;
  const HeldOutRows& held_out_;
  Executor* const executor_;
  const CallControl& control_;
  double spent_ = 0;
};

size_t Step(size_t value, double factor, size_t most) {
  const auto grown = static_cast<size_t>(std::lround(static_cast<double>(value) * factor));
  return std::min(std::max(grown, value + 1), most);
}

/// Fewest candidates in full precision that find what more of them find, where codes leave
/// something to find and enough of the index is looked at.
Result<size_t> ChooseRescore(Trials* trials, const Setting& first) {
  Setting setting = first;
  setting.effort = std::min(trials->most_effort(),
                            trials->lists() ? trials->most_effort() / 8 + 1 : size_t{128});
  setting.candidates *= 4;
  setting.rescore = kRescoreSizes.back();
  LEADLINE_ASSIGN_OR_RETURN(const Trial all, trials->Try(setting));
  for (const size_t size : kRescoreSizes) {
    setting.rescore = size;
    LEADLINE_ASSIGN_OR_RETURN(const Trial some, trials->Try(setting));
    if (some.recall >= all.recall - kRescoreLoss) {
      return size;
    }
  }
  return kRescoreSizes.back();
}

/// That of the first `rows` rows.
double RecallOf(const Trial& trial, size_t rows) {
  const auto end = trial.shares.begin() + static_cast<std::ptrdiff_t>(rows);
  return std::accumulate(trial.shares.begin(), end, 0.0) / static_cast<double>(rows);
}

/// Of two ways to go on, the one that finds more for what it costs; both where neither helps.
Result<std::optional<Trial>> GoOn(Trials* trials, const Trial& now) {
  Setting wider = now.setting;
  wider.effort = Step(wider.effort, kEffortStep, trials->most_effort());
  wider.candidates = std::max(wider.candidates, trials->LeastCandidates(now));
  Setting deeper = now.setting;
  if (trials->staged()) {
    deeper.candidates = Step(deeper.candidates, kCandidatesStep, trials->most_candidates());
  }
  const bool can_widen = wider.effort > now.setting.effort;
  const bool can_deepen = deeper.candidates > now.setting.candidates;
  std::optional<Trial> best;
  double best_gain = 0;
  for (const auto& [possible, setting] :
       {std::pair{can_widen, wider}, std::pair{can_deepen, deeper}}) {
    if (!possible) {
      continue;
    }
    LEADLINE_ASSIGN_OR_RETURN(Trial trial, trials->Begin(setting));
    const double gain =
        (trial.recall - RecallOf(now, trial.shares.size())) / std::max(trial.cost - now.cost, 1.0);
    if (!best.has_value() || gain > best_gain) {
      best = std::move(trial);
      best_gain = gain;
    }
  }
  if (can_widen && can_deepen && best_gain <= 0) {
    wider.candidates = std::max(wider.candidates, deeper.candidates);
    LEADLINE_ASSIGN_OR_RETURN(best, trials->Begin(wider));
  }
  if (best.has_value()) {
    LEADLINE_ASSIGN_OR_RETURN(best, trials->Complete(*std::move(best)));
  }
  return best;
}

CurvePoint PointOf(const Trial& trial, const CurvePoint& before) {
  CurvePoint point;
  point.effort = static_cast<uint32_t>(trial.setting.effort);
  point.candidates = static_cast<uint32_t>(trial.setting.candidates);
  point.rescore = static_cast<uint32_t>(trial.setting.rescore);
  point.recall = std::max(static_cast<float>(trial.recall), before.recall);
  point.promised = std::max(static_cast<float>(trial.promised), before.promised);
  point.promised = std::min(point.promised, point.recall);
  point.distances = static_cast<float>(trial.distances);
  return point;
}

}  // namespace

Result<SearchCurve> MeasureCurve(const SegmentIndex& index, CodeType codes, MatrixView vectors,
                                 const HeldOutRows& held_out, Executor* executor,
                                 const CallControl& control) {
  SearchCurve curve{index.kind(),
                    codes,
                    static_cast<uint32_t>(index.shape().lists),
                    static_cast<uint32_t>(held_out.rows.size()),
                    {}};
  if (index.exact() || vectors.rows < 2 || held_out.rows.empty()) {
    return curve;
  }
  Trials trials(index, codes, vectors, held_out, executor, control);
  Setting first;
  first.effort = std::min(trials.most_effort(), trials.lists() ? kFirstProbes : kFirstBeam);
  first.candidates = std::min(trials.first_candidates(), trials.most_candidates());
  if (codes != CodeType::kF32) {
    LEADLINE_ASSIGN_OR_RETURN(first.rescore, ChooseRescore(&trials, first));
  }
  LEADLINE_ASSIGN_OR_RETURN(Trial now, trials.Try(first));
  curve.points.push_back(PointOf(now, {}));
  size_t idle = 0;
  while (curve.points.size() < kMaxCurvePoints && now.recall < 1 && now.promised < kEnough &&
         idle < kIdleSteps && trials.affordable()) {
    LEADLINE_ASSIGN_OR_RETURN(const std::optional<Trial> next, GoOn(&trials, now));
    if (!next.has_value()) {
      break;
    }
    idle = next->recall > now.recall ? 0 : idle + 1;
    now = *next;
    const CurvePoint point = PointOf(now, curve.points.back());
    if (point.promised > curve.points.back().promised) {
      curve.points.push_back(point);
    }
  }
  return curve;
}

}  // namespace leadline::index
