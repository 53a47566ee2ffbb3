// The public contract of Database and Collection, one behaviour a test.

#include "leadline/core/database.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <set>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "leadline/core/rng.h"
#include "leadline/leadline.h"
#include "leadline/storage/store.h"
#include "leadline/text/embedder.h"
#include "status_matchers.h"
#include "temp_dir.h"

namespace leadline {
namespace {

using testing::StatusIs;
using testing::TempDir;

CollectionOptions OneField(uint32_t dim, Metric metric = Metric::kL2,
                           IndexKind index = IndexKind::kAuto) {
  CollectionOptions options;
  VectorField field;
  field.dim = dim;
  field.metric = metric;
  field.index = index;
  options.vectors.push_back(field);
  return options;
}

Record MakeRecord(const std::string& id, std::vector<float> vector, std::string payload = "{}") {
  Record record;
  record.id = id;
  record.vector = std::move(vector);
  record.payload = std::move(payload);
  return record;
}

class DatabaseTest : public ::testing::Test {
 protected:
  void SetUp() override { Open(); }

  void Open() {
    options_.create_if_missing = true;
    ASSERT_OK_AND_ASSIGN(database_, Database::Open(path(), options_));
  }

  void Reopen() {
    collection_.reset();
    ASSERT_OK(database_->Close());
    database_.reset();
    Open();
    ASSERT_OK_AND_ASSIGN(collection_, database_->OpenCollection("c"));
  }

  void Create(const CollectionOptions& options) {
    ASSERT_OK_AND_ASSIGN(collection_, database_->CreateCollection("c", options));
  }

  void Fill(size_t rows, uint64_t seed = 1) {
    Rng rng(seed);
    const size_t dim = collection_->options().vectors[0].dim;
    std::vector<Record> records;
    for (size_t i = 0; i < rows; ++i) {
      std::vector<float> vector(dim);
      for (float& value : vector) {
        value = static_cast<float>(rng.Gaussian());
      }
      records.push_back(MakeRecord("r" + std::to_string(i), std::move(vector),
                                   "{\"n\":" + std::to_string(i) + "}"));
      if (records.size() == 1000 || i + 1 == rows) {
        ASSERT_OK(collection_->Upsert(std::move(records)));
        records.clear();
      }
    }
  }

  [[nodiscard]] std::string path() const { return dir_.file("db"); }

  TempDir dir_;
  DatabaseOptions options_;
  std::unique_ptr<Database> database_;
  std::shared_ptr<Collection> collection_;
};

TEST_F(DatabaseTest, ReadsItsOwnWritesAndKeepsThemAcrossReopen) {
  Create(OneField(2));
  ASSERT_OK_AND_ASSIGN(const WriteResult written,
                       collection_->Upsert({MakeRecord("a", {0, 0}, "{\"k\":1}"),
                                            MakeRecord("b", {1, 0}), MakeRecord("c", {3, 0})}));
  EXPECT_EQ(written.upserted, 3U);
  for (int round = 0; round < 2; ++round) {
    ASSERT_OK_AND_ASSIGN(const SearchResponse found,
                         collection_->Search(std::vector<float>{0.9F, 0}));
    ASSERT_EQ(found.hits.size(), 3U);
    EXPECT_EQ(found.hits[0].id, "b");
    EXPECT_NEAR(found.hits[0].score, 0.01, 1e-6);
    EXPECT_FALSE(found.higher_is_better);
    ASSERT_OK_AND_ASSIGN(const auto records, collection_->Get({"a", "nobody"}));
    ASSERT_TRUE(records[0].has_value());
    EXPECT_EQ(records[0]->payload, "{\"k\":1}");
    EXPECT_FALSE(records[1].has_value());
    Reopen();
  }
}

TEST_F(DatabaseTest, BatchIsAllOrNothing) {
  Create(OneField(2));
  ASSERT_OK(collection_->Upsert({MakeRecord("a", {0, 0})}));
  WriteBatch batch;
  batch.Upsert(MakeRecord("b", {1, 1}));
  batch.PatchPayload("missing", "{\"x\":1}");
  EXPECT_THAT(collection_->Write(batch), StatusIs(StatusCode::kNotFound, "missing"));
  EXPECT_EQ(collection_->Count(std::nullopt).value(), 1U);
  batch.Clear();
  batch.Upsert(MakeRecord("b", {1, 1}));
  batch.Upsert(MakeRecord("bad", {std::numeric_limits<float>::quiet_NaN(), 1}));
  EXPECT_THAT(collection_->Write(batch), StatusIs(StatusCode::kInvalidArgument, "vector[0]"));
  EXPECT_EQ(collection_->Count(std::nullopt).value(), 1U);
}

TEST_F(DatabaseTest, PatchedRecordsCountTowardsTheBytesOfABatch) {
  Create(OneField(kMaxDim));
  ASSERT_OK(collection_->Upsert({MakeRecord("a", std::vector<float>(kMaxDim, 1.0F))}));
  WriteBatch batch;
  for (size_t i = 0; i <= kMaxBatchBytes / (kMaxDim * sizeof(float)); ++i) {
    batch.PatchPayload("a", "{\"x\":" + std::to_string(i) + "}");
  }
  EXPECT_THAT(collection_->Write(batch),
              StatusIs(StatusCode::kInvalidArgument, "batch bytes of patched records"));
  ASSERT_OK_AND_ASSIGN(const auto found, collection_->Get({"a"}));
  EXPECT_EQ(found[0]->payload.find("\"x\""), std::string::npos);
}

TEST_F(DatabaseTest, LaterChangesOfABatchSeeEarlierOnes) {
  Create(OneField(1));
  WriteBatch batch;
  batch.Upsert(MakeRecord("a", {1}, "{\"n\":1}"));
  batch.PatchPayload("a", "{\"m\":2}");
  batch.Upsert(MakeRecord("b", {2}));
  batch.Delete("b");
  ASSERT_OK(collection_->Write(batch));
  ASSERT_OK_AND_ASSIGN(const auto records, collection_->Get({"a", "b"}));
  EXPECT_EQ(records[0]->payload, "{\"m\":2,\"n\":1}");
  EXPECT_FALSE(records[1].has_value());
  EXPECT_EQ(collection_->Count(std::nullopt).value(), 1U);
}

TEST_F(DatabaseTest, RefusesBadInputWithFieldValueAndLimit) {
  Create(OneField(2, Metric::kCosine));
  const auto write = [&](Record record) { return collection_->Upsert({std::move(record)}); };
  EXPECT_THAT(write(MakeRecord("", {1, 1})), StatusIs(StatusCode::kInvalidArgument, "field=id"));
  EXPECT_THAT(write(MakeRecord(std::string(513, 'x'), {1, 1})),
              StatusIs(StatusCode::kInvalidArgument, "1..512 bytes"));
  EXPECT_THAT(write(MakeRecord("\xff", {1, 1})), StatusIs(StatusCode::kInvalidArgument, "UTF-8"));
  EXPECT_THAT(write(MakeRecord("a", {1, 1, 1})),
              StatusIs(StatusCode::kInvalidArgument, "value=3 limit=2"));
  EXPECT_THAT(write(MakeRecord("a", {0, 0})), StatusIs(StatusCode::kInvalidArgument, "direction"));
  EXPECT_THAT(write(MakeRecord("a", {std::numeric_limits<float>::infinity(), 0})),
              StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(write(MakeRecord("a", {1, 1}, "[1]")), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(write(MakeRecord("a", {1, 1}, "{\"a\":")), StatusIs(StatusCode::kInvalidArgument));
  std::string deep = "1";
  for (int i = 0; i < 70; ++i) {
    deep = "{\"a\":" + deep + "}";
  }
  EXPECT_THAT(write(MakeRecord("a", {1, 1}, deep)), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_OK(write(MakeRecord(std::string(512, 'x'), {1, 1})));
  SearchOptions options;
  options.limit = kMaxTopK + 1;
  const std::vector<float> query = {1, 1};
  EXPECT_THAT(collection_->Search(query, options),
              StatusIs(StatusCode::kInvalidArgument, "field=limit value=16385"));
  options.limit = 0;
  EXPECT_THAT(collection_->Search(query, options), StatusIs(StatusCode::kInvalidArgument));
  options.limit = kMaxTopK;
  options.ef_search = kMaxEfSearch;
  EXPECT_OK(collection_->Search(query, options));
  EXPECT_THAT(collection_->Search(std::vector<float>{0, 0}),
              StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(collection_->Search(std::vector<float>{}), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_EQ(collection_->Count(std::nullopt).value(), 1U);
  EXPECT_THAT(database_->CreateCollection("a/b", OneField(2)),
              StatusIs(StatusCode::kInvalidArgument, "[A-Za-z0-9_-]{1,128}"));
  EXPECT_THAT(database_->CreateCollection("d", OneField(65537)),
              StatusIs(StatusCode::kInvalidArgument, "field=dim"));
  EXPECT_THAT(database_->CreateCollection("c", OneField(2)), StatusIs(StatusCode::kAlreadyExists));
}

TEST_F(DatabaseTest, SnapshotSeesOneMomentAcrossWritesSealingAndCompaction) {
  options_.seal_rows = 64;
  ASSERT_OK(database_->Close());
  database_.reset();
  Open();
  Create(OneField(4, Metric::kL2, IndexKind::kHnsw));
  Fill(300);
  ASSERT_OK_AND_ASSIGN(auto snapshot, database_->TakeSnapshot());
  ASSERT_OK(collection_->DeleteWhere(Filter::Parse("n < 200").value()));
  Fill(100, 2);
  ASSERT_OK(collection_->Optimize());
  ReadOptions read;
  read.snapshot = snapshot;
  EXPECT_EQ(collection_->Count(std::nullopt, read).value(), 300U);
  EXPECT_EQ(collection_->Count(std::nullopt).value(), 200U);
  SearchOptions options;
  options.limit = 300;
  options.snapshot = snapshot;
  const std::vector<float> query = {0, 0, 0, 0};
  EXPECT_EQ(collection_->Search(query, options)->hits.size(), 300U);
  ScrollOptions scroll;
  scroll.read.snapshot = snapshot;
  EXPECT_EQ(collection_->Scroll(scroll)->records.size(), 300U);
}

TEST_F(DatabaseTest, NamedVectorsAreSearchedApart) {
  CollectionOptions options = OneField(2);
  VectorField image;
  image.name = "image";
  image.dim = 3;
  image.metric = Metric::kCosine;
  options.vectors.push_back(image);
  Create(options);
  Record both = MakeRecord("both", {0, 0});
  both.named_vectors.push_back({"image", {1, 0, 0}});
  Record only_image;
  only_image.id = "image";
  only_image.named_vectors.push_back({"image", {0, 1, 0}});
  ASSERT_OK(collection_->Upsert({both, only_image, MakeRecord("text", {5, 5})}));
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(collection_->Search(std::vector<float>{5, 5})->hits.size(), 2U);
    SearchOptions by_image;
    by_image.vector_field = "image";
    ASSERT_OK_AND_ASSIGN(const SearchResponse found,
                         collection_->Search(std::vector<float>{0, 2, 0}, by_image));
    ASSERT_EQ(found.hits.size(), 2U);
    EXPECT_EQ(found.hits[0].id, "image");
    EXPECT_NEAR(found.hits[0].score, 1.0, 1e-6);
    EXPECT_EQ(collection_->Count(std::nullopt).value(), 3U);
    by_image.vector_field = "sound";
    EXPECT_THAT(collection_->Search(std::vector<float>{0, 2, 0}, by_image),
                StatusIs(StatusCode::kInvalidArgument, "vector|image"));
    ASSERT_OK(collection_->Optimize());
  }
  ASSERT_OK_AND_ASSIGN(const CheckReport report, database_->Check());
  EXPECT_TRUE(report.ok());
}

TEST_F(DatabaseTest, ExpiredRecordsAreInvisible) {
  Create(OneField(1));
  Record gone = MakeRecord("gone", {1});
  gone.expires_at_ms = 1000;
  Record later = MakeRecord("later", {2});
  later.expires_at_ms = std::numeric_limits<int64_t>::max();
  ASSERT_OK(collection_->Upsert({gone, later}));
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(collection_->Count(std::nullopt).value(), 1U);
    EXPECT_EQ(collection_->Search(std::vector<float>{1})->hits[0].id, "later");
    EXPECT_FALSE(collection_->Get({"gone"})->at(0).has_value());
    ASSERT_OK(collection_->Optimize());
  }
}

TEST_F(DatabaseTest, GroupByReturnsTheBestOfEachGroupAndMinScoreCuts) {
  Create(OneField(1));
  std::vector<Record> records;
  for (int i = 0; i < 100; ++i) {
    records.push_back(MakeRecord("r" + std::to_string(i), {static_cast<float>(i)},
                                 "{\"doc\":\"d" + std::to_string(i / 40) + "\"}"));
  }
  ASSERT_OK(collection_->Upsert(records));
  SearchOptions options;
  options.limit = 3;
  options.group_by = "doc";
  ASSERT_OK_AND_ASSIGN(const SearchResponse found,
                       collection_->Search(std::vector<float>{0}, options));
  ASSERT_EQ(found.hits.size(), 3U);
  EXPECT_EQ(found.hits[0].id, "r0");
  EXPECT_EQ(found.hits[1].id, "r40");
  EXPECT_EQ(found.hits[2].id, "r80");
  options.group_by.clear();
  options.limit = 50;
  options.min_score = 9.5F;
  EXPECT_EQ(collection_->Search(std::vector<float>{0}, options)->hits.size(), 4U);
}

TEST_F(DatabaseTest, SearchByIdLeavesTheRecordItselfOut) {
  Create(OneField(1));
  ASSERT_OK(
      collection_->Upsert({MakeRecord("a", {1}), MakeRecord("b", {2}), MakeRecord("c", {4})}));
  ASSERT_OK_AND_ASSIGN(const SearchResponse found, collection_->SearchId("a"));
  ASSERT_EQ(found.hits.size(), 2U);
  EXPECT_EQ(found.hits[0].id, "b");
  EXPECT_THAT(collection_->SearchId("z"), StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(collection_->SearchId(""), StatusIs(StatusCode::kInvalidArgument, "field=id"));
}

TEST_F(DatabaseTest, SearchByIdUsesTheVectorOfTheFieldAndRefusesARecordWithoutOne) {
  CollectionOptions options = OneField(2);
  VectorField image;
  image.name = "image";
  image.dim = 2;
  image.metric = Metric::kL2;
  options.vectors.push_back(image);
  Create(options);
  Record both = MakeRecord("both", {0, 0});
  both.named_vectors.push_back({"image", {5, 5}});
  Record other = MakeRecord("other", {9, 9});
  other.named_vectors.push_back({"image", {5, 6}});
  ASSERT_OK(collection_->Upsert({both, other, MakeRecord("text only", {1, 1})}));
  SearchOptions by_image;
  by_image.vector_field = "image";
  for (int round = 0; round < 2; ++round) {
    ASSERT_OK_AND_ASSIGN(const SearchResponse found, collection_->SearchId("both", by_image));
    ASSERT_EQ(found.hits.size(), 1U);
    EXPECT_EQ(found.hits[0].id, "other");
    EXPECT_EQ(found.hits[0].score, 1.0F);
    EXPECT_THAT(collection_->SearchId("text only", by_image),
                StatusIs(StatusCode::kNotFound, "field=image"));
    ASSERT_OK(collection_->Optimize());
  }
}

TEST_F(DatabaseTest, SearchByIdLosesNeitherAGroupNorTheLastRow) {
  Create(OneField(1));
  std::vector<Record> records;
  for (size_t i = 0; i <= kMaxTopK; ++i) {
    records.push_back(MakeRecord("r" + std::to_string(i), {static_cast<float>(i)},
                                 "{\"doc\":" + std::to_string(i % 3) + "}"));
  }
  ASSERT_OK(collection_->Upsert(records));
  for (int round = 0; round < 2; ++round) {
    SearchOptions grouped;
    grouped.limit = 3;
    grouped.group_by = "doc";
    ASSERT_OK_AND_ASSIGN(const SearchResponse groups, collection_->SearchId("r0", grouped));
    ASSERT_EQ(groups.hits.size(), 3U);
    EXPECT_EQ(groups.hits[2].id, "r3") << "the best of the record's own group, without itself";
    SearchOptions all;
    all.limit = kMaxTopK;
    ASSERT_OK_AND_ASSIGN(const SearchResponse rest, collection_->SearchId("r0", all));
    EXPECT_EQ(rest.hits.size(), kMaxTopK);
    ASSERT_OK(collection_->Optimize());
  }
}

TEST_F(DatabaseTest, TextIsSearchedWithTheRecordedEmbedderInItsOwnField) {
  CollectionOptions options;
  options.embedder = "static";
  options.vectors.emplace_back();
  options.vectors.push_back(OneField(256, Metric::kCosine).vectors[0]);
  options.vectors[1].name = "image";
  Create(options);
  ASSERT_OK_AND_ASSIGN(const auto embedder, collection_->OpenEmbedder());
  EXPECT_EQ(embedder->name(), "static");
  std::vector<float> vector(embedder->dim());
  const std::string_view text = "aspirin lowers the risk of heart attacks";
  ASSERT_OK(embedder->Embed({&text, 1}, vector));
  ASSERT_OK(collection_->Upsert({MakeRecord("a", vector)}));
  ASSERT_OK_AND_ASSIGN(const SearchResponse found, collection_->SearchText(text));
  EXPECT_EQ(found.hits.at(0).id, "a");
  SearchOptions by_name;
  by_name.vector_field = "vector";
  EXPECT_OK(collection_->SearchText(text, by_name));
  by_name.vector_field = "image";
  EXPECT_THAT(collection_->SearchText(text, by_name),
              StatusIs(StatusCode::kInvalidArgument, "field=vector_field value=image"));
  ASSERT_OK_AND_ASSIGN(auto plain, database_->CreateCollection("plain", OneField(2)));
  EXPECT_THAT(plain->OpenEmbedder(), StatusIs(StatusCode::kInvalidArgument, "no embedder"));
  EXPECT_THAT(plain->SearchText(text), StatusIs(StatusCode::kInvalidArgument, "no embedder"));
}

TEST_F(DatabaseTest, EmbedderOfAnotherVersionIsRefused) {
  CollectionOptions options;
  options.embedder = "static";
  Create(options);
  const std::string version(collection_->OpenEmbedder().value()->version());
  const std::string recorded = (version[0] == 'x' ? "y" : "x") + version.substr(1);
  collection_.reset();
  ASSERT_OK(database_->Close());
  database_.reset();
  {
    kv::StoreOptions store_options;
    store_options.sequence_key = "sequence";
    ASSERT_OK_AND_ASSIGN(auto store, kv::Store::Open(path() + "/store", store_options));
    ASSERT_OK_AND_ASSIGN(const auto bytes, store->Get(kv::Table::kMeta, "collection/c"));
    std::string doctored = bytes.value();
    const size_t at = doctored.rfind(version);
    ASSERT_NE(at, std::string::npos);
    doctored[at] = recorded[0];
    kv::WriteBatch batch;
    batch.Put(kv::Table::kMeta, "collection/c", doctored);
    ASSERT_OK(store->Write(batch, true));
    ASSERT_OK(store->Close());
  }
  Open();
  ASSERT_OK_AND_ASSIGN(collection_, database_->OpenCollection("c"));
  EXPECT_THAT(collection_->OpenEmbedder(),
              StatusIs(StatusCode::kFailedPrecondition, "version=" + version));
  EXPECT_THAT(collection_->OpenEmbedder(),
              StatusIs(StatusCode::kFailedPrecondition, "recorded_version=" + recorded));
  EXPECT_THAT(collection_->SearchText("heart"), StatusIs(StatusCode::kFailedPrecondition));
}

TEST_F(DatabaseTest, ExplainNamesSourcesAndStrategies) {
  Create(OneField(4, Metric::kL2, IndexKind::kHnsw));
  Fill(5000);
  ASSERT_OK(collection_->Optimize());
  ASSERT_OK(collection_->Upsert({MakeRecord("fresh", {9, 9, 9, 9})}));
  SearchOptions options;
  options.explain = true;
  const std::vector<float> query = {0, 0, 0, 0};
  ASSERT_OK_AND_ASSIGN(const SearchResponse plain, collection_->Search(query, options));
  ASSERT_TRUE(plain.plan.has_value());
  ASSERT_EQ(plain.plan->steps.size(), 2U);
  EXPECT_EQ(plain.plan->steps[0].strategy, "hnsw");
  EXPECT_LT(plain.plan->steps[0].distances, 5000U);
  EXPECT_EQ(plain.plan->steps[1].source, "tail");
  options.filter = Filter::Parse("n < 10").value();
  ASSERT_OK_AND_ASSIGN(const SearchResponse few, collection_->Search(query, options));
  ASSERT_TRUE(few.plan.has_value());
  EXPECT_EQ(few.plan->steps[0].strategy, "scan matches");
  EXPECT_EQ(few.plan->steps[0].distances, 10U);
  EXPECT_EQ(few.hits.size(), 10U);
}

TEST_F(DatabaseTest, CancelledAndLateCallsFailWithoutPartialResults) {
  Create(OneField(4));
  Fill(100);
  CancelToken token;
  token.Cancel();
  SearchOptions options;
  options.cancel = &token;
  const std::vector<float> query = {0, 0, 0, 0};
  EXPECT_THAT(collection_->Search(query, options), StatusIs(StatusCode::kCancelled));
  ReadOptions read;
  read.cancel = &token;
  EXPECT_THAT(collection_->Count(std::nullopt, read), StatusIs(StatusCode::kCancelled));
  EXPECT_THAT(collection_->Optimize({.cancel = &token}), StatusIs(StatusCode::kCancelled));
  EXPECT_EQ(collection_->Count(std::nullopt).value(), 100U);
}

TEST_F(DatabaseTest, DroppedCollectionIsGoneForItsHandlesAndAfterReopen) {
  Create(OneField(2));
  Fill(10);
  ASSERT_OK(collection_->Optimize());
  ASSERT_OK_AND_ASSIGN(const DatabaseStats before, database_->Stats());
  EXPECT_GT(before.sequence, 0U);
  ASSERT_OK(database_->DropCollection("c"));
  EXPECT_THAT(collection_->Count(std::nullopt), StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(collection_->Upsert({MakeRecord("a", {1, 1})}), StatusIs(StatusCode::kNotFound));
  EXPECT_GE(database_->Stats().value().sequence, before.sequence) << "sequences never fall";
  ASSERT_OK_AND_ASSIGN(auto again, database_->CreateCollection("c", OneField(3)));
  EXPECT_EQ(again->Count(std::nullopt).value(), 0U);
  EXPECT_THAT(collection_->Count(std::nullopt), StatusIs(StatusCode::kNotFound));
  again.reset();
  Reopen();
  EXPECT_EQ(collection_->options().vectors[0].dim, 3U);
  EXPECT_TRUE(std::filesystem::is_empty(path() + "/segments"));
}

TEST_F(DatabaseTest, SecondWriterIsRefusedAndReadersFollow) {
  Create(OneField(2));
  ASSERT_OK(collection_->Upsert({MakeRecord("a", {1, 1})}));
  EXPECT_THAT(Database::Open(path(), options_),
              StatusIs(StatusCode::kFailedPrecondition, std::to_string(::getpid())));
  DatabaseOptions read_only;
  read_only.read_only = true;
  ASSERT_OK_AND_ASSIGN(auto reader, Database::Open(path(), read_only));
  ASSERT_OK_AND_ASSIGN(auto view, reader->OpenCollection("c"));
  EXPECT_EQ(view->Count(std::nullopt).value(), 1U);
  EXPECT_THAT(view->Upsert({MakeRecord("b", {1, 1})}), StatusIs(StatusCode::kFailedPrecondition));
  ASSERT_OK(collection_->Upsert({MakeRecord("b", {2, 2})}));
  ASSERT_OK(collection_->Delete({"a"}));
  ASSERT_OK(collection_->Optimize());
  ASSERT_OK(collection_->Upsert({MakeRecord("d", {3, 3})}));
  EXPECT_EQ(view->Count(std::nullopt).value(), 1U);
  ASSERT_OK(reader->Refresh());
  EXPECT_EQ(view->Count(std::nullopt).value(), 2U);
  EXPECT_EQ(view->Search(std::vector<float>{2, 2})->hits[0].id, "b");
}

TEST_F(DatabaseTest, BackupIsWholeAndRestores) {
  Create(OneField(4, Metric::kL2, IndexKind::kHnsw));
  Fill(500);
  ASSERT_OK(collection_->Optimize());
  ASSERT_OK(collection_->Delete({"r0"}));
  ASSERT_OK(collection_->Upsert({MakeRecord("tail", {1, 2, 3, 4})}));
  ASSERT_OK(database_->Backup(dir_.file("backup")));
  EXPECT_THAT(database_->Backup(dir_.file("backup")), StatusIs(StatusCode::kAlreadyExists));
  ASSERT_OK(collection_->DeleteWhere(Filter::Parse("n >= 0").value()));
  ASSERT_OK(Database::Restore(dir_.file("backup"), dir_.file("restored")));
  ASSERT_OK_AND_ASSIGN(auto restored, Database::Open(dir_.file("restored")));
  ASSERT_OK_AND_ASSIGN(auto view, restored->OpenCollection("c"));
  EXPECT_EQ(view->Count(std::nullopt).value(), 500U);
  ASSERT_OK_AND_ASSIGN(const CheckReport report, restored->Check());
  EXPECT_TRUE(report.ok()) << report.problems[0].detail;
  EXPECT_FALSE(view->Stats()->degraded);
}

TEST_F(DatabaseTest, OptimizeRebuildsASegmentWhoseBytesAreWrong) {
  Create(OneField(4, Metric::kL2, IndexKind::kHnsw));
  Fill(500);
  ASSERT_OK(collection_->Optimize());
  collection_.reset();
  ASSERT_OK(database_->Close());
  for (const auto& file : std::filesystem::directory_iterator(path() + "/segments")) {
    std::fstream bytes(file.path(), std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekp(static_cast<std::streamoff>(std::filesystem::file_size(file.path()) / 2));
    bytes.put('!');
  }
  options_.background_maintenance = false;
  Reopen();
  ASSERT_OK(collection_->Optimize());
  EXPECT_FALSE(collection_->Stats()->degraded);
  ASSERT_OK_AND_ASSIGN(const CheckReport report, database_->Check());
  EXPECT_TRUE(report.ok()) << report.problems[0].detail;
}

TEST_F(DatabaseTest, DamagedSegmentIsAnsweredExactlyAndRebuilt) {
  Create(OneField(4, Metric::kL2, IndexKind::kHnsw));
  Fill(500);
  ASSERT_OK(collection_->Optimize());
  const std::vector<float> query = {0.1F, 0.2F, 0.3F, 0.4F};
  SearchOptions exact;
  exact.exact = true;
  ASSERT_OK_AND_ASSIGN(const SearchResponse before, collection_->Search(query, exact));
  collection_.reset();
  ASSERT_OK(database_->Close());
  for (const auto& file : std::filesystem::directory_iterator(path() + "/segments")) {
    std::filesystem::resize_file(file.path(), std::filesystem::file_size(file.path()) / 2);
  }
  options_.background_maintenance = false;
  Open();
  ASSERT_OK_AND_ASSIGN(collection_, database_->OpenCollection("c"));
  ASSERT_OK_AND_ASSIGN(const SearchResponse during, collection_->Search(query));
  EXPECT_TRUE(during.degraded);
  ASSERT_EQ(during.hits.size(), before.hits.size());
  for (size_t i = 0; i < before.hits.size(); ++i) {
    EXPECT_EQ(during.hits[i].id, before.hits[i].id);
    EXPECT_EQ(during.hits[i].score, before.hits[i].score);
  }
  EXPECT_TRUE(collection_->Stats()->degraded);
  EXPECT_EQ(collection_->Count(std::nullopt).value(), 500U);
  ASSERT_OK(collection_->Optimize());
  EXPECT_FALSE(collection_->Stats()->degraded);
  EXPECT_FALSE(collection_->Search(query)->degraded);
}

TEST_F(DatabaseTest, HandleInAForkedChildFailsInsteadOfHanging) {
  Create(OneField(2));
  const pid_t child = ::fork();
  if (child == 0) {
    const bool refused =
        collection_->Count(std::nullopt).status().code() == StatusCode::kFailedPrecondition &&
        database_->Close().code() == StatusCode::kFailedPrecondition;
    database_.reset();
    ::_exit(refused ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_EQ(collection_->Count(std::nullopt).value(), 0U);
}

TEST_F(DatabaseTest, RepairRebuildsWhatIsDerived) {
  Create(OneField(4, Metric::kL2, IndexKind::kHnsw));
  Fill(300);
  ASSERT_OK(collection_->Optimize());
  collection_.reset();
  ASSERT_OK(database_->Close());
  database_.reset();
  std::filesystem::remove_all(path() + "/segments");
  ASSERT_OK_AND_ASSIGN(const RepairReport report, Database::Repair(path(), false));
  EXPECT_FALSE(report.lost_data);
  Open();
  ASSERT_OK_AND_ASSIGN(collection_, database_->OpenCollection("c"));
  ASSERT_OK_AND_ASSIGN(const CheckReport check, database_->Check());
  EXPECT_TRUE(check.ok());
  EXPECT_EQ(collection_->Count(std::nullopt).value(), 300U);
}

}  // namespace
}  // namespace leadline
