// Altering a collection: what changes, when segments follow, and what stays.

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "engine_fixture.h"

namespace leadline::testing {
namespace {

CollectionChanges ToIndex(IndexKind index) {
  CollectionChanges changes;
  changes.vectors.emplace_back().index = index;
  return changes;
}

CollectionChanges ToLinks(uint32_t m) {
  CollectionChanges changes;
  changes.vectors.emplace_back().m = m;
  return changes;
}

class AlterTest : public EngineTest {
 protected:
  AlterTest() { options_.background_maintenance = false; }

  void Alter(const CollectionChanges& changes) {
    ASSERT_OK_AND_ASSIGN(collection_, database_->AlterCollection("c", changes));
  }

  [[nodiscard]] std::string Strategy() const { return FirstStep().strategy; }

  [[nodiscard]] std::string Codes() const { return FirstStep().codes; }

  /// How the first segment answers when it is told to use its index.
  [[nodiscard]] PlanStep FirstStep() const {
    SearchOptions options;
    options.explain = true;
    options.full_scan_threshold = 0;
    const std::vector<float> query(collection_->options().vectors[0].dim, 0.25F);
    Result<SearchResponse> found = collection_->Search(query, options);
    EXPECT_OK(found);
    return found.ok() ? found->plan->steps.at(0) : PlanStep();
  }
};

TEST_F(AlterTest, SegmentsFollowWhenTheyAreBuiltNext) {
  Open();
  Create(4, IndexKind::kFlat);
  Fill(0, 500);
  ASSERT_OK(collection_->Optimize());
  const std::vector<std::string> before = Everything();
  EXPECT_EQ(Strategy(), "scan");

  Alter(ToIndex(IndexKind::kHnsw));
  EXPECT_EQ(Strategy(), "scan") << "until something is built";
  ASSERT_OK(collection_->Optimize());
  EXPECT_EQ(Strategy(), "hnsw");

  Alter(ToIndex(IndexKind::kIvf));
  ASSERT_OK(collection_->Optimize());
  EXPECT_EQ(Strategy(), "ivf");

  Alter(ToIndex(IndexKind::kFlat));
  ASSERT_OK(collection_->Optimize());
  EXPECT_EQ(Strategy(), "scan");
  EXPECT_EQ(Everything(), before);
  ExpectSound();
}

TEST_F(AlterTest, OptimizeBuildsAgainOnlyWhatIsOtherwise) {
  Open();
  Create(4, IndexKind::kHnsw);
  Fill(0, 500);
  ASSERT_OK(collection_->Optimize());
  const std::vector<std::string> narrow = SegmentFiles();

  Alter(ToLinks(24));
  ASSERT_OK(collection_->Optimize());
  const std::vector<std::string> wide = SegmentFiles();
  EXPECT_NE(wide, narrow);
  ASSERT_OK(collection_->Optimize());
  EXPECT_EQ(SegmentFiles(), wide) << "built once";

  CollectionChanges lists;
  lists.vectors.emplace_back().nlist = 7;
  Alter(lists);
  ASSERT_OK(collection_->Optimize());
  EXPECT_EQ(SegmentFiles(), wide) << "a graph has no lists";

  CollectionChanges beam;
  beam.vectors.emplace_back().ef_construction = 400;
  Alter(beam);
  ASSERT_OK(collection_->Optimize());
  const std::vector<std::string> careful = SegmentFiles();
  EXPECT_NE(careful, wide);
  beam.vectors[0].ef_construction = 100;
  Alter(beam);
  ASSERT_OK(collection_->Optimize());
  EXPECT_EQ(SegmentFiles(), careful) << "better than asked for";
}

TEST_F(AlterTest, ListsAreMadeAnewInAnotherNumber) {
  Open();
  Create(4, IndexKind::kIvf);
  Fill(0, 500);
  ASSERT_OK(collection_->Optimize());
  const std::vector<std::string> before = SegmentFiles();
  CollectionChanges lists;
  lists.vectors.emplace_back().nlist = 7;
  Alter(lists);
  ASSERT_OK(collection_->Optimize());
  const std::vector<std::string> after = SegmentFiles();
  EXPECT_NE(after, before);
  ASSERT_OK(collection_->Optimize());
  EXPECT_EQ(SegmentFiles(), after);
}

TEST_F(AlterTest, CodesFollowAndMustFitTheKind) {
  Open();
  Create(4, IndexKind::kIvf);
  Fill(0, 500);
  ASSERT_OK(collection_->Optimize());
  CollectionChanges changes;
  changes.vectors.emplace_back();
  for (const CodeType codes : {CodeType::kSq8, CodeType::kPq4, CodeType::kRabitq, CodeType::kPca8,
                               CodeType::kF32, CodeType::kPq4}) {
    const std::vector<std::string> before = SegmentFiles();
    changes.vectors[0].codes = codes;
    Alter(changes);
    ASSERT_OK(collection_->Optimize());
    EXPECT_EQ(Codes(), CodeTypeName(codes));
    const std::vector<std::string> after = SegmentFiles();
    EXPECT_NE(after, before);
    ASSERT_OK(collection_->Optimize());
    EXPECT_EQ(SegmentFiles(), after) << "built once";
  }
  EXPECT_THAT(database_->AlterCollection("c", ToIndex(IndexKind::kHnsw)),
              StatusIs(StatusCode::kUnimplemented, "index=hnsw field=codes value=pq4"));
  Reopen();
  EXPECT_EQ(collection_->options().vectors[0].index, IndexKind::kIvf);
  EXPECT_EQ(collection_->options().vectors[0].codes, CodeType::kPq4);
  CollectionChanges both = ToIndex(IndexKind::kHnsw);
  both.vectors[0].codes = CodeType::kAuto;
  Alter(both);
  ASSERT_OK(collection_->Optimize());
  EXPECT_EQ(Strategy(), "hnsw");
  EXPECT_EQ(Codes(), "f32");
  ExpectSound();
}

TEST_F(AlterTest, TheBackgroundFollowsWithLargeSegments) {
  options_.background_maintenance = true;
  Open();
  Create(2, IndexKind::kFlat);
  Fill(0, 20'001, 10'000);
  ASSERT_OK(collection_->Optimize());
  Alter(ToIndex(IndexKind::kIvf));
  EXPECT_TRUE(Eventually([this] { return Strategy() == "ivf"; }));
}

TEST_F(AlterTest, ChangesSurviveAReopenAndReachReaders) {
  Open();
  Create(4, IndexKind::kFlat);
  Fill(0, 10);
  DatabaseOptions read_only;
  read_only.read_only = true;
  ASSERT_OK_AND_ASSIGN(const auto reader, Database::Open(path(), read_only));

  const std::shared_ptr<Collection> old = collection_;
  CollectionChanges changes = ToIndex(IndexKind::kHnsw);
  changes.vectors[0].name = "vector";
  changes.vectors[0].m = 32;
  changes.language = "th";
  Alter(changes);
  const auto expect_changed = [](const CollectionOptions& options) {
    EXPECT_EQ(options.vectors[0].index, IndexKind::kHnsw);
    EXPECT_EQ(options.vectors[0].m, 32U);
    EXPECT_EQ(options.vectors[0].ef_construction, 200U) << "not given, so it stays";
    EXPECT_EQ(options.vectors[0].dim, 4U);
    EXPECT_EQ(options.language, "th");
  };
  expect_changed(collection_->options());
  EXPECT_EQ(old->options().vectors[0].index, IndexKind::kFlat) << "as it was opened";
  EXPECT_EQ(old->Count(std::nullopt).value(), 10U) << "and goes on";

  ASSERT_OK(reader->Refresh());
  ASSERT_OK_AND_ASSIGN(const auto seen, reader->OpenCollection("c"));
  expect_changed(seen->options());
  EXPECT_THAT(reader->AlterCollection("c", changes), StatusIs(StatusCode::kFailedPrecondition));
  Reopen();
  expect_changed(collection_->options());
}

TEST_F(AlterTest, RefusedChangesChangeNothing) {
  Open();
  Create(4, IndexKind::kFlat);
  const auto refused = [this](const CollectionChanges& changes, const std::string& says) {
    EXPECT_THAT(database_->AlterCollection("c", changes),
                StatusIs(StatusCode::kInvalidArgument, says));
  };
  refused({}, "nothing to change");
  CollectionChanges changes;
  changes.vectors.emplace_back();
  refused(changes, "nothing to change");
  refused(ToLinks(kMaxM + 1), "m");
  changes = ToLinks(8);
  changes.vectors[0].name = "other";
  refused(changes, "other");
  changes = ToLinks(8);
  changes.vectors.push_back(changes.vectors[0]);
  changes.vectors[1].name = "vector";
  refused(changes, "twice");
  // The first field is sound, and the second must keep it from being taken.
  changes = ToLinks(8);
  changes.language = std::string(kMaxLanguageBytes + 1, 'x');
  refused(changes, "language");
  EXPECT_THAT(database_->AlterCollection("none", ToLinks(8)), StatusIs(StatusCode::kNotFound));
  Reopen();
  EXPECT_EQ(collection_->options().vectors[0].m, 16U);
  EXPECT_EQ(collection_->options().vectors[0].index, IndexKind::kFlat);
}

TEST_F(AlterTest, WritersSearchersAndBuildsGoOn) {
  options_.background_maintenance = true;
  options_.seal_rows = 64;
  Open();
  Create(4, IndexKind::kFlat);
  std::atomic<bool> over{false};
  std::thread writer([this] { Fill(0, 3000, 50); });
  std::thread searcher([&] {
    while (!over) {
      ASSERT_OK_AND_ASSIGN(const auto collection, database_->OpenCollection("c"));
      const std::vector<float> query = {1, 2, 3, 4};
      EXPECT_OK(collection->Search(query));
      EXPECT_OK(collection->Stats());
    }
  });
  const std::shared_ptr<Collection> own = collection_;
  for (int i = 0; i < 60; ++i) {
    const IndexKind kinds[] = {IndexKind::kHnsw, IndexKind::kIvf, IndexKind::kFlat};
    ASSERT_OK(database_->AlterCollection("c", ToIndex(kinds[i % 3])));
    if (i % 6 == 5) {
      ASSERT_OK(own->Optimize());
    }
  }
  writer.join();
  over = true;
  searcher.join();
  EXPECT_EQ(own->Count(std::nullopt).value(), 3000U);
  ExpectSound();
}

}  // namespace
}  // namespace leadline::testing
