// What is stored of one collection is damaged: it alone answers with an error, and it can be
// repaired or dropped.

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "engine_fixture.h"
#include "store_forge.h"

namespace leadline::testing {
namespace {

/// Collection "c" of sixty sealed rows with impossible counters, "other" sound beside it.
class DamagedCollectionTest : public EngineTest {
 protected:
  void SetUp() override {
    options_.background_maintenance = false;
    Open();
    Create(4);
    Fill(0, 60);
    ASSERT_OK(collection_->Optimize());
    sealed_ = SegmentFiles();
    ASSERT_FALSE(sealed_.empty());
    ASSERT_OK_AND_ASSIGN(const auto other, database_->CreateCollection("other", Shape()));
    ASSERT_OK(other->Upsert({Row("a")}));
    Close();
    StoreForge forge(path());
    forge.Put(kv::Table::kMeta, engine::CountersKey(StoreForge::kCollection), "short");
    forge.Close();
  }

  static CollectionOptions Shape() {
    CollectionOptions shape;
    shape.vectors.emplace_back();
    shape.vectors[0].dim = 4;
    return shape;
  }

  static Record Row(const std::string& id) {
    Record record;
    record.id = id;
    record.vector = {1, 2, 3, 4};
    return record;
  }

  [[nodiscard]] std::set<std::string> SegmentFiles() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path() + "/segments")) {
      names.insert(entry.path().filename());
    }
    return names;
  }

  std::set<std::string> sealed_;
};

TEST_F(DamagedCollectionTest, StopsNoOther) {
  Open();
  EXPECT_EQ(database_->ListCollections().value(), (std::vector<std::string>{"c", "other"}));
  ASSERT_OK_AND_ASSIGN(const auto other, database_->OpenCollection("other"));
  ASSERT_OK(other->Upsert({Row("b")}));
  ASSERT_OK(other->Optimize());
  ASSERT_OK_AND_ASSIGN(const SearchResponse found, other->Search(Row("b").vector));
  EXPECT_EQ(found.hits.size(), 2U);
  const Status refused = database_->OpenCollection("c").status();
  EXPECT_THAT(refused, StatusIs(StatusCode::kDataLoss, "collection c is damaged"));
  // Nothing takes the place of what may still be mended.
  EXPECT_THAT(database_->CreateCollection("c", Shape()), StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(database_->Backup(dir_.file("backup")), StatusIs(StatusCode::kDataLoss));
  EXPECT_FALSE(std::filesystem::exists(dir_.file("backup")));
  ASSERT_OK_AND_ASSIGN(const DatabaseStats stats, database_->Stats());
  EXPECT_TRUE(stats.degraded);
  EXPECT_EQ(stats.damaged_collections, std::vector<std::string>{"c"});
  ASSERT_OK_AND_ASSIGN(const CheckReport check, database_->Check());
  ASSERT_EQ(check.problems.size(), 1U);
  EXPECT_EQ(check.problems[0].where, "c");
  EXPECT_NE(check.problems[0].detail.find(refused.message()), std::string::npos);
  DatabaseOptions reading = options_;
  reading.read_only = true;
  ASSERT_OK_AND_ASSIGN(const auto reader, Database::Open(path(), reading));
  ASSERT_OK(reader->OpenCollection("other"));
  EXPECT_THAT(reader->OpenCollection("c"), StatusIs(StatusCode::kDataLoss));
}

TEST_F(DamagedCollectionTest, KeepsItsFilesAndIsRepairedAlone) {
  Open();
  Close();
  const std::set<std::string> kept = SegmentFiles();
  EXPECT_TRUE(std::includes(kept.begin(), kept.end(), sealed_.begin(), sealed_.end()));
  ASSERT_OK_AND_ASSIGN(const RepairReport report, Database::Repair(path(), false));
  EXPECT_TRUE(report.sound);
  EXPECT_FALSE(report.lost_data);
  for (const std::string& action : report.actions) {
    EXPECT_EQ(action.find("collection other"), std::string::npos) << action;
  }
  Open();
  ASSERT_OK_AND_ASSIGN(collection_, database_->OpenCollection("c"));
  EXPECT_EQ(Everything().size(), 60U);
  EXPECT_EQ(database_->OpenCollection("other").value()->Count(std::nullopt).value(), 1U);
  ExpectSound();
}

TEST_F(DamagedCollectionTest, CanBeDroppedAndMadeAnew) {
  Open();
  ASSERT_OK(database_->DropCollection("c"));
  EXPECT_EQ(database_->ListCollections().value(), std::vector<std::string>{"other"});
  EXPECT_THAT(database_->DropCollection("c"), StatusIs(StatusCode::kNotFound));
  ASSERT_OK_AND_ASSIGN(collection_, database_->CreateCollection("c", Shape()));
  EXPECT_EQ(collection_->Count(std::nullopt).value(), 0U);
  collection_.reset();
  Reopen();
  ExpectSound();
  EXPECT_EQ(SegmentFiles(), std::set<std::string>());
}

}  // namespace
}  // namespace leadline::testing
