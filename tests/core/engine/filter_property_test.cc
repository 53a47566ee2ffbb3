// Filtered search over 20,000 rows and a real index, whatever the share of matching rows and
// wherever they lie: exactly min(k, matches) rows, all of them matching, the nearest ones where the
// plan says that the answer is exact, nearly so where it is not.

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "leadline/core/rng.h"
#include "quiet_engine.h"
#include "status_matchers.h"

namespace leadline {
namespace {

constexpr size_t kRows = 20'000;
constexpr size_t kDim = 10;
constexpr size_t kQueries = 4;
constexpr size_t kEf = 16;
/// What a visited node costs in rows of a scan, up to 100 dimensions: HnswIndex::ShouldScan.
constexpr size_t kRowsPerNode = 34;

/// Which rows match.
enum class Place { kRandom, kNearest, kFarthest };

constexpr Place kPlaces[] = {Place::kRandom, Place::kNearest, Place::kFarthest};
constexpr double kShares[] = {1, 0.5, 0.25, 0.1, 0.01, 0.001, 0.0001};

std::string NameOf(Place place) {
  return place == Place::kRandom ? "random" : place == Place::kNearest ? "nearest" : "farthest";
}

class FilterPropertyTest : public testing::QuietEngineTest,
                           public ::testing::WithParamInterface<IndexKind> {
 protected:
  void SetUp() override {
    VectorField field = Field("vector", kDim, Metric::kL2, GetParam());
    field.ef_construction = 100;
    field.codes = CodeType::kF32;  // the counts below are of full precision
    CollectionOptions options;
    options.vectors.push_back(field);
    Create(options);
    for (size_t i = 0; i < kRows * kDim; ++i) {
      values_.push_back(static_cast<float>(rng_.Gaussian()));
    }
    // Queries lie near one point, from which the rows are numbered by distance.
    const std::vector<float> point(kDim, 0.5F);
    near_rank_ = RanksBy([&](size_t row) { return Distance(point, row); });
    random_rank_ = RanksBy([&](size_t /*row*/) { return rng_.UniformDouble(); });
    Fill(0, kRows, [&](size_t row) {
      Record record;
      record.id = std::to_string(row);
      record.vector.assign(values_.begin() + static_cast<std::ptrdiff_t>(row * kDim),
                           values_.begin() + static_cast<std::ptrdiff_t>((row + 1) * kDim));
      record.payload = "{\"near\":" + std::to_string(near_rank_[row]) +
                       ",\"random\":" + std::to_string(random_rank_[row]) + "}";
      return record;
    });
    ASSERT_OK(collection_->Optimize());
    ASSERT_EQ(collection_->Stats()->segments, 1U);
    for (size_t q = 0; q < kQueries; ++q) {
      queries_.push_back(point);
      for (float& value : queries_.back()) {
        value += 0.05F * static_cast<float>(rng_.Gaussian());
      }
    }
  }

  template <typename Key>
  static std::vector<size_t> RanksBy(const Key& key) {
    std::vector<double> keys(kRows);
    std::vector<size_t> order(kRows);
    for (size_t row = 0; row < kRows; ++row) {
      keys[row] = key(row);
    }
    std::iota(order.begin(), order.end(), size_t{0});
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return keys[a] < keys[b]; });
    std::vector<size_t> ranks(kRows);
    for (size_t rank = 0; rank < kRows; ++rank) {
      ranks[order[rank]] = rank;
    }
    return ranks;
  }

  [[nodiscard]] double Distance(const std::vector<float>& query, size_t row) const {
    double sum = 0;
    for (size_t d = 0; d < kDim; ++d) {
      const double difference = static_cast<double>(values_[row * kDim + d]) - query[d];
      sum += difference * difference;
    }
    return sum;
  }

  [[nodiscard]] bool Matches(Place place, size_t matches, size_t row) const {
    switch (place) {
      case Place::kRandom:
        return random_rank_[row] < matches;
      case Place::kNearest:
        return near_rank_[row] < matches;
      case Place::kFarthest:
        return near_rank_[row] >= kRows - matches;
    }
    return false;
  }

  static Filter FilterFor(Place place, size_t matches) {
    const std::string text = place == Place::kRandom ? "random < " + std::to_string(matches)
                             : place == Place::kNearest
                                 ? "near < " + std::to_string(matches)
                                 : "near >= " + std::to_string(kRows - matches);
    return Filter::Parse(text).value();
  }

  /// The k nearest matching rows by a loop over all.
  [[nodiscard]] std::vector<std::pair<double, size_t>> Truth(const std::vector<float>& query,
                                                             Place place, size_t matches,
                                                             size_t k) const {
    std::vector<std::pair<double, size_t>> all;
    for (size_t row = 0; row < kRows; ++row) {
      if (Matches(place, matches, row)) {
        all.emplace_back(Distance(query, row), row);
      }
    }
    std::sort(all.begin(), all.end());
    all.resize(std::min(k, all.size()));
    return all;
  }

  struct Cell {
    size_t right = 0;
    size_t wanted = 0;
    size_t through_index = 0;
    size_t fallbacks = 0;
    size_t searches = 0;
  };

  void SearchOnce(const std::vector<float>& query, Place place, size_t matches,
                  const SearchOptions& options, Cell* cell) {
    ASSERT_OK_AND_ASSIGN(const SearchResponse found, collection_->Search(query, options));
    const auto truth = Truth(query, place, matches, options.limit);
    ASSERT_EQ(found.hits.size(), std::min(options.limit, matches));
    const PlanStep& step = found.plan->steps.at(0);
    EXPECT_EQ(step.matches, matches);
    const bool indexed = step.strategy == IndexKindName(GetParam());
    const bool exact = !indexed || step.fallback;
    std::set<std::string> ids;
    for (size_t i = 0; i < found.hits.size(); ++i) {
      const size_t row = std::stoul(found.hits[i].id);
      EXPECT_TRUE(ids.insert(found.hits[i].id).second) << "row " << row << " came twice";
      EXPECT_TRUE(Matches(place, matches, row)) << row;
      EXPECT_NEAR(found.hits[i].score, Distance(query, row), 1e-4);
      if (exact) {
        EXPECT_NEAR(found.hits[i].score, truth[i].first, 1e-4) << "rank " << i;
      }
      cell->right += found.hits[i].score <= truth.back().first + 1e-4 ? 1 : 0;
    }
    cell->wanted += truth.size();
    cell->through_index += indexed ? 1 : 0;
    cell->fallbacks += step.fallback ? 1 : 0;
    ++cell->searches;
  }

  Cell SearchAll(Place place, size_t matches, const SearchOptions& base) {
    Cell cell;
    SearchOptions options = base;
    options.filter = FilterFor(place, matches);
    options.explain = true;
    for (const std::vector<float>& query : queries_) {
      for (const size_t k : {size_t{1}, size_t{5}, kEf}) {
        options.limit = k;
        SearchOnce(query, place, matches, options, &cell);
      }
    }
    return cell;
  }

  Rng rng_{20'000};
  std::vector<float> values_;
  std::vector<size_t> near_rank_;
  std::vector<size_t> random_rank_;
  std::vector<std::vector<float>> queries_;
};

TEST_P(FilterPropertyTest, FindsTheMatchesWhereverTheyLie) {
  SearchOptions forced;
  forced.full_scan_threshold = 1;
  forced.ef_search = kEf;
  forced.nprobe = 1;
  size_t fallbacks = 0;
  for (const double share : kShares) {
    const auto matches = static_cast<size_t>(share * kRows);
    for (const Place place : kPlaces) {
      SCOPED_TRACE(NameOf(place) + " " + std::to_string(matches));
      const Cell cell = SearchAll(place, matches, forced);
      const double recall = static_cast<double>(cell.right) / static_cast<double>(cell.wanted);
      std::printf("[ filter] %-4s %-8s %5zu matches: recall %.3f, index %zu/%zu, fallback %zu\n",
                  std::string(IndexKindName(GetParam())).c_str(), NameOf(place).c_str(), matches,
                  recall, cell.through_index, cell.searches, cell.fallbacks);
      fallbacks += cell.fallbacks;
      switch (GetParam()) {
        case IndexKind::kHnsw:
          EXPECT_GE(recall, 0.9);
          // The graph scans by itself where that costs no more than walking past what fails.
          EXPECT_EQ(cell.through_index,
                    matches * matches > kRowsPerNode * kEf * kRows ? cell.searches : 0U);
          break;
        case IndexKind::kIvf:
          // Few lists of hundreds, of which chance finds .002 and luck nothing.
          EXPECT_GE(recall, place == Place::kRandom ? 0 : 0.04);
          // Fewer are looked at one by one: a list holds more rows than that.
          EXPECT_EQ(cell.through_index, matches >= 200 ? cell.searches : 0U);
          // The probed list lies near the query, the matches do not.
          if (place == Place::kFarthest && share <= 0.1 && matches >= 200) {
            EXPECT_EQ(cell.fallbacks, cell.searches);
          }
          break;
        default:
          EXPECT_EQ(recall, 1);
          EXPECT_EQ(cell.fallbacks, 0U);
      }
    }
  }
  if (GetParam() == IndexKind::kIvf) {
    EXPECT_GT(fallbacks, 0U);
  }
}

TEST_P(FilterPropertyTest, PlannerScansFewMatches) {
  SearchOptions planned;
  planned.ef_search = kEf;
  for (const double share : kShares) {
    const auto matches = static_cast<size_t>(share * kRows);
    for (const Place place : kPlaces) {
      SCOPED_TRACE(NameOf(place) + " " + std::to_string(matches));
      const Cell cell = SearchAll(place, matches, planned);
      EXPECT_GE(static_cast<double>(cell.right), 0.9 * static_cast<double>(cell.wanted));
      const bool few = matches <= 2048;
      EXPECT_EQ(cell.through_index, GetParam() == IndexKind::kFlat || few ? 0U : cell.searches);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Indexes, FilterPropertyTest,
                         ::testing::Values(IndexKind::kFlat, IndexKind::kHnsw, IndexKind::kIvf),
                         [](const auto& tested) {
                           return std::string(IndexKindName(tested.param));
                         });

}  // namespace
}  // namespace leadline
