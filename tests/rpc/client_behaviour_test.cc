// One suite over a database of this process and one behind a server, by gRPC and by HTTP: the same
// answers, and errors of the same code about the same field.

#include <cmath>
#include <functional>
#include <future>
#include <memory>
#include <thread>

#include <gtest/gtest.h>

#include "http_channel.h"
#include "leadline/core/rng.h"
#include "leadline/leadline.h"
#include "leadline/text/embedder.h"
#include "served_database.h"
#include "test_environment.h"

namespace leadline::rpc {
namespace {

using testing::StatusIs;

constexpr uint32_t kDim = 4;

std::string Shown(const Status& status) {
  return std::string(StatusCodeName(status.code())) + " field=" + status.field();
}

std::string Shown(const std::vector<float>& vector) {
  std::string text = "[";
  for (const float value : vector) {
    text += std::to_string(value) + " ";
  }
  return text + "]";
}

std::string Shown(const Record& record) {
  std::string text = record.id + " " + Shown(record.vector) + " " + record.payload;
  for (const NamedVector& named : record.named_vectors) {
    text += " " + named.name + Shown(named.values);
  }
  return text + (record.expires_at_ms ? " until " + std::to_string(*record.expires_at_ms) : "");
}

std::string Shown(const WriteResult& result) {
  return "sequence " + std::to_string(result.sequence) + " upserted " +
         std::to_string(result.upserted) + " patched " + std::to_string(result.patched) +
         " deleted " + std::to_string(result.deleted);
}

std::string Shown(uint64_t count) {
  return std::to_string(count);
}

std::string Shown(const SearchResponse& response) {
  std::string text = std::string(MetricName(response.metric)) +
                     (response.higher_is_better ? " up" : " down") +
                     (response.degraded ? " degraded" : "");
  for (const Hit& hit : response.hits) {
    text += "\n" + hit.id + " " + std::to_string(hit.score) + " " + hit.payload + " " +
            Shown(hit.vector);
  }
  if (response.plan) {
    text += "\nplan " + std::to_string(response.plan->distances) + " at " +
            std::to_string(response.plan->sequence);
    for (const PlanStep& step : response.plan->steps) {
      text += "\n" + step.source + " " + step.strategy + " " + step.codes + " " +
              std::to_string(step.matches) + " " + std::to_string(step.rescored) + " " +
              std::to_string(step.ef_search) + " " + std::to_string(step.nprobe) + " " +
              (step.promised_recall ? std::to_string(*step.promised_recall) : "none") +
              (step.target_missed ? " missed" : "");
    }
  }
  return text;
}

std::string Shown(const std::vector<IndexStats>& indexes) {
  std::string text;
  for (const IndexStats& index : indexes) {
    text += "\n" + index.vector_field + " " + std::string(IndexKindName(index.kind)) + " " +
            std::string(CodeTypeName(index.codes)) + " " + std::to_string(index.segments) + " " +
            std::to_string(index.rows) + " " + std::to_string(index.vector_bytes) + " " +
            std::to_string(index.code_bytes) + " " + std::to_string(index.link_bytes) + " " +
            std::to_string(index.lists) + " " + std::to_string(index.axes);
    for (const RecallPoint& point : index.curve) {
      text += "\n " + std::to_string(point.effort) + " " + std::to_string(point.candidates) + " " +
              std::to_string(point.rescore) + " " + std::to_string(point.recall) + " " +
              std::to_string(point.promised) + " " + std::to_string(point.distances);
    }
  }
  return text;
}

std::string Shown(const ScrollPage& page) {
  std::string text = "next " + page.next_cursor;
  for (const Record& record : page.records) {
    text += "\n" + Shown(record);
  }
  return text;
}

std::string Shown(const std::optional<Record>& record) {
  return record ? Shown(*record) : "none";
}

std::string Shown(const std::string& text) {
  return text;
}

template <typename T>
std::string Shown(const std::vector<T>& list) {
  std::string text;
  for (const T& one : list) {
    text += Shown(one) + "\n";
  }
  return text;
}

std::string Shown(const std::shared_ptr<Collection>& collection) {
  std::string text = collection->name() + " " + collection->options().embedder + " " +
                     collection->options().language;
  for (const VectorField& field : collection->options().vectors) {
    text += "\n" + field.name + " " + std::to_string(field.dim) + " " +
            std::string(MetricName(field.metric)) + " " + std::string(IndexKindName(field.index)) +
            " " + std::to_string(field.m);
  }
  return text;
}

template <typename T>
std::string Shown(const Result<T>& result) {
  return result.ok() ? Shown(*result) : Shown(result.status());
}

SearchOptions Nearest(size_t limit, const std::string& field = "") {
  SearchOptions options;
  options.limit = limit;
  options.vector_field = field;
  return options;
}

/// A database of this process and a served one, to which the same is done.
class ClientBehaviour : public ::testing::TestWithParam<const char*> {
 protected:
  ClientBehaviour() : remote_(Connect()) {
    DatabaseOptions options;
    options.create_if_missing = true;
    Result<std::unique_ptr<Database>> local = Database::Open(dir_.file("db"), options);
    EXPECT_OK(local);
    local_ = *std::move(local);
  }

  /// Searches that wait for others' may be answered with them.
  static ServiceOptions Serving() {
    ServiceOptions options;
    if (std::string(GetParam()).ends_with("_gathered")) {
      options.gather_micros = 500;
      options.search_slots = 1;
    }
    return options;
  }

  std::unique_ptr<Database> Connect() {
    return std::string(GetParam()).starts_with("http") ? ConnectOverHttp(served_.http()->port())
                                                       : served_.Connect();
  }

  /// Does `call` to both databases and expects what they answer to look the same.
  template <typename Call>
  void ExpectSame(const Call& call) {
    EXPECT_EQ(Shown(call(*remote_)), Shown(call(*local_)));
  }

  /// The same with the collection "c" of each.
  template <typename Call>
  void ExpectSameOf(const Call& call) {
    ExpectSame([&](Database& database) {
      Result<std::shared_ptr<Collection>> collection = database.OpenCollection("c");
      EXPECT_OK(collection);
      return call(**collection);
    });
  }

  static CollectionOptions Options() {
    CollectionOptions options;
    options.vectors = {{.dim = kDim, .metric = Metric::kL2},
                       {.name = "image", .dim = 2, .metric = Metric::kCosine}};
    return options;
  }

  void Create() {
    ExpectSame([](Database& database) { return database.CreateCollection("c", Options()); });
  }

  static Record MakeRecord(int number) {
    Record record;
    record.id = "r" + std::to_string(number);
    record.vector = {static_cast<float>(number), 1, 0, static_cast<float>(number % 3)};
    record.named_vectors = {{"image", {1, static_cast<float>(number)}}};
    record.payload = "{\"n\":" + std::to_string(number) + "}";
    return record;
  }

  void Fill(int rows) {
    ExpectSameOf([rows](Collection& collection) {
      std::vector<Record> records;
      for (int i = 0; i < rows; ++i) {
        records.push_back(MakeRecord(i));
      }
      return collection.Upsert(std::move(records));
    });
  }

  testing::TempDir dir_;
  ServedDatabase served_{Serving()};
  std::unique_ptr<Database> local_;
  std::unique_ptr<Database> remote_;
};

TEST_P(ClientBehaviour, CollectionsAreMadeDescribedListedAndDropped) {
  Create();
  ExpectSame([](Database& database) { return database.CreateCollection("c", Options()); });
  ExpectSame([](Database& database) { return database.OpenCollection("c"); });
  ExpectSame([](Database& database) { return database.OpenCollection("none"); });
  ExpectSame([](Database& database) { return database.ListCollections(); });
  ExpectSame([](Database& database) { return database.DropCollection("none"); });
  ExpectSame([](Database& database) { return database.DropCollection("c"); });
  ExpectSame([](Database& database) { return database.ListCollections(); });
}

TEST_P(ClientBehaviour, CollectionsAreAltered) {
  Create();
  CollectionChanges changes;
  changes.vectors.resize(2);
  changes.vectors[0].index = IndexKind::kHnsw;
  changes.vectors[0].m = 8;
  changes.vectors[0].ef_construction = 60;
  changes.vectors[0].codes = CodeType::kSq8;
  changes.vectors[1].name = "image";
  changes.vectors[1].nlist = 0;
  changes.language = "th";
  const auto alter = [&](Database& database) { return database.AlterCollection("c", changes); };
  ExpectSame(alter);
  ExpectSame([](Database& database) { return database.OpenCollection("c"); });
  changes.language = "";
  ExpectSame(alter);
  changes.vectors[1].name = "vector";
  ExpectSame(alter);
  changes = {};
  ExpectSame(alter);
  ExpectSame([&](Database& database) { return database.AlterCollection("none", changes); });
  changes.vectors.resize(1);
  changes.vectors[0].codes = CodeType::kPq4;  // hnsw has no such codes
  ExpectSame(alter);
}

TEST_P(ClientBehaviour, BadCollectionsAreRefusedAlike) {
  const std::function<void(CollectionOptions&)> faults[] = {
      [](CollectionOptions& options) { options.vectors[0].dim = 0; },
      [](CollectionOptions& options) { options.vectors[0].dim = kMaxDim + 1; },
      [](CollectionOptions& options) { options.vectors[0].m = 1; },
      [](CollectionOptions& options) { options.vectors[1].name = "vector"; },
      [](CollectionOptions& options) { options.vectors.clear(); },
      [](CollectionOptions& options) {
        options.vectors[0].index = IndexKind::kHnsw;
        options.vectors[0].codes = CodeType::kPq4;
      },
      [](CollectionOptions& options) { options.embedder = "unknown"; },
  };
  for (size_t i = 0; i < std::size(faults); ++i) {
    SCOPED_TRACE(i);
    CollectionOptions options = Options();
    faults[i](options);
    const auto create = [&](Database& database) {
      return database.CreateCollection("bad", options).status().code();
    };
    EXPECT_EQ(create(*remote_), create(*local_));
    EXPECT_NE(create(*remote_), StatusCode::kOk);
  }
  for (const std::string& name : {std::string(), std::string("a/b"), std::string(129, 'n')}) {
    const auto create = [&](Database& database) {
      return database.CreateCollection(name, Options()).status();
    };
    EXPECT_THAT(create(*remote_), StatusIs(create(*local_).code()));
  }
  EXPECT_TRUE(remote_->ListCollections()->empty());
}

TEST_P(ClientBehaviour, BatchesMixChangesInTheirOrder) {
  Create();
  Fill(10);
  ExpectSameOf([](Collection& collection) {
    WriteBatch batch;
    batch.Upsert(MakeRecord(3));
    batch.PatchPayload("r3", "{\"tag\":\"a\"}");
    batch.Delete("r4");
    batch.Delete("unknown");
    return collection.Write(batch);
  });
  ExpectSameOf([](Collection& collection) {
    return collection.Get({"r3", "r4", "none", "r3", "r9"});
  });
  ExpectSameOf([](Collection& collection) {
    WriteBatch batch;
    batch.Upsert(MakeRecord(77));
    batch.PatchPayload("none", "{}");  // fails all of it
    return collection.Write(batch);
  });
  ExpectSameOf([](Collection& collection) { return collection.Count(std::nullopt); });
  ExpectSameOf([](Collection& collection) { return collection.Delete({"r1", "r1", "none"}); });
  ExpectSameOf([](Collection& collection) { return collection.Delete({}); });
  ExpectSameOf(
      [](Collection& collection) { return collection.DeleteWhere(*Filter::Parse("n >= 8")); });
  ExpectSameOf([](Collection& collection) { return collection.Count(std::nullopt); });
}

TEST_P(ClientBehaviour, BadRecordsAreRefusedAlike) {
  Create();
  const std::function<void(Record&)> faults[] = {
      [](Record& record) { record.id = ""; },
      [](Record& record) { record.id = std::string(kMaxIdBytes + 1, 'i'); },
      [](Record& record) { record.vector.pop_back(); },
      [](Record& record) { record.vector[0] = NAN; },
      [](Record& record) { record.vector[0] = 2 * kMaxComponent; },
      [](Record& record) {
        record.named_vectors[0].values = {0, 0};
      },
      [](Record& record) { record.named_vectors[0].name = "unknown"; },
      [](Record& record) { record.payload = "{"; },
      [](Record& record) { record.payload = "[]"; },
      [](Record& record) {
        record.vector.clear();
        record.named_vectors.clear();
      },
  };
  for (size_t i = 0; i < std::size(faults); ++i) {
    SCOPED_TRACE(i);
    const auto upsert = [&](Database& database) {
      Record record = MakeRecord(1);
      faults[i](record);
      return (*database.OpenCollection("c"))->Upsert({record}).status().code();
    };
    EXPECT_EQ(upsert(*remote_), upsert(*local_));
    EXPECT_EQ(upsert(*remote_), StatusCode::kInvalidArgument);
  }
  ExpectSameOf([](Collection& collection) { return collection.Count(std::nullopt); });
}

TEST_P(ClientBehaviour, SearchesFindTheSame) {
  Create();
  Fill(200);
  const std::vector<float> query = {50.2F, 1, 0, 1};
  std::vector<SearchOptions> variants(9);
  variants[1].limit = 3;
  variants[2].filter = *Filter::Parse("n < 20");
  variants[3].exact = true;
  variants[4].with_payload = true;
  variants[4].with_vectors = true;
  variants[5].explain = true;
  variants[6].min_score = 9;
  variants[7].with_payload = true;
  variants[7].fields = {"none"};
  variants[8].group_by = "n";
  for (const SearchOptions& options : variants) {
    ExpectSameOf([&](Collection& collection) { return collection.Search(query, options); });
  }
  ExpectSameOf([](Collection& collection) { return collection.SearchId("r7", Nearest(4)); });
  ExpectSameOf([](Collection& collection) {
    return collection.Search(std::vector<float>{1, 2}, Nearest(2, "image"));
  });
}

TEST_P(ClientBehaviour, AsyncSearchesFindAndRefuseTheSame) {
  Create();
  Fill(200);
  std::vector<SearchOptions> variants(5);
  variants[1].filter = *Filter::Parse("n < 20");
  variants[2].with_payload = true;
  variants[2].with_vectors = true;
  variants[3].limit = 0;
  variants[4].vector_field = "unknown";
  const std::vector<float> query = {50.2F, 1, 0, 1};
  for (const SearchOptions& options : variants) {
    ExpectSameOf([&](Collection& collection) {
      std::promise<Result<SearchResponse>> found;
      collection.SearchAsync(query, options, [&found](Result<SearchResponse> answer) {
        found.set_value(std::move(answer));
      });
      Result<SearchResponse> answer = found.get_future().get();
      EXPECT_EQ(Shown(answer), Shown(collection.Search(query, options)));
      return answer;
    });
  }
}

TEST_P(ClientBehaviour, TargetRecallReachesTheIndex) {
  CollectionOptions lists;
  lists.vectors.resize(1);
  lists.vectors[0].dim = 4;
  lists.vectors[0].metric = Metric::kL2;
  lists.vectors[0].index = IndexKind::kIvf;
  lists.vectors[0].codes = CodeType::kPq4;
  for (Database* database : {local_.get(), remote_.get()}) {
    ASSERT_OK_AND_ASSIGN(const auto collection, database->CreateCollection("c", lists));
    std::vector<Record> records(400);
    for (size_t i = 0; i < records.size(); ++i) {
      records[i].id = "r" + std::to_string(i);
      for (const size_t step : {7U, 11U, 13U, 17U}) {
        records[i].vector.push_back(static_cast<float>(i * step % 101));
      }
    }
    ASSERT_OK(collection->Upsert(std::move(records)));
    ASSERT_OK(collection->Optimize());
  }
  SearchOptions options;
  options.explain = true;
  options.full_scan_threshold = 0;
  uint64_t nprobe = 0;
  for (const double target : {0.5, 0.9, 0.999}) {
    options.target_recall = target;
    const auto search = [&](Collection& collection) {
      return collection.Search(std::vector<float>{50, 40, 30, 20}, options);
    };
    ExpectSameOf(search);
    const auto found = search(**remote_->OpenCollection("c"));
    ASSERT_OK(found);
    const PlanStep& step = found->plan->steps.at(0);
    EXPECT_GE(step.nprobe, nprobe);
    EXPECT_EQ(step.target_missed, *step.promised_recall < target - 1e-9);
    nprobe = step.nprobe;
  }
  EXPECT_GT(nprobe, 1U);
  ExpectSameOf([](Collection& collection) -> Result<std::vector<IndexStats>> {
    LEADLINE_ASSIGN_OR_RETURN(const CollectionStats stats, collection.Stats());
    EXPECT_FALSE(stats.indexes.at(0).curve.empty());
    return stats.indexes;
  });
}

TEST_P(ClientBehaviour, StatsSayHowManyAxesRowsLieAlong) {
  constexpr size_t kWidth = 40;
  CollectionOptions lists;
  lists.vectors.resize(1);
  lists.vectors[0].dim = kWidth;
  lists.vectors[0].metric = Metric::kL2;
  lists.vectors[0].index = IndexKind::kIvf;
  lists.vectors[0].codes = CodeType::kPca8;
  Rng rng(3);
  std::vector<Record> records(2200);
  for (size_t i = 0; i < records.size(); ++i) {
    records[i].id = "r" + std::to_string(i);
    records[i].vector.resize(kWidth);
    for (size_t direction = 1; direction < 6; ++direction) {
      const double length = rng.Gaussian();
      for (size_t d = 0; d < kWidth; ++d) {
        records[i].vector[d] += static_cast<float>(length * std::sin(direction * d));
      }
    }
  }
  for (Database* database : {local_.get(), remote_.get()}) {
    ASSERT_OK_AND_ASSIGN(const auto collection, database->CreateCollection("c", lists));
    ASSERT_OK(collection->Upsert(records));
    ASSERT_OK(collection->Optimize());
    ASSERT_OK_AND_ASSIGN(const CollectionStats stats, collection->Stats());
    EXPECT_EQ(stats.indexes.at(0).axes, 24U);
  }
  ExpectSameOf([](Collection& collection) -> Result<std::vector<IndexStats>> {
    LEADLINE_ASSIGN_OR_RETURN(const CollectionStats stats, collection.Stats());
    return stats.indexes;
  });
}

TEST_P(ClientBehaviour, SearchesBesideOthersFindTheSame) {
  Create();
  Fill(4000);
  std::vector<SearchOptions> kinds = {Nearest(3), Nearest(9), Nearest(5, "image"), Nearest(0)};
  kinds[1].filter = *Filter::Parse("n < 2000");
  kinds[1].with_payload = true;
  const auto query = [](int number, const SearchOptions& options) {
    return options.vector_field.empty() ? std::vector<float>{static_cast<float>(number), 1, 0, 1}
                                        : std::vector<float>{1, static_cast<float>(number)};
  };
  const auto together = [this] {
    const std::string text = served_.service()->MetricsText();
    const std::string name = "leadline_gathered_queries_count ";
    return std::stoi(text.substr(text.find(name) + name.size()));
  };
  const std::shared_ptr<Collection> here = *local_->OpenCollection("c");
  const auto search = [&](Database* database, int caller) {
    const std::shared_ptr<Collection> there = *database->OpenCollection("c");
    for (int i = 0; i < 60; ++i) {
      const SearchOptions& options = kinds[static_cast<size_t>(i) % kinds.size()];
      const std::vector<float> vector = query(caller * 500 + i, options);
      EXPECT_EQ(Shown(there->Search(vector, options)), Shown(here->Search(vector, options)));
    }
  };
  // Whether any meet is chance: until some did, where they may.
  const bool may_meet = std::string(GetParam()).ends_with("_gathered");
  for (int round = 0; round < 20 && (round == 0 || (may_meet && together() == 0)); ++round) {
    std::vector<std::unique_ptr<Database>> callers;
    std::vector<std::thread> threads;
    for (int caller = 0; caller < 6; ++caller) {
      callers.push_back(Connect());
      threads.emplace_back(
          [&, caller, database = callers.back().get()] { search(database, caller); });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
  }
  EXPECT_EQ(together() > 0, may_meet);
}

TEST_P(ClientBehaviour, BadSearchesAreRefusedAlike) {
  Create();
  Fill(20);
  std::vector<SearchOptions> faults(9);
  faults[0].limit = 0;
  faults[1].limit = kMaxTopK + 1;
  faults[2].target_recall = 1.0;
  faults[3].ef_search = kMaxEfSearch + 1;
  faults[4].nprobe = kMaxNprobe + 1;
  faults[5].vector_field = "unknown";
  faults[6].timeout_ms = -1;
  faults[7].target_recall = -0.95;
  faults[8].target_recall = 0.4;
  for (size_t i = 0; i < faults.size(); ++i) {
    SCOPED_TRACE(i);
    ExpectSameOf([&](Collection& collection) {
      return collection.Search(std::vector<float>{1, 2, 3, 4}, faults[i]);
    });
  }
  for (const std::vector<float>& query :
       {std::vector<float>{1, 2, 3}, std::vector<float>{1, NAN, 3, 4}, std::vector<float>{}}) {
    const auto search = [&](Database& database) {
      return (*database.OpenCollection("c"))->Search(query).status().code();
    };
    EXPECT_EQ(search(*remote_), search(*local_));
    EXPECT_EQ(search(*remote_), StatusCode::kInvalidArgument);
  }
  ExpectSameOf([](Collection& collection) { return collection.SearchId("none"); });
  ExpectSameOf([](Collection& collection) { return collection.SearchText("no embedder"); });
}

TEST_P(ClientBehaviour, BatchesOfAnySizeEqualSingleSearches) {
  Create();
  Fill(300);
  // More rows than fit one call.
  std::vector<float> matrix;
  for (int i = 0; i < 5000; ++i) {
    matrix.insert(matrix.end(), {static_cast<float>(i % 300), 1, 0, 1});
  }
  for (const size_t rows : {size_t{0}, size_t{1}, size_t{7}, size_t{33}, size_t{5000}}) {
    ExpectSameOf([&](Collection& collection) {
      return collection.SearchBatch({matrix.data(), rows, kDim}, Nearest(2));
    });
  }
  // HTTP sends rows, so the error names one of them.
  ExpectSameOf([&](Collection& collection) {
    const auto found = collection.SearchBatch({matrix.data(), 2, 3}, Nearest(2));
    return std::string(StatusCodeName(found.status().code()));
  });
}

TEST_P(ClientBehaviour, ScrollsPageThroughEverything) {
  Create();
  Fill(25);
  std::string cursor;
  int pages = 0;
  do {
    ScrollOptions options;
    options.limit = 7;
    options.cursor = cursor;
    options.filter = *Filter::Parse("n != 5");
    ExpectSameOf([&](Collection& collection) { return collection.Scroll(options); });
    cursor = (*remote_->OpenCollection("c"))->Scroll(options)->next_cursor;
    ++pages;
  } while (!cursor.empty());
  EXPECT_EQ(pages, 4);
  ExpectSameOf([](Collection& collection) {
    ScrollOptions options;
    options.cursor = "nonsense";
    return collection.Scroll(options);
  });
}

TEST_P(ClientBehaviour, SnapshotsKeepTheirMoment) {
  Create();
  Fill(10);
  const auto pinned = [](Database& database) {
    std::shared_ptr<const Snapshot> snapshot = *database.TakeSnapshot();
    const std::shared_ptr<Collection> collection = *database.OpenCollection("c");
    EXPECT_OK(collection->Delete({"r1"}));
    ReadOptions read;
    read.snapshot = snapshot;
    SearchOptions search;
    search.snapshot = snapshot;
    ScrollOptions scroll;
    scroll.read = read;
    return Shown(collection->Count(std::nullopt, read)) + Shown(collection->Get({"r1"}, read)) +
           Shown(collection->Search(std::vector<float>{1, 1, 0, 1}, search)) +
           Shown(collection->Scroll(scroll)) + Shown(collection->Count(std::nullopt));
  };
  EXPECT_EQ(pinned(*remote_), pinned(*local_));

  const std::shared_ptr<const Snapshot> local = *local_->TakeSnapshot();
  ReadOptions wrong;
  wrong.snapshot = local;
  EXPECT_THAT((*remote_->OpenCollection("c"))->Count(std::nullopt, wrong),
              StatusIs(StatusCode::kInvalidArgument, "snapshot of another database"));
}

TEST_P(ClientBehaviour, TextIsEmbeddedByTheServerOrHere) {
  CollectionOptions options;
  options.vectors = {{.dim = 256, .metric = Metric::kCosine}};
  options.text_fields = {"text"};
  options.embedder = "static";
  ExpectSame([&](Database& database) { return database.CreateCollection("c", options); });
  ExpectSameOf([](Collection& collection) -> Result<WriteResult> {
    LEADLINE_ASSIGN_OR_RETURN(const auto embedder, collection.OpenEmbedder());
    std::vector<Record> records;
    for (const std::string_view text : {"cats sleep all day", "stocks fell sharply"}) {
      Record record;
      record.id = std::string(text.substr(0, 4));
      record.vector.resize(embedder->dim());
      LEADLINE_RETURN_IF_ERROR(embedder->Embed({&text, 1}, record.vector));
      records.push_back(std::move(record));
    }
    return collection.Upsert(std::move(records));
  });
  ExpectSameOf(
      [](Collection& collection) { return collection.SearchText("a sleepy kitten", Nearest(1)); });
  ExpectSameOf([](Collection& collection) { return collection.SearchText(""); });
}

TEST_P(ClientBehaviour, UpkeepWorksFromAfar) {
  Create();
  Fill(100);
  ExpectSame([](Database& database) { return database.Flush(); });
  ExpectSame([](Database& database) { return database.Refresh(); });
  ExpectSameOf([](Collection& collection) { return collection.Optimize(); });
  ExpectSameOf([](Collection& collection) -> Result<std::string> {
    LEADLINE_ASSIGN_OR_RETURN(const CollectionStats stats, collection.Stats());
    return std::to_string(stats.rows) + " " + std::to_string(stats.segment_rows) + " " +
           std::to_string(stats.tail_rows) + Shown(stats.indexes);
  });
  ExpectSame([](Database& database) -> Result<std::string> {
    LEADLINE_ASSIGN_OR_RETURN(const DatabaseStats stats, database.Stats());
    const bool in_memory = stats.memory.heap_bytes > 0 && stats.memory.resident_vector_bytes > 0;
    return std::to_string(stats.sequence) + " " + std::to_string(stats.collections) +
           (in_memory ? " in memory " : " ") + std::to_string(stats.memory.kept_bytes);
  });
  ExpectSame([](Database& database) -> Result<std::string> {
    LEADLINE_ASSIGN_OR_RETURN(const CheckReport report, database.Check());
    return std::to_string(report.rows) + (report.ok() ? " ok" : " damaged");
  });
  ASSERT_OK(remote_->Backup("copy"));
  EXPECT_THAT(remote_->Backup("copy"), StatusIs(StatusCode::kAlreadyExists));
  EXPECT_THAT(remote_->Backup("../copy"), StatusIs(StatusCode::kInvalidArgument, "field=name"));
  ASSERT_OK_AND_ASSIGN(const auto copy, Database::Open(served_.path("copy")));
  EXPECT_EQ(*(*copy->OpenCollection("c"))->Count(std::nullopt), 100U);
}

TEST_P(ClientBehaviour, CancelAndDeadlineReachTheServer) {
  Create();
  Fill(10);
  const std::shared_ptr<Collection> collection = *remote_->OpenCollection("c");
  CancelToken cancelled;
  cancelled.Cancel();
  SearchOptions stopped;
  stopped.cancel = &cancelled;
  EXPECT_THAT(collection->Search(std::vector<float>{1, 2, 3, 4}, stopped),
              StatusIs(StatusCode::kCancelled));
  SearchOptions hurried;
  hurried.exact = true;
  hurried.timeout_ms = 5;
  std::vector<float> matrix(4096 * kDim, 1.0F);
  ASSERT_OK(collection->Upsert([] {
    std::vector<Record> records;
    for (int i = 0; i < 15'000; ++i) {
      records.push_back(MakeRecord(i));
    }
    return records;
  }()));
  EXPECT_THAT(collection->SearchBatch({matrix.data(), 4096, kDim}, hurried),
              StatusIs(StatusCode::kDeadlineExceeded));
  CallOptions backup;
  backup.cancel = &cancelled;
  EXPECT_THAT(remote_->Backup("stopped", backup), StatusIs(StatusCode::kCancelled));
}

TEST_P(ClientBehaviour, AClosedOrUnreachableDatabaseSaysSo) {
  Create();
  const std::shared_ptr<Collection> collection = *remote_->OpenCollection("c");
  const std::unique_ptr<Database> other = Connect();
  ExpectSame([](Database& database) { return database.Close(); });
  EXPECT_THAT(collection->Count(std::nullopt), StatusIs(StatusCode::kFailedPrecondition));
  ASSERT_OK(other->ListCollections());  // closing one handle is seen by no other
  served_.server()->Shutdown(0);
  served_.http()->Shutdown(0);
  EXPECT_THAT(other->ListCollections(), StatusIs(StatusCode::kUnavailable));
  ClientOptions options;
  options.connect_timeout_ms = 50;
  EXPECT_THAT(Client::Connect("127.0.0.1:1", options), StatusIs(StatusCode::kUnavailable));
  options.connect_timeout_ms = 0;
  EXPECT_THAT(Client::Connect("127.0.0.1:1", options),
              StatusIs(StatusCode::kInvalidArgument, "field=connect_timeout_ms"));
}

TEST_P(ClientBehaviour, RandomCallsAnswerAlike) {
  Create();
  const uint64_t seed = testing::TestSeed(44);
  Rng rng(seed);
  for (int step = 0; step < 600 && !HasFailure(); ++step) {
    SCOPED_TRACE("seed " + std::to_string(seed) + " step " + std::to_string(step));
    const int number = static_cast<int>(rng.Uniform(60));
    const std::string id = "r" + std::to_string(number);
    const auto filter = *Filter::Parse("n < " + std::to_string(rng.Uniform(60)));
    switch (rng.Uniform(6)) {
      case 0:
        ExpectSameOf(
            [&](Collection& collection) { return collection.Upsert({MakeRecord(number)}); });
        break;
      case 1:
        ExpectSameOf([&](Collection& collection) { return collection.Delete({id}); });
        break;
      case 2:
        ExpectSameOf([&](Collection& collection) { return collection.Get({id}); });
        break;
      case 3:
        ExpectSameOf([&](Collection& collection) { return collection.Count(filter); });
        break;
      case 4:
        ExpectSameOf([&](Collection& collection) {
          WriteBatch batch;
          batch.PatchPayload(id, "{\"step\":" + std::to_string(step) + "}");
          return collection.Write(batch);
        });
        break;
      default:
        ExpectSameOf([&](Collection& collection) {
          SearchOptions options;
          options.filter = filter;
          options.with_payload = true;
          return collection.Search(MakeRecord(number).vector, options);
        });
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Transports, ClientBehaviour,
                         ::testing::Values("grpc", "http", "grpc_gathered", "http_gathered"),
                         [](const auto& transport) { return std::string(transport.param); });

}  // namespace
}  // namespace leadline::rpc
