// A database that an earlier build wrote is opened by this one, byte for byte as it was committed:
// tests/core/engine/golden. They hold graphs, lists and flat fields, with and without codes,
// payload columns, deleted, patched and expiring rows, rows that no segment holds yet, and a log as
// a crash leaves it.
//
// LEADLINE_WRITE_GOLDEN=DIR makes such directories with the present build: for a new version of a
// format, beside the old ones, never in their place.

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <vector>

#include <gtest/gtest.h>

#include "leadline/leadline.h"
#include "status_matchers.h"
#include "temp_dir.h"

namespace leadline::testing {
namespace {

namespace stdfs = std::filesystem;

constexpr size_t kSealedRows = 200;
constexpr size_t kAllRows = 210;
constexpr uint32_t kDim = 24;  // 96 bytes: vectors lie in blob files
constexpr int64_t kYear2100 = 4'102'444'800'000;

/// Small whole numbers: every distance is exact on any machine.
std::vector<float> VectorOf(size_t row) {
  std::vector<float> values(kDim);
  for (size_t d = 0; d < kDim; ++d) {
    values[d] = static_cast<float>((row * row * 31 + row * (d + 3) * 17 + d * 5) % 41) - 20;
  }
  return values;
}

/// Keys in order: a patch sorts them.
std::string PayloadOf(size_t row, bool patched) {
  return std::string(R"({"even":)") + (row % 2 == 0 ? "true" : "false") + R"(,"n":)" +
         std::to_string(row) + (patched ? R"(,"patched":1)" : "") + R"(,"tags":["t)" +
         std::to_string(row % 5) + R"(","ünï"]})";
}

Record RowOf(size_t row) {
  Record record;
  record.id = "r" + std::to_string(row);
  record.vector = VectorOf(row);
  if (row % 2 == 0) {
    record.named_vectors.push_back({"second", {static_cast<float>(row) + 1, 2, 3}});
  }
  record.payload = PayloadOf(row, false);
  if (row >= kSealedRows) {
    record.expires_at_ms = kYear2100;
  }
  return record;
}

struct Kept {
  const char* name;
  IndexKind kind;
  Metric metric;
  const char* strategy;
  CodeType codes = CodeType::kF32;
};

CollectionOptions ShapeOf(const Kept& kept) {
  CollectionOptions shape;
  shape.vectors.resize(2);
  shape.vectors[0].dim = kDim;
  shape.vectors[0].metric = kept.metric;
  shape.vectors[0].index = kept.kind;
  shape.vectors[0].codes = kept.codes;
  shape.vectors[0].nlist = kept.kind == IndexKind::kIvf ? 6 : 0;
  shape.vectors[1].name = "second";
  shape.vectors[1].dim = 3;
  shape.vectors[1].index = IndexKind::kFlat;
  shape.text_fields = {"title"};
  shape.language = "en";
  return shape;
}

/// A database that is kept, below tests/core/engine/golden.
struct Golden {
  const char* folder;
  std::vector<Kept> collections;
};

std::vector<Golden> Goldens() {
  constexpr Metric kL2 = Metric::kL2;
  constexpr Metric kDot = Metric::kInnerProduct;
  return {
      {"v1", {{"graph", IndexKind::kHnsw, kL2, "hnsw"}, {"lists", IndexKind::kIvf, kDot, "ivf"}}},
      {"v1-codes",
       {{"graph-sq8", IndexKind::kHnsw, kDot, "hnsw", CodeType::kSq8},
        {"graph-sq4", IndexKind::kHnsw, kL2, "hnsw", CodeType::kSq4},
        {"graph-bf16", IndexKind::kHnsw, kL2, "hnsw", CodeType::kBf16},
        {"graph-pca8", IndexKind::kHnsw, kL2, "hnsw", CodeType::kPca8},
        {"lists-sq8", IndexKind::kIvf, kL2, "ivf", CodeType::kSq8},
        {"lists-pca8", IndexKind::kIvf, kL2, "ivf", CodeType::kPca8},
        {"lists-pq4", IndexKind::kIvf, kDot, "ivf", CodeType::kPq4},
        {"lists-rabitq", IndexKind::kIvf, kL2, "ivf", CodeType::kRabitq},
        {"flat-sq8", IndexKind::kFlat, kL2, "scan", CodeType::kSq8},
        {"flat-sq4", IndexKind::kFlat, kL2, "scan", CodeType::kSq4},
        {"flat-bf16", IndexKind::kFlat, kDot, "scan", CodeType::kBf16}}}};
}

/// What is left: every tenth row deleted, every seventh of the others patched.
std::map<std::string, Record> ExpectedRows() {
  std::map<std::string, Record> rows;
  for (size_t row = 0; row < kAllRows; ++row) {
    Record record = RowOf(row);
    if (row % 10 == 0 && row < kSealedRows) {
      continue;
    }
    if (row % 7 == 0 && row < kSealedRows) {
      record.payload = PayloadOf(row, true);
    }
    rows.emplace(record.id, std::move(record));
  }
  return rows;
}

void WriteRows(Collection* collection, size_t first, size_t end) {
  std::vector<Record> records;
  for (size_t row = first; row < end; ++row) {
    records.push_back(RowOf(row));
  }
  ASSERT_OK(collection->Upsert(std::move(records)));
}

void ChangeRows(Collection* collection) {
  WriteBatch changes;
  for (size_t row = 0; row < kSealedRows; ++row) {
    if (row % 10 == 0) {
      changes.Delete("r" + std::to_string(row));
    } else if (row % 7 == 0) {
      changes.PatchPayload("r" + std::to_string(row), R"({"patched":1})");
    }
  }
  ASSERT_OK(collection->Write(changes));
  WriteRows(collection, kSealedRows, kAllRows);
}

/// Makes the database and copies it while it is open: what was sealed lies in table files, the
/// changes after that in the log.
void WriteGolden(const Golden& golden, const std::string& scratch, const std::string& target) {
  DatabaseOptions options;
  options.create_if_missing = true;
  options.background_maintenance = false;
  ASSERT_OK_AND_ASSIGN(auto database, Database::Open(scratch, options));
  for (const Kept& kept : golden.collections) {
    ASSERT_OK_AND_ASSIGN(const auto collection,
                         database->CreateCollection(kept.name, ShapeOf(kept)));
    WriteRows(collection.get(), 0, kSealedRows);
    ASSERT_OK(collection->Optimize());
  }
  ASSERT_OK(database->Close());
  ASSERT_OK_AND_ASSIGN(database, Database::Open(scratch, options));
  for (const Kept& kept : golden.collections) {
    ASSERT_OK_AND_ASSIGN(const auto collection, database->OpenCollection(kept.name));
    ChangeRows(collection.get());
  }
  stdfs::create_directories(target);
  stdfs::copy(scratch, target, stdfs::copy_options::recursive);
  stdfs::remove(target + "/store/OWNER");  // names this machine
  for (const auto& file : stdfs::directory_iterator(target + "/store")) {
    if (file.path().filename().string().starts_with("OPTIONS")) {
      stdfs::remove(file.path());  // read by nobody
    }
  }
}

class GoldenDatabaseTest : public ::testing::TestWithParam<Golden> {
 protected:
  void SetUp() override {
    stdfs::copy(std::string(LEADLINE_SOURCE_DIR) + "/tests/core/engine/golden/" + GetParam().folder,
                path(), stdfs::copy_options::recursive);
    options_.background_maintenance = false;
  }

  [[nodiscard]] std::string path() const { return dir_.file("db"); }

  static void ExpectRows(Collection* collection, const std::map<std::string, Record>& expected) {
    ASSERT_OK_AND_ASSIGN(const ScrollPage page, collection->Scroll({}));
    EXPECT_EQ(page.records.size(), expected.size());
    for (const Record& record : page.records) {
      SCOPED_TRACE(record.id);
      const auto found = expected.find(record.id);
      ASSERT_NE(found, expected.end());
      EXPECT_EQ(record.vector, found->second.vector);
      ASSERT_EQ(record.named_vectors.size(), found->second.named_vectors.size());
      if (!record.named_vectors.empty()) {
        EXPECT_EQ(record.named_vectors[0].values, found->second.named_vectors[0].values);
      }
      EXPECT_EQ(record.payload, found->second.payload);
      EXPECT_EQ(record.expires_at_ms, found->second.expires_at_ms);
    }
  }

  /// The nearest `k` scores to row `row`, best first, from the definition of the metric.
  static std::vector<float> BestScores(const std::map<std::string, Record>& rows, Metric metric,
                                       const std::vector<float>& query, size_t k) {
    std::vector<float> scores;
    for (const auto& [id, record] : rows) {
      float score = 0;
      for (size_t d = 0; d < query.size(); ++d) {
        const float difference = query[d] - record.vector[d];
        score += metric == Metric::kL2 ? difference * difference : query[d] * record.vector[d];
      }
      scores.push_back(score);
    }
    std::sort(scores.begin(), scores.end());
    if (metric != Metric::kL2) {
      std::reverse(scores.begin(), scores.end());
    }
    scores.resize(std::min(k, scores.size()));
    return scores;
  }

  /// Every row is found through the index that the file holds.
  static void ExpectSearches(Collection* collection, const Kept& kept,
                             const std::map<std::string, Record>& rows) {
    SearchOptions options;
    options.full_scan_threshold = 0;
    options.ef_search = 200;
    options.nprobe = 6;
    options.rescore = kept.codes == CodeType::kF32 ? 0 : kAllRows;
    options.explain = true;
    for (size_t row = 0; row < kAllRows; row += 13) {
      const std::vector<float> query = VectorOf(row);
      ASSERT_OK_AND_ASSIGN(const SearchResponse response, collection->Search(query, options));
      EXPECT_FALSE(response.degraded);
      std::vector<float> scores;
      for (const Hit& hit : response.hits) {
        scores.push_back(hit.score);
      }
      EXPECT_EQ(scores, BestScores(rows, kept.metric, query, options.limit)) << row;
      EXPECT_EQ(response.plan->steps.at(0).strategy, kept.strategy);
      EXPECT_EQ(response.plan->steps.at(0).codes, CodeTypeName(kept.codes));
    }
  }

  static void ExpectFilters(Collection* collection, const std::map<std::string, Record>& rows) {
    const auto count = [&](const char* filter) {
      return collection->Count(Filter::Parse(filter).value()).value();
    };
    EXPECT_EQ(count("n >= 0"), rows.size());
    EXPECT_EQ(count("tags CONTAINS 't3' AND even = true"), 21U);
    EXPECT_EQ(count("patched = 1"), 26U);
  }

  static void ExpectAll(Database* database) {
    const std::map<std::string, Record> rows = ExpectedRows();
    for (const Kept& kept : GetParam().collections) {
      SCOPED_TRACE(kept.name);
      ASSERT_OK_AND_ASSIGN(const auto collection, database->OpenCollection(kept.name));
      EXPECT_EQ(collection->options().language, "en");
      EXPECT_EQ(collection->options().vectors.at(1).name, "second");
      ASSERT_OK_AND_ASSIGN(const CollectionStats stats, collection->Stats());
      EXPECT_FALSE(stats.degraded);
      ExpectRows(collection.get(), rows);
      ExpectSearches(collection.get(), kept, rows);
      ExpectFilters(collection.get(), rows);
    }
    ASSERT_OK_AND_ASSIGN(const CheckReport check, database->Check());
    for (const CheckProblem& problem : check.problems) {
      ADD_FAILURE() << problem.invariant << " " << problem.where << ": " << problem.detail;
    }
  }

  TempDir dir_;
  DatabaseOptions options_;
};

TEST_P(GoldenDatabaseTest, ReadersSeeIt) {
  options_.read_only = true;
  ASSERT_OK_AND_ASSIGN(const auto database, Database::Open(path(), options_));
  ExpectAll(database.get());
}

TEST_P(GoldenDatabaseTest, WritersGoOnWithIt) {
  ASSERT_OK_AND_ASSIGN(auto database, Database::Open(path(), options_));
  ExpectAll(database.get());
  for (const Kept& kept : GetParam().collections) {
    ASSERT_OK_AND_ASSIGN(const auto collection, database->OpenCollection(kept.name));
    ASSERT_OK(collection->Optimize());
  }
  ASSERT_OK(database->Close());
  ASSERT_OK_AND_ASSIGN(database, Database::Open(path(), options_));
  ExpectAll(database.get());
}

INSTANTIATE_TEST_SUITE_P(AllVersions, GoldenDatabaseTest, ::testing::ValuesIn(Goldens()),
                         [](const ::testing::TestParamInfo<Golden>& golden) {
                           std::string name = golden.param.folder;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(GoldenDatabase, IsWrittenOnDemand) {
  const char* target = std::getenv("LEADLINE_WRITE_GOLDEN");
  const TempDir dir;
  for (const Golden& golden : Goldens()) {
    const std::string made =
        (target != nullptr ? target : dir.file("made")) + std::string("/") + golden.folder;
    WriteGolden(golden, dir.file(std::string("scratch-") + golden.folder), made);
    EXPECT_TRUE(stdfs::exists(made + "/store/CURRENT"));
  }
}

}  // namespace
}  // namespace leadline::testing
