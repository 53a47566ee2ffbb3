#include "match_table.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "byte_rows.h"
#include "leadline/simd/distance.h"

namespace leadline::index {
namespace {

/// Matches of a list that stand for all of them.
constexpr size_t kSampledMatches = 32;
/// Of a list whose matches are many and far apart the nearest is nearer than its mean says: so many
/// spreads for each root of a logarithm of their number. Chosen on word vectors.
constexpr float kNearerThanMean = 0.05F;
/// Above that of any sound codes, and far from the largest float.
constexpr double kMostDeviation = 1e37;

/// Positions of a few of the rows in [begin, end) whose bit in `mask` (null: all) is set, evenly.
/// Returns how many bits are set.
size_t SamplePositions(const uint64_t* mask, size_t begin, size_t end,
                       std::vector<size_t>* sampled) {
  sampled->clear();
  const size_t set = mask == nullptr ? end - begin : CountSet(mask, end - begin);
  const size_t wanted = std::min(set, kSampledMatches);
  if (mask == nullptr) {
    for (size_t i = 0; i < wanted; ++i) {
      sampled->push_back(begin + i * set / wanted);
    }
    return set;
  }
  size_t seen = 0;
  for (size_t w = 0; sampled->size() < wanted; ++w) {
    const size_t end_of_word = seen + static_cast<size_t>(std::popcount(mask[w]));
    uint64_t rest = mask[w];
    while (sampled->size() < wanted && sampled->size() * set / wanted < end_of_word) {
      for (; seen < sampled->size() * set / wanted; ++seen) {
        rest &= rest - 1;
      }
      sampled->push_back(begin + w * 64 + static_cast<size_t>(std::countr_zero(rest)));
    }
    seen = end_of_word;
  }
  return set;
}

/// Of what the codes of a row say.
double SquaredNorm(const uint8_t* code, size_t dim, float scale) {
  int32_t square = 0;  // less than 2^31: at most kMaxDim times 2^14
  for (size_t d = 0; d < dim; ++d) {
    const int32_t number = int32_t{code[d]} - 128;
    square += number * number;
  }
  return static_cast<double>(scale) * scale * square;
}

}  // namespace

/// Of the matches sampled so far.
struct MatchTable::Sums {
  std::vector<float> means;        ///< [lists x dim], less the mean of all rows
  std::vector<size_t> sampled;     ///< of each list
  std::vector<double> deviations;  ///< of each list: sum of squared distances to the mean
  std::vector<size_t> positions;   ///< of one list
  std::vector<float> origin;       ///< [dim] zeros
};

void DecodeRow(const RowCodes& codes, size_t position, float* row) {
  const uint8_t* code = codes.codes() + position * codes.stride();
  const float scale = codes.terms_of(static_cast<uint32_t>(position)).scale;
  const float* mean = codes.mean();
  for (size_t d = 0; d < codes.dim(); ++d) {
    row[d] = mean[d] + scale * static_cast<float>(int{code[d]} - 128);
  }
}

MatchTable::MatchTable(const IvfParts& parts, const ListMasks* masks)
    : metric_(parts.metric), dim_(parts.codes->dim()) {
  Sums sums;
  sums.origin.resize(dim_);
  for (uint32_t l = 0; l < parts.lists.centroids.rows; ++l) {
    AddList(parts, masks, l, &sums);
  }
  if (lists_.empty()) {
    return;
  }
  const double deviation = std::accumulate(sums.deviations.begin(), sums.deviations.end(), 0.0);
  const size_t sampled = std::accumulate(sums.sampled.begin(), sums.sampled.end(), size_t{0});
  const double usual = deviation / static_cast<double>(std::max(sampled - size(), size_t{1}));
  for (size_t i = 0; i < size(); ++i) {
    // As if one match more lay as far from the mean as those of all lists: few say little.
    const double square = (sums.deviations[i] + usual) / static_cast<double>(sums.sampled[i]);
    spreads_.push_back(static_cast<float>(std::sqrt(square)));
    float* mean = sums.means.data() + i * dim_;
    for (size_t d = 0; d < dim_; ++d) {
      mean[d] += parts.codes->mean()[d];
    }
    bonuses_.push_back(metric_ == Metric::kCosine
                           ? 2 * kNearerThanMean * spreads_.back() *
                                 std::sqrt(std::log(static_cast<float>(counts_[i]) + 1.0F))
                           : 0.0F);
  }
  chooser_ = ListChooser({sums.means.data(), size(), dim_}, metric_);
}

void MatchTable::AddList(const IvfParts& parts, const ListMasks* masks, uint32_t list, Sums* sums) {
  const size_t matches =
      SamplePositions(masks == nullptr ? nullptr : masks->of(list), parts.lists.offsets[list],
                      parts.lists.offsets[list + 1], &sums->positions);
  if (matches == 0) {
    return;
  }
  lists_.push_back(list);
  counts_.push_back(static_cast<uint32_t>(matches));
  sums->means.resize(sums->means.size() + dim_, 0.0F);
  float* mean = sums->means.data() + sums->means.size() - dim_;
  const RowCodes& codes = *parts.codes;
  for (const size_t position : sums->positions) {
    codes.Prefetch(static_cast<uint32_t>(position));
  }
  double squares = 0;
  for (const size_t position : sums->positions) {
    const uint8_t* code = codes.codes() + position * codes.stride();
    const RowTerms terms = codes.terms_of(static_cast<uint32_t>(position));
    for (size_t d = 0; d < dim_; ++d) {
      mean[d] += terms.scale * static_cast<float>(int32_t{code[d]} - 128);
    }
    squares += metric_ == Metric::kInnerProduct ? SquaredNorm(code, dim_, terms.scale)
                                                : static_cast<double>(terms.add);
  }
  const auto sampled = static_cast<float>(sums->positions.size());
  for (size_t d = 0; d < dim_; ++d) {
    mean[d] /= sampled;
  }
  // Damaged codes may say anything; sums of squares must stay finite.
  if (!std::all_of(mean, mean + dim_, [](float x) { return std::fabs(x) <= kMaxComponent; })) {
    std::fill_n(mean, dim_, 0.0F);
  }
  const double norm = FixedSquaredDistance(mean, sums->origin.data(), dim_);
  sums->sampled.push_back(sums->positions.size());
  const double deviation = std::max(0.0, squares - static_cast<double>(sampled) * norm);
  sums->deviations.push_back(std::min(deviation, kMostDeviation));
}

Status MatchTable::Score(const float* query, const CallControl& control,
                         MatchScores* scores) const {
  LEADLINE_RETURN_IF_ERROR(chooser_.Compare(query, control, &scores->chooser));
  const float* compared = scores->chooser.distances.data();
  scores->order.resize(size());
  scores->middle.resize(size());
  scores->spread.resize(size());
  if (metric_ == Metric::kInnerProduct) {
    const float length = std::sqrt(-simd::MetricDistance(metric_, dim_).Pair(query, query));
    for (size_t i = 0; i < size(); ++i) {
      scores->order[i] = compared[i];
      scores->middle[i] = compared[i];
      scores->spread[i] = length * spreads_[i];
    }
    return {};
  }
  const float norm = chooser_.SquaredNorm(query);
  for (size_t i = 0; i < size(); ++i) {
    // Of unit vectors, the squared distance d of their directions says what the dot product is.
    const float apart = std::max(0.0F, compared[i] + norm);
    const float length = metric_ == Metric::kCosine ? chooser_.LengthOf(i) : 1;
    const float squared = (1 - length) * (1 - length) + length * apart;
    scores->order[i] = compared[i] - bonuses_[i];
    scores->middle[i] = squared + spreads_[i] * spreads_[i];
    scores->spread[i] = std::sqrt(squared) * spreads_[i];
  }
  return {};
}

void MatchTable::KeepNearest(size_t count, MatchScores* scores,
                             std::vector<uint32_t>* nearest) const {
  nearest->resize(count);
  if (count > 0) {
    chooser_.KeepNearest(scores->order.data(), count, &scores->chooser, nearest->data());
  }
}

size_t MatchTable::resident_bytes() const {
  return (lists_.capacity() + counts_.capacity()) * sizeof(uint32_t) +
         (spreads_.capacity() + bonuses_.capacity()) * sizeof(float) + chooser_.resident_bytes();
}

}  // namespace leadline::index
