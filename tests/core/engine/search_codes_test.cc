// Every kind of index with every code it has, through Database and Collection: what a search
// promises holds whatever the rows are compared by first.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "index_registry.h"
#include "index_test_data.h"
#include "leadline/core/rng.h"
#include "leadline/index/top_k.h"
#include "leadline/simd/distance.h"
#include "quiet_engine.h"
#include "real_vectors.h"
#include "status_matchers.h"

namespace leadline {
namespace {

using testing::StatusIs;

constexpr size_t kDim = 16;
constexpr size_t kRows = 3000;
constexpr size_t kQueries = 100;
constexpr CodeType kAllCodes[] = {CodeType::kF32, CodeType::kBf16,   CodeType::kSq8, CodeType::kSq4,
                                  CodeType::kPq4, CodeType::kRabitq, CodeType::kPca8};
constexpr IndexKind kAllKinds[] = {IndexKind::kFlat, IndexKind::kHnsw, IndexKind::kIvf};

using KindAndCodes = std::tuple<IndexKind, CodeType>;

VectorField FieldWith(IndexKind kind, CodeType codes, uint32_t dim = kDim) {
  VectorField field;
  field.dim = dim;
  field.metric = Metric::kL2;
  field.index = kind;
  field.codes = codes;
  return field;
}

std::vector<KindAndCodes> Combinations() {
  std::vector<KindAndCodes> known;
  for (const IndexKind kind : kAllKinds) {
    for (const CodeType codes : kAllCodes) {
      if (CheckCodes(FieldWith(kind, codes)).ok()) {
        known.emplace_back(kind, codes);
      }
    }
  }
  return known;
}

using AxesOfRowsTest = testing::QuietEngineTest;

class SearchCodesTest : public testing::QuietEngineTest,
                        public ::testing::WithParamInterface<KindAndCodes> {
 protected:
  SearchCodesTest() {
    for (size_t i = 0; i < kQueries * kDim; ++i) {
      queries_.push_back(static_cast<float>(rng_.Gaussian()));
    }
  }

  static IndexKind kind() { return std::get<0>(GetParam()); }

  static CodeType codes() { return std::get<1>(GetParam()); }

  void CreateWith(uint32_t dim, Metric metric = Metric::kL2) {
    CollectionOptions options;
    options.vectors.push_back(FieldWith(kind(), codes(), dim));
    options.vectors[0].metric = metric;
    Create(options);
  }

  /// Record `i` with a new vector and payload {"g": i % 7, "n": i}, in the model too.
  Record NewRecord(size_t i) {
    Record record;
    record.id = "r" + std::to_string(i);
    for (size_t d = 0; d < kDim; ++d) {
      record.vector.push_back(static_cast<float>(rng_.Gaussian()));
    }
    record.payload = "{\"g\":" + std::to_string(i % 7) + ",\"n\":" + std::to_string(i) + "}";
    model_[i] = record.vector;
    return record;
  }

  void Write(size_t first, size_t end) {
    Fill(first, end, [this](size_t i) { return NewRecord(i); });
  }

  void Erase(size_t first, size_t end) {
    std::vector<std::string> ids;
    for (size_t i = first; i < end; ++i) {
      ids.push_back("r" + std::to_string(i));
      model_.erase(i);
    }
    ASSERT_OK(collection_->Delete(ids));
  }

  [[nodiscard]] MatrixView queries() const { return {queries_.data(), kQueries, kDim}; }

  using Model = std::map<size_t, std::vector<float>>;

  static double DistanceTo(VectorView query, const std::vector<float>& vector) {
    double sum = 0;
    for (size_t d = 0; d < kDim; ++d) {
      sum += (double{query[d]} - vector[d]) * (double{query[d]} - vector[d]);
    }
    return sum;
  }

  /// The best numbers of records in `model` below `below`, one a group under `grouped`.
  static std::vector<size_t> Best(const Model& model, VectorView query, size_t below, size_t k,
                                  bool grouped) {
    std::vector<std::pair<double, size_t>> all;
    for (const auto& [number, vector] : model) {
      if (number < below) {
        all.emplace_back(DistanceTo(query, vector), number);
      }
    }
    std::sort(all.begin(), all.end());
    std::set<size_t> groups;
    std::vector<size_t> best;
    for (const auto& [distance, number] : all) {
      if (best.size() < k && (!grouped || groups.insert(number % 7).second)) {
        best.push_back(number);
      }
    }
    return best;
  }

  /// Hits are records of `model` below `below`, scored in full precision, ascending, as many as
  /// there are, and on average `floor` of the best.
  void ExpectGood(const Model& model, SearchOptions options, size_t below, double floor) {
    if (below < model.rbegin()->first) {
      options.filter = Filter::Parse("n < " + std::to_string(below)).value();
    }
    size_t found = 0;
    size_t wanted = 0;
    for (size_t q = 0; q < kQueries; ++q) {
      const VectorView query = queries().row(q);
      ASSERT_OK_AND_ASSIGN(const SearchResponse response, collection_->Search(query, options));
      const std::vector<size_t> best =
          Best(model, query, below, options.limit, !options.group_by.empty());
      ASSERT_EQ(response.hits.size(), best.size());
      std::set<size_t> groups;
      double last = 0;
      for (const Hit& hit : response.hits) {
        const size_t number = std::stoul(hit.id.substr(1));
        const auto known = model.find(number);
        ASSERT_TRUE(known != model.end() && number < below) << hit.id;
        EXPECT_NEAR(hit.score, DistanceTo(query, known->second), 1e-4);
        EXPECT_GE(hit.score, last);
        EXPECT_TRUE(options.group_by.empty() || groups.insert(number % 7).second);
        last = hit.score;
        found += std::count(best.begin(), best.end(), number) != 0 ? 1 : 0;
      }
      wanted += best.size();
    }
    EXPECT_GE(static_cast<double>(found), floor * static_cast<double>(wanted))
        << static_cast<double>(found) / static_cast<double>(wanted);
  }

  /// What a search promises: with and without a filter, by groups, and exactly.
  void ExpectAllGood(const Model& model, const std::shared_ptr<const Snapshot>& snapshot = {}) {
    constexpr size_t kEverything = 1'000'000;
    SearchOptions options;
    options.snapshot = snapshot;
    options.full_scan_threshold = 0;
    options.ef_search = 100;
    ExpectGood(model, options, kEverything, 0.9);
    ExpectGood(model, options, 1000, 0.9);
    // Lists that are visited by default hold some of 40 matches, and no code changes which.
    ExpectGood(model, options, 40, kind() == IndexKind::kIvf ? 0.7 : 0.9);
    options.group_by = "g";
    options.limit = 5;
    ExpectGood(model, options, kEverything, 0.9);
    options = {};
    options.snapshot = snapshot;
    options.exact = true;
    ExpectGood(model, options, kEverything, 1);
  }

  PlanStep FirstStep() {
    SearchOptions options;
    options.explain = true;
    options.full_scan_threshold = 0;
    Result<SearchResponse> found = collection_->Search(queries().row(0), options);
    EXPECT_OK(found);
    return found->plan->steps.at(0);
  }

  static std::string Shown(const SearchResponse& response) {
    std::string text;
    for (const Hit& hit : response.hits) {
      std::array<char, 32> score{};
      std::snprintf(score.data(), score.size(), "%a", static_cast<double>(hit.score));
      text.append(hit.id).append("=").append(score.data()).append(" ");
    }
    return text;
  }

  /// Answers of a batch that is cut into calls of `size` queries.
  std::vector<std::string> InCallsOf(size_t size, const SearchOptions& options) {
    std::vector<std::string> shown;
    for (size_t first = 0; first < kQueries; first += size) {
      const size_t count = std::min(size, kQueries - first);
      Result<std::vector<SearchResponse>> answers =
          collection_->SearchBatch({queries_.data() + first * kDim, count, kDim}, options);
      EXPECT_OK(answers);
      for (const SearchResponse& answer : *answers) {
        shown.push_back(Shown(answer));
      }
    }
    return shown;
  }

  Rng rng_{31};
  std::vector<float> queries_;
  Model model_;
};

TEST_P(SearchCodesTest, ExplainAndStatsNameTheCodes) {
  CreateWith(kDim);
  Write(0, kRows);
  const PlanStep tail = FirstStep();
  EXPECT_EQ(tail.codes, "f32");
  EXPECT_EQ(tail.rescored, 0U);
  ASSERT_OK(collection_->Optimize());
  const PlanStep step = FirstStep();
  const bool coded = codes() != CodeType::kF32;
  EXPECT_EQ(step.strategy, kind() == IndexKind::kFlat ? "scan" : IndexKindName(kind()));
  EXPECT_EQ(step.codes, CodeTypeName(codes()));
  EXPECT_EQ(step.rescored > 0, coded);
  EXPECT_LE(step.rescored, step.distances);
  ASSERT_OK_AND_ASSIGN(const CollectionStats stats, collection_->Stats());
  ASSERT_EQ(stats.indexes.size(), 1U);
  const IndexStats& index = stats.indexes[0];
  EXPECT_EQ(index.vector_field, "vector");
  EXPECT_EQ(index.kind, kind());
  EXPECT_EQ(index.codes, codes());
  EXPECT_EQ(index.segments, 1U);
  EXPECT_EQ(index.rows, kRows);
  EXPECT_EQ(index.vector_bytes, kRows * kDim * sizeof(float));
  EXPECT_EQ(index.code_bytes > 0, coded);
  EXPECT_EQ(index.link_bytes > 0, kind() != IndexKind::kFlat);
  EXPECT_EQ(index.axes, 0U) << "rows of 16 dimensions need them all";
  EXPECT_LT(index.vector_bytes + index.code_bytes + index.link_bytes, stats.segment_bytes);
}

TEST_P(SearchCodesTest, RescoreSaysHowManyAreComparedAgain) {
  CreateWith(kDim);
  Write(0, kRows);
  ASSERT_OK(collection_->Optimize());
  SearchOptions options;
  options.explain = true;
  options.full_scan_threshold = 0;
  options.ef_search = 100;
  options.nprobe = 30;
  for (const size_t rescore : {size_t{1}, size_t{10}, size_t{40}}) {
    options.rescore = rescore;
    ASSERT_OK_AND_ASSIGN(const SearchResponse found,
                         collection_->Search(queries().row(0), options));
    const size_t expected = codes() == CodeType::kF32 ? 0 : std::max<size_t>(rescore, 10);
    if (kind() == IndexKind::kFlat && codes() != CodeType::kF32) {
      // As many as it takes to be exact.
      EXPECT_GE(found.plan->steps.at(0).rescored, 10U);
      continue;
    }
    EXPECT_EQ(found.plan->steps.at(0).rescored, expected);
  }
}

TEST_P(SearchCodesTest, ExactAnswersAreThoseOfFullPrecisionBitForBit) {
  CreateWith(kDim);
  Write(0, kRows);
  ASSERT_OK(collection_->Optimize());
  // The rows have too few dimensions for axes.
  const bool short_of_bits =
      codes() == CodeType::kPq4 || codes() == CodeType::kRabitq || codes() == CodeType::kPca8;
  // Where the kind does not insist on the codes, sq4 is for more rows.
  const bool too_few = codes() == CodeType::kSq4 && kind() != IndexKind::kFlat;
  const CodeType scanned = short_of_bits ? CodeType::kSq8 : too_few ? CodeType::kF32 : codes();
  for (const size_t below : {kRows, size_t{1500}, size_t{40}}) {
    SearchOptions options;
    options.exact = true;
    options.explain = true;
    options.filter = Filter::Parse("n < " + std::to_string(below)).value();
    ASSERT_OK_AND_ASSIGN(const std::vector<SearchResponse> batch,
                         collection_->SearchBatch(queries(), options));
    for (size_t q = 0; q < kQueries; ++q) {
      const VectorView query = queries().row(q);
      index::TopK top(options.limit);
      for (const auto& [number, vector] : model_) {
        if (number < below) {
          top.Offer(simd::Kernels().l2_squared(query.data(), vector.data(), kDim),
                    static_cast<uint32_t>(number));
        }
      }
      ASSERT_OK_AND_ASSIGN(const SearchResponse single, collection_->Search(query, options));
      const std::vector<index::Neighbor> truth = top.Take();
      for (const SearchResponse* found : {&batch[q], &single}) {
        ASSERT_EQ(found->hits.size(), truth.size());
        for (size_t i = 0; i < truth.size(); ++i) {
          EXPECT_EQ(found->hits[i].id, "r" + std::to_string(truth[i].row));
          EXPECT_EQ(found->hits[i].score, truth[i].distance);
        }
        const PlanStep& step = found->plan->steps.at(0);
        EXPECT_EQ(step.strategy, below * 4 < kRows ? "scan matches" : "scan");
        EXPECT_EQ(step.codes, CodeTypeName(scanned));
        EXPECT_EQ(step.distances, below + step.rescored);
        EXPECT_EQ(step.rescored > 0, scanned != CodeType::kF32);
        EXPECT_LE(step.rescored, scanned == CodeType::kSq4 ? 400U : 40U);
      }
    }
  }
}

TEST_P(SearchCodesTest, AnswersFollowWritesSnapshotsReopeningAndCompaction) {
  CreateWith(kDim);
  Write(0, kRows);
  ASSERT_OK(collection_->Optimize());
  ExpectAllGood(model_);
  const Model before = model_;
  ASSERT_OK_AND_ASSIGN(std::shared_ptr<const Snapshot> snapshot, database_->TakeSnapshot());
  Erase(100, 400);
  Write(500, 700);            // replaces
  Write(kRows, kRows + 200);  // adds
  ExpectAllGood(model_);
  ExpectAllGood(before, snapshot);
  snapshot.reset();
  Reopen();
  ExpectAllGood(model_);
  ASSERT_OK(collection_->Optimize());
  Write(kRows + 200, kRows + 400);
  ASSERT_OK(collection_->Optimize());
  ExpectAllGood(model_);
  ASSERT_OK_AND_ASSIGN(const CheckReport report, database_->Check());
  EXPECT_TRUE(report.ok());
}

TEST_P(SearchCodesTest, DamagedSegmentsAnswerExactlyUntilTheyAreBuiltAgain) {
  CreateWith(kDim);
  Write(0, kRows);
  ASSERT_OK(collection_->Optimize());
  DamageSegmentsAndReopen();
  SearchOptions options;
  ExpectGood(model_, options, 1'000'000, 1);
  ExpectGood(model_, options, 500, 1);
  EXPECT_EQ(FirstStep().codes, "f32");
  ASSERT_OK(collection_->Optimize());
  EXPECT_EQ(FirstStep().codes, CodeTypeName(codes()));
  ExpectAllGood(model_);
}

TEST_P(SearchCodesTest, BatchesDependNeitherOnThreadsNorOnTheirSplit) {
  CreateWith(kDim);
  Write(0, kRows);
  ASSERT_OK(collection_->Optimize());
  Write(kRows, kRows + 100);
  std::vector<SearchOptions> calls(4);
  calls[1].filter = Filter::Parse("n < 1500").value();
  calls[2].filter = Filter::Parse("n < 30").value();
  calls[3].group_by = "g";
  calls[3].limit = 5;  // of seven groups
  for (SearchOptions& options : calls) {
    options.full_scan_threshold = 0;
  }
  std::vector<std::vector<std::string>> whole;
  for (const SearchOptions& options : calls) {
    whole.push_back(InCallsOf(kQueries, options));
  }
  for (const uint32_t threads : {1U, 4U}) {
    options_.search_threads = threads;
    Reopen();
    for (size_t c = 0; c < calls.size(); ++c) {
      for (const size_t size : {size_t{1}, size_t{7}, size_t{64}, kQueries}) {
        EXPECT_EQ(InCallsOf(size, calls[c]), whole[c])
            << threads << " threads, call " << c << ", " << size << " queries a call";
      }
    }
  }
}

TEST_P(SearchCodesTest, FewRowsAreIndexedAndFound) {
  CreateWith(kDim);
  for (size_t rows = 1; rows <= 40; rows += 13) {
    Write(rows - 1, rows);
    ASSERT_OK(collection_->Optimize());
    SearchOptions options;
    options.full_scan_threshold = 0;
    ExpectGood(model_, options, 1'000'000, 0.9);
  }
}

TEST_P(SearchCodesTest, ShippedWordsAreFound) {
  index::testing::RealVectors words = index::testing::ShippedWords();
  ASSERT_EQ(words.queries.rows(), 200U);
  words.PrepareFor(Metric::kCosine);
  CreateWith(100, Metric::kCosine);
  Fill(0, words.base.rows(), [&](size_t i) {
    Record record;
    record.id = std::to_string(i);
    const float* row = words.base.row(i);
    record.vector.assign(row, row + 100);
    return record;
  });
  ASSERT_OK(collection_->Optimize());
  const std::vector<std::vector<index::Neighbor>> truth =
      index::testing::TrueNeighbors(words, Metric::kCosine);
  SearchOptions options;
  options.ef_search = 128;
  size_t found = 0;
  size_t found_in_batch = 0;
  ASSERT_OK_AND_ASSIGN(const std::vector<SearchResponse> batch,
                       collection_->SearchBatch(words.queries.view(), options));
  for (size_t q = 0; q < truth.size(); ++q) {
    ASSERT_OK_AND_ASSIGN(const SearchResponse single,
                         collection_->Search(words.queries.view().row(q), options));
    for (const index::Neighbor& neighbor : truth[q]) {
      const auto is_it = [&](const Hit& hit) { return hit.id == std::to_string(neighbor.row); };
      found += std::any_of(single.hits.begin(), single.hits.end(), is_it) ? 1 : 0;
      found_in_batch += std::any_of(batch[q].hits.begin(), batch[q].hits.end(), is_it) ? 1 : 0;
    }
  }
  const double recall = static_cast<double>(found) / 2000;
  const double batch_recall = static_cast<double>(found_in_batch) / 2000;
  std::printf("[ recall] %.4f, in a batch %.4f\n", recall, batch_recall);
  const double floor = kind() == IndexKind::kFlat ? 1 : 0.94;
  EXPECT_GE(recall, floor);
  EXPECT_GE(batch_recall, floor);
}

/// Direction in which the rows differ most, by power iteration.
std::vector<double> PrincipalAxis(const index::testing::Matrix& rows) {
  std::vector<double> mean(rows.dim, 0.0);
  for (size_t i = 0; i < rows.values.size(); ++i) {
    mean[i % rows.dim] += rows.values[i] / static_cast<double>(rows.rows());
  }
  std::vector<double> axis(rows.dim, 1.0);
  for (int round = 0; round < 10; ++round) {
    std::vector<double> next(rows.dim, 0.0);
    for (size_t r = 0; r < rows.rows(); r += 4) {
      double along = 0;
      for (size_t d = 0; d < rows.dim; ++d) {
        along += (rows.row(r)[d] - mean[d]) * axis[d];
      }
      for (size_t d = 0; d < rows.dim; ++d) {
        next[d] += along * (rows.row(r)[d] - mean[d]);
      }
    }
    double norm = 0;
    for (const double value : next) {
      norm += value * value;
    }
    for (size_t d = 0; d < rows.dim; ++d) {
      axis[d] = next[d] / std::sqrt(norm);
    }
  }
  return axis;
}

double Along(const std::vector<double>& axis, const float* row) {
  double sum = 0;
  for (size_t d = 0; d < axis.size(); ++d) {
    sum += axis[d] * row[d];
  }
  return sum;
}

// Random filters, and filters whose matches lie away from the query: both come with k rows, high
// recall and a bounded number of comparisons, with the defaults of a search.
TEST_P(SearchCodesTest, FiltersOfAllSelectivitiesKeepRecallAndCost) {
  CreateWith(100, Metric::kCosine);
  index::testing::RealVectors words = index::testing::ShippedWords();
  ASSERT_EQ(words.queries.rows(), 200U);
  words.PrepareFor(Metric::kCosine);
  const size_t rows = words.base.rows();
  const std::vector<double> axis = PrincipalAxis(words.base);
  std::vector<std::pair<double, size_t>> order;
  std::vector<size_t> random(rows);
  for (size_t i = 0; i < rows; ++i) {
    order.emplace_back(Along(axis, words.base.row(i)), i);
    random[i] = i;
  }
  std::sort(order.begin(), order.end());
  const double median = order[rows / 2].first;
  std::vector<size_t> place(rows);
  for (size_t i = 0; i < rows; ++i) {
    place[order[i].second] = i;
    std::swap(random[i], random[rng_.Uniform(i + 1)]);
  }
  Fill(0, rows, [&](size_t i) {
    Record record;
    record.id = std::to_string(i);
    record.vector.assign(words.base.row(i), words.base.row(i) + 100);
    record.payload =
        "{\"u\":" + std::to_string(random[i]) + ",\"axis\":" + std::to_string(place[i]) + "}";
    return record;
  });
  ASSERT_OK(collection_->Optimize());
  for (const bool opposed : {false, true}) {
    for (const size_t matches : {rows / 2, rows / 10, rows / 100, rows / 1000}) {
      size_t found = 0;
      size_t wanted = 0;
      uint64_t compared = 0;
      for (size_t q = 0; q < 60; ++q) {
        const VectorView query = words.queries.view().row(q);
        const bool low = !opposed || Along(axis, query.data()) >= median;
        const size_t least = low ? 0 : rows - matches;
        std::vector<uint64_t> allowed((rows + 63) / 64, 0);
        for (size_t i = 0; i < rows; ++i) {
          const size_t value = opposed ? place[i] : random[i];
          if (value >= least && value < least + matches) {
            allowed[i >> 6] |= uint64_t{1} << (i & 63);
          }
        }
        SearchOptions options;
        options.explain = true;
        options.ef_search = 96;
        const std::string name = opposed ? "axis" : "u";
        options.filter = Filter::Parse(name + " >= " + std::to_string(least) + " AND " + name +
                                       " < " + std::to_string(least + matches))
                             .value();
        ASSERT_OK_AND_ASSIGN(const SearchResponse answer, collection_->Search(query, options));
        ASSERT_EQ(answer.hits.size(), 10U);
        compared += answer.plan->steps.at(0).distances;
        for (const index::Neighbor& neighbor : index::testing::BruteForce(
                 words.base.view(), query.data(), Metric::kCosine, 10, allowed.data())) {
          ++wanted;
          found += std::any_of(answer.hits.begin(), answer.hits.end(), [&](const Hit& hit) {
            return hit.id == std::to_string(neighbor.row);
          });
        }
      }
      const double recall = static_cast<double>(found) / static_cast<double>(wanted);
      const double mean = static_cast<double>(compared) / 60;
      std::printf("[filter ] %s %zu matches: recall %.4f, %.0f comparisons\n",
                  opposed ? "opposed" : "random", matches, recall, mean);
      EXPECT_GE(recall, 0.95);
      // All matches and as much again where a walk or lists gave up; centroids; rows compared
      // again.
      EXPECT_LE(mean, 2.0 * static_cast<double>(matches) + 600);
      if (matches <= rows / 10) {
        EXPECT_LE(mean, 1.1 * static_cast<double>(matches) + 600);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Indexes, SearchCodesTest, ::testing::ValuesIn(Combinations()),
                         [](const auto& tested) {
                           return std::string(IndexKindName(std::get<0>(tested.param))) + "_" +
                                  std::string(CodeTypeName(std::get<1>(tested.param)));
                         });

TEST(CodesOfKinds, AreThoseThatTheirFactoriesBuild) {
  for (const IndexKind kind : kAllKinds) {
    for (const CodeType codes : kAllCodes) {
      index::BuildOptions options;
      options.codes = codes;
      const std::vector<float> rows(2 * kDim, 1);
      const bool built =
          engine::FindIndexFactory(kind)->Build({rows.data(), 2, kDim}, options).ok();
      EXPECT_EQ(CheckCodes(FieldWith(kind, codes)).ok(), built)
          << IndexKindName(kind) << " " << CodeTypeName(codes);
    }
  }
}

TEST(CodesOfKinds, AutomaticKindsBecomeOnesThatHaveTheCodes) {
  for (const uint64_t rows : {uint64_t{10}, uint64_t{9'999}, uint64_t{10'000}, uint64_t{1} << 30}) {
    for (const CodeType codes : kAllCodes) {
      const VectorField field = FieldWith(IndexKind::kAuto, codes);
      ASSERT_OK(CheckCodes(field));
      const engine::IndexChoice choice = engine::ChooseIndex(field, rows);
      EXPECT_TRUE(choice.codes == codes || codes == CodeType::kAuto);
      EXPECT_OK(CheckCodes(FieldWith(choice.kind, codes))) << CodeTypeName(codes) << " " << rows;
    }
    const bool few = rows < 10'000;
    const VectorField automatic = FieldWith(IndexKind::kAuto, CodeType::kAuto);
    EXPECT_EQ(engine::ChooseIndex(automatic, rows),
              (few ? engine::IndexChoice{IndexKind::kFlat, CodeType::kF32}
                   : engine::IndexChoice{IndexKind::kIvf, CodeType::kPq4}));
    for (const auto& [kind, codes] :
         {std::pair(IndexKind::kFlat, CodeType::kF32), std::pair(IndexKind::kHnsw, CodeType::kSq8),
          std::pair(IndexKind::kIvf, CodeType::kPq4)}) {
      EXPECT_EQ(engine::ChooseIndex(FieldWith(kind, CodeType::kAuto), rows),
                (engine::IndexChoice{kind, few ? CodeType::kF32 : codes}));
    }
    for (const auto& [dim, codes] :
         {std::pair(383U, CodeType::kPq4), std::pair(384U, CodeType::kRabitq)}) {
      EXPECT_EQ(engine::ChooseIndex(FieldWith(IndexKind::kIvf, CodeType::kAuto, dim), rows).codes,
                few ? CodeType::kF32 : codes);
      EXPECT_EQ(engine::ChooseIndex(FieldWith(IndexKind::kAuto, CodeType::kAuto, dim), rows),
                (engine::IndexChoice{few ? IndexKind::kFlat : IndexKind::kIvf,
                                     few ? CodeType::kSq8 : codes}));
    }
    for (const CodeType codes : {CodeType::kPq4, CodeType::kRabitq}) {
      EXPECT_EQ(engine::ChooseIndex(FieldWith(IndexKind::kAuto, codes), rows).kind,
                IndexKind::kIvf);
    }
    for (const CodeType codes : {CodeType::kBf16, CodeType::kSq4, CodeType::kPca8}) {
      EXPECT_EQ(engine::ChooseIndex(FieldWith(IndexKind::kAuto, codes), rows).kind,
                IndexKind::kHnsw);
    }
  }
}

// Rows along 12 or all of 64 directions; 24 axes are the fewest that hold 12.
TEST_F(AxesOfRowsTest, StatsSayHowMany) {
  const auto low = index::testing::LowRankMatrix(5, 2600, 64, 12);
  const auto full = index::testing::GaussianMatrix(6, 2600, 64);
  for (const IndexKind kind : {IndexKind::kHnsw, IndexKind::kIvf}) {
    for (const auto& [rows, axes] : {std::pair(&low, 24U), std::pair(&full, 0U)}) {
      CollectionOptions options;
      options.vectors.push_back(FieldWith(kind, CodeType::kPca8, 64));
      Create(options);
      Fill(0, rows->rows(), [rows = rows](size_t i) {
        Record record;
        record.id = "r" + std::to_string(i);
        record.vector.assign(rows->row(i), rows->row(i) + 64);
        return record;
      });
      EXPECT_TRUE(collection_->Stats()->indexes.empty()) << "fresh rows have no axes";
      ASSERT_OK(collection_->Optimize());
      const IndexStats index = collection_->Stats()->indexes.at(0);
      EXPECT_EQ(index.axes, axes);
      // A row has a byte for each axis and two numbers of four.
      const uint64_t row = axes == 0 ? 64 : axes + 8;
      EXPECT_GE(index.code_bytes, row * rows->rows());
      EXPECT_LE(index.code_bytes, (row + 8) * rows->rows() + 4096);
      Reopen();
      EXPECT_EQ(collection_->Stats()->indexes.at(0).axes, axes) << "before anybody searched";
      DamageSegmentsAndReopen();
      EXPECT_EQ(collection_->Stats()->indexes.at(0).axes, 0U);
      Close();
      std::filesystem::remove_all(path());
    }
  }
}

TEST(CodesOfKinds, RefusalsNameKindCodesAndLimit) {
  const Status refused = CheckCodes(FieldWith(IndexKind::kHnsw, CodeType::kPq4));
  EXPECT_THAT(refused, StatusIs(StatusCode::kUnimplemented, "index=hnsw field=codes value=pq4"));
  EXPECT_EQ(refused.field(), "codes");
  EXPECT_EQ(refused.limit(), "auto|f32|bf16|sq8|sq4|pca8");
}

}  // namespace
}  // namespace leadline
