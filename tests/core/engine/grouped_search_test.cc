// group_by over several segments and a tail: the best row of each of the best groups, as a plain
// loop over all rows finds them.

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "leadline/core/rng.h"
#include "quiet_engine.h"
#include "status_matchers.h"

namespace leadline {
namespace {

constexpr size_t kDim = 6;

struct Row {
  std::string id;
  std::vector<float> vector;
  std::string group;  ///< JSON of the payload's "doc"; empty where it has none
  double score = 0;
};

class GroupedSearchTest : public testing::QuietEngineTest,
                          public ::testing::WithParamInterface<IndexKind> {
 protected:
  /// Three segments of falling size and a tail; groups reach over all of them.
  void Build() {
    Create(kDim, Metric::kL2, GetParam());
    const auto make = [this](size_t i) { return MakeRecord(i); };
    size_t first = 0;
    for (const size_t rows : {size_t{2700}, size_t{300}, size_t{30}}) {
      Fill(first, first + rows, make);
      ASSERT_OK(collection_->Optimize());
      first += rows;
    }
    Fill(first, first + 20, make);
    ASSERT_OK_AND_ASSIGN(const CollectionStats stats, collection_->Stats());
    ASSERT_EQ(stats.segments, 3U);
    ASSERT_EQ(stats.tail_rows, 20U);
  }

  Record MakeRecord(size_t i) {
    Row row;
    row.id = "r" + std::to_string(i);
    for (size_t d = 0; d < kDim; ++d) {
      row.vector.push_back(static_cast<float>(rng_.Gaussian()));
    }
    // Groups of every type and size; 1 and 1.0 are one group, "1" is another.
    static const std::vector<std::string> kDocs = {"", "null", "[1]", "1", "1.0", "\"1\"", "true"};
    const size_t dice = rng_.Uniform(40);
    row.group = dice < kDocs.size() ? kDocs[dice] : std::to_string(100 + rng_.Uniform(60));
    Record record;
    record.id = row.id;
    record.vector = row.vector;
    record.payload = row.group.empty() ? "{}" : "{\"doc\":{\"id\":" + row.group + "}}";
    rows_.push_back(row);
    return record;
  }

  /// The best row of each group, nearest first.
  std::vector<Row> Expected(const std::vector<float>& query) const {
    std::vector<Row> sorted = rows_;
    for (Row& row : sorted) {
      row.score = 0;
      for (size_t d = 0; d < kDim; ++d) {
        row.score += (static_cast<double>(row.vector[d]) - query[d]) *
                     (static_cast<double>(row.vector[d]) - query[d]);
      }
    }
    std::sort(sorted.begin(), sorted.end(),
              [](const Row& a, const Row& b) { return a.score < b.score; });
    std::set<std::string> seen = {"", "null", "[1]"};
    std::vector<Row> best;
    for (const Row& row : sorted) {
      if (seen.insert(row.group == "1.0" ? "1" : row.group).second) {
        best.push_back(row);
      }
    }
    return best;
  }

  std::vector<float> RandomQuery() {
    std::vector<float> query(kDim);
    for (float& value : query) {
      value = static_cast<float>(rng_.Gaussian());
    }
    return query;
  }

  Rng rng_{31};
  std::vector<Row> rows_;
};

TEST_P(GroupedSearchTest, EqualsALoopOverAllRowsWhenExact) {
  Build();
  SearchOptions options;
  options.exact = true;
  options.group_by = "doc.id";
  for (const size_t limit : {size_t{1}, size_t{5}, size_t{40}, size_t{64}, size_t{1000}}) {
    options.limit = limit;
    const std::vector<float> query = RandomQuery();
    const std::vector<Row> expected = Expected(query);
    ASSERT_EQ(expected.size(), 63U) << "60 numbers, 1, \"1\" and true";
    ASSERT_OK_AND_ASSIGN(const SearchResponse found, collection_->Search(query, options));
    ASSERT_EQ(found.hits.size(), std::min(limit, expected.size()));
    for (size_t i = 0; i < found.hits.size(); ++i) {
      EXPECT_EQ(found.hits[i].id, expected[i].id) << "limit " << limit << " rank " << i;
      EXPECT_NEAR(found.hits[i].score, expected[i].score, 1e-4);
    }
    // A cut between two groups.
    const size_t kept = found.hits.size() / 2;
    options.min_score = found.hits[kept].score;
    ASSERT_OK_AND_ASSIGN(const SearchResponse cut, collection_->Search(query, options));
    EXPECT_EQ(cut.hits.size(), kept + 1);
    options.min_score.reset();
  }
}

TEST_P(GroupedSearchTest, IndexFindsAsManyGroupsAsThereAre) {
  Build();
  SearchOptions options;
  options.group_by = "doc.id";
  options.full_scan_threshold = 0;
  options.nprobe = 2;
  options.ef_search = 32;
  options.explain = true;
  size_t right = 0;
  size_t total = 0;
  for (const size_t limit : {size_t{3}, size_t{10}, size_t{63}, size_t{100}}) {
    options.limit = limit;
    const std::vector<float> query = RandomQuery();
    const std::vector<Row> expected = Expected(query);
    ASSERT_OK_AND_ASSIGN(const SearchResponse found, collection_->Search(query, options));
    ASSERT_EQ(found.hits.size(), std::min(limit, expected.size()));
    std::set<std::string> groups;
    for (size_t i = 0; i < found.hits.size(); ++i) {
      right += found.hits[i].id == expected[i].id ? 1 : 0;
      const auto row = std::find_if(rows_.begin(), rows_.end(),
                                    [&](const Row& r) { return r.id == found.hits[i].id; });
      EXPECT_TRUE(groups.insert(row->group == "1.0" ? "1" : row->group).second)
          << "two hits of group " << row->group;
    }
    total += found.hits.size();
    if (limit == 3 && GetParam() != IndexKind::kFlat) {
      EXPECT_EQ(found.plan->steps[0].strategy, IndexKindName(GetParam()));
    }
  }
  std::printf("[ group ] %zu of %zu groups with their best row\n", right, total);
  EXPECT_GE(static_cast<double>(right), 0.9 * static_cast<double>(total));
}

INSTANTIATE_TEST_SUITE_P(Indexes, GroupedSearchTest,
                         ::testing::Values(IndexKind::kFlat, IndexKind::kHnsw, IndexKind::kIvf),
                         [](const auto& tested) {
                           return std::string(IndexKindName(tested.param));
                         });

}  // namespace
}  // namespace leadline
