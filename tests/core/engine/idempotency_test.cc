// Writes with an idempotency key are done at most once: across repeats, threads, reopening, power
// cuts, copies and a full disk. What is remembered has an end in time and in number.

#include <atomic>
#include <map>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "engine_fixture.h"
#include "idempotency_entry.h"
#include "power_cut_file_system.h"
#include "store_forge.h"
#include "test_clock.h"
#include "test_environment.h"

namespace leadline::testing {
namespace {

using kv::Table;

std::string Shown(const WriteResult& result) {
  return "sequence " + std::to_string(result.sequence) + " upserted " +
         std::to_string(result.upserted) + " patched " + std::to_string(result.patched) +
         " deleted " + std::to_string(result.deleted);
}

std::string Shown(const Result<WriteResult>& result) {
  return result.ok() ? Shown(*result) : result.status().ToString();
}

class IdempotencyTest : public EngineTest {
 protected:
  void SetUp() override {
    options_.clock = &clock_;
    options_.background_maintenance = false;
    Open();
    Create(2);
  }

  [[nodiscard]] WriteBatch Upserts(const std::string& key, size_t first, size_t end) const {
    WriteBatch batch;
    batch.SetIdempotencyKey(key);
    for (size_t i = first; i < end; ++i) {
      batch.Upsert(MakeRecord(i));
    }
    return batch;
  }

  [[nodiscard]] uint64_t Sequence() const { return database_->Stats()->sequence; }

  [[nodiscard]] uint64_t Rows() const { return collection_->Count(std::nullopt).value(); }

  /// Writes `batch`, which must be done now.
  void ExpectDone(const WriteBatch& batch) {
    const uint64_t before = Sequence();
    const Result<WriteResult> result = collection_->Write(batch);
    ASSERT_OK(result);
    EXPECT_EQ(result->sequence, before + 1);
    EXPECT_EQ(Sequence(), before + 1);
  }

  /// Writes `batch`, which must change nothing and give `earlier`.
  void ExpectRepeated(const WriteBatch& batch, const WriteResult& earlier) {
    const uint64_t before = Sequence();
    EXPECT_EQ(Shown(collection_->Write(batch)), Shown(earlier));
    EXPECT_EQ(Sequence(), before);
  }

  /// The labels of what check finds.
  std::set<std::string> Labels() {
    std::set<std::string> labels;
    const Result<CheckReport> report = database_->Check();
    EXPECT_OK(report);
    for (const CheckProblem& problem : report->problems) {
      labels.insert(problem.invariant);
    }
    return labels;
  }

  ManualClock clock_;
  TestClock leaping_;
};

TEST_F(IdempotencyTest, ARepeatedWriteChangesNothingAndGivesTheSameResult) {
  WriteBatch batch = Upserts("k", 0, 3);
  batch.PatchPayload("r1", R"({"patched":true})");
  batch.Delete("r2");
  batch.Delete("nobody");
  ASSERT_OK_AND_ASSIGN(const WriteResult first, collection_->Write(batch));
  EXPECT_EQ(Shown(first), "sequence 1 upserted 3 patched 1 deleted 1");
  ExpectRepeated(batch, first);
  // What came after it stays.
  ASSERT_OK(collection_->Delete({"r1"}));
  ExpectRepeated(batch, first);
  EXPECT_EQ(Rows(), 1U);
  ExpectDone(Upserts("another", 0, 3));
  ExpectDone(Upserts("", 0, 3));
  ExpectDone(Upserts("", 0, 3));
  ExpectSound();
}

TEST_F(IdempotencyTest, AKeyIsRefusedForAnotherContent) {
  ASSERT_OK_AND_ASSIGN(const WriteResult first, collection_->Write(Upserts("k", 0, 2)));
  WriteBatch other_payload;
  other_payload.SetIdempotencyKey("k");
  for (size_t i = 0; i < 2; ++i) {
    Record record = MakeRecord(i);
    record.payload = i == 1 ? R"({"n":2})" : record.payload;
    other_payload.Upsert(std::move(record));
  }
  WriteBatch other_vector;
  other_vector.SetIdempotencyKey("k");
  for (size_t i = 0; i < 2; ++i) {
    Record record = MakeRecord(i);
    record.vector[1] += i == 1 ? 1.0F : 0.0F;
    other_vector.Upsert(std::move(record));
  }
  WriteBatch expiring;
  expiring.SetIdempotencyKey("k");
  for (size_t i = 0; i < 2; ++i) {
    Record record = MakeRecord(i);
    record.expires_at_ms = 4'102'444'800'000;
    expiring.Upsert(std::move(record));
  }
  WriteBatch deletions;
  deletions.SetIdempotencyKey("k");
  deletions.Delete("r0");
  deletions.Delete("r1");
  for (const WriteBatch& batch : {Upserts("k", 0, 1), Upserts("k", 0, 3), Upserts("k", 1, 3),
                                  other_payload, other_vector, expiring, deletions}) {
    const Result<WriteResult> result = collection_->Write(batch);
    EXPECT_THAT(result, StatusIs(StatusCode::kAlreadyExists));
    EXPECT_EQ(result.status().field(), "idempotency_key");
  }
  EXPECT_EQ(Sequence(), 1U);
  ExpectRepeated(Upserts("k", 0, 2), first);
}

TEST_F(IdempotencyTest, HowAVectorIsGivenIsNoDifferenceInContent) {
  ASSERT_OK_AND_ASSIGN(const WriteResult first, collection_->Write(Upserts("k", 0, 1)));
  Record record = MakeRecord(0);
  record.named_vectors = {{"vector", std::move(record.vector)}};
  record.vector.clear();
  WriteBatch batch;
  batch.SetIdempotencyKey("k");
  batch.Upsert(std::move(record));
  ExpectRepeated(batch, first);
}

TEST_F(IdempotencyTest, KeysHaveBounds) {
  ExpectDone(Upserts(std::string(kMaxIdempotencyKeyBytes, '~'), 0, 1));
  ExpectDone(Upserts(" ", 0, 1));
  for (const std::string& bad :
       {std::string(kMaxIdempotencyKeyBytes + 1, 'k'), std::string("a\nb"), std::string("\x7f"),
        std::string("k\xc3\xa9"), std::string("\0", 1)}) {
    const Result<WriteResult> result = collection_->Write(Upserts(bad, 0, 1));
    EXPECT_THAT(result, StatusIs(StatusCode::kInvalidArgument));
    EXPECT_EQ(result.status().field(), "idempotency_key");
  }
  WriteBatch cleared = Upserts(" ", 0, 1);
  cleared.Clear();
  cleared.Upsert(MakeRecord(7));
  ExpectDone(cleared);
}

TEST_F(IdempotencyTest, AWriteThatFailsLeavesItsKeyFree) {
  WriteBatch patch;
  patch.SetIdempotencyKey("k");
  patch.PatchPayload("r0", R"({"patched":true})");
  EXPECT_THAT(collection_->Write(patch), StatusIs(StatusCode::kNotFound));
  ASSERT_OK(collection_->Upsert({MakeRecord(0)}));
  ExpectDone(patch);
  EXPECT_THAT(collection_->Write(Upserts("bad", 0, 0)), StatusIs(StatusCode::kInvalidArgument));
  ExpectDone(Upserts("bad", 5, 6));
}

TEST_F(IdempotencyTest, ThreadsWithOneKeyWriteOnce) {
  constexpr size_t kThreads = 8;
  constexpr size_t kRounds = 100;
  std::atomic<size_t> waiting{0};
  std::vector<std::vector<std::string>> results(kThreads);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (size_t round = 0; round < kRounds; ++round) {
        waiting.fetch_add(1);
        while (waiting.load() < (round + 1) * kThreads) {
          std::this_thread::yield();
        }
        // Odd rounds: two contents, of which one wins.
        const size_t rows = 1 + (round % 2 == 1 ? t % 2 : 0);
        const Result<WriteResult> result =
            collection_->Write(Upserts("round " + std::to_string(round), 0, rows));
        results[t].push_back(result.ok() ? Shown(*result) : "refused");
        EXPECT_TRUE(result.ok() ||
                    (round % 2 == 1 && result.status().code() == StatusCode::kAlreadyExists))
            << Shown(result);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(Sequence(), kRounds);
  for (size_t round = 0; round < kRounds; ++round) {
    std::set<std::string> outcomes;
    for (size_t t = 0; t < kThreads; ++t) {
      outcomes.insert(results[t][round]);
    }
    EXPECT_EQ(outcomes.size(), round % 2 == 1 ? 2U : 1U) << "round " << round;
  }
  ExpectSound();
}

TEST_F(IdempotencyTest, ReopeningForgetsNothing) {
  ASSERT_OK_AND_ASSIGN(const WriteResult first, collection_->Write(Upserts("k", 0, 5)));
  Reopen();
  ExpectRepeated(Upserts("k", 0, 5), first);
  ExpectDone(Upserts("l", 0, 5));
  Reopen();
  ExpectRepeated(Upserts("k", 0, 5), first);
  ExpectSound();
}

TEST_F(IdempotencyTest, ACopyRemembersToo) {
  ASSERT_OK_AND_ASSIGN(const WriteResult first, collection_->Write(Upserts("k", 0, 5)));
  ASSERT_OK(database_->Backup(dir_.file("backup")));
  Close();
  ASSERT_OK(Database::Restore(dir_.file("backup"), dir_.file("restored")));
  ASSERT_OK_AND_ASSIGN(database_, Database::Open(dir_.file("restored"), options_));
  ASSERT_OK_AND_ASSIGN(collection_, database_->OpenCollection("c"));
  ExpectRepeated(Upserts("k", 0, 5), first);
  ExpectSound();
}

TEST_F(IdempotencyTest, KeysAreTheCollectionsOwnAndGoWithIt) {
  ASSERT_OK(collection_->Write(Upserts("k", 0, 5)));
  CollectionOptions shape;
  shape.vectors = collection_->options().vectors;
  ASSERT_OK_AND_ASSIGN(const auto other, database_->CreateCollection("other", shape));
  ASSERT_OK_AND_ASSIGN(const WriteResult there, other->Write(Upserts("k", 0, 3)));
  EXPECT_EQ(Shown(there), "sequence 2 upserted 3 patched 0 deleted 0");
  ASSERT_OK(database_->DropCollection("c"));
  ASSERT_OK_AND_ASSIGN(collection_, database_->CreateCollection("c", shape));
  ExpectDone(Upserts("k", 0, 5));
  EXPECT_EQ(Shown(other->Write(Upserts("k", 0, 3))), Shown(there));
  ExpectSound();
  Close();
  const StoreForge forge(path());
  EXPECT_EQ(forge.Get(Table::kMeta, engine::IdempotencyEntryKey(1, "k")), "");
  EXPECT_NE(forge.Get(Table::kMeta, engine::IdempotencyEntryKey(2, "k")), "");
}

TEST_F(IdempotencyTest, AKeyIsFreeAgainAfterADay) {
  ASSERT_OK_AND_ASSIGN(const WriteResult first, collection_->Write(Upserts("k", 0, 5)));
  clock_.Advance(kIdempotencyLifeMs - 1);
  ExpectRepeated(Upserts("k", 0, 5), first);
  clock_.Advance(1);
  ExpectDone(Upserts("k", 1, 3));
  EXPECT_THAT(collection_->Write(Upserts("k", 0, 5)), StatusIs(StatusCode::kAlreadyExists));
  // Its life starts anew.
  clock_.Advance(kIdempotencyLifeMs - 1);
  EXPECT_THAT(collection_->Write(Upserts("k", 0, 5)), StatusIs(StatusCode::kAlreadyExists));
  ASSERT_OK(collection_->Optimize());
  EXPECT_THAT(collection_->Write(Upserts("k", 0, 5)), StatusIs(StatusCode::kAlreadyExists));
  ExpectSound();
}

TEST_F(IdempotencyTest, AClockThatLeapsAheadFreesNoKey) {
  Close();
  options_.clock = &leaping_;
  Open();
  ASSERT_OK_AND_ASSIGN(collection_, database_->OpenCollection("c"));
  ASSERT_OK_AND_ASSIGN(const WriteResult first, collection_->Write(Upserts("k", 0, 5)));
  leaping_.unix_millis += 10 * kIdempotencyLifeMs;
  ExpectRepeated(Upserts("k", 0, 5), first);
  ASSERT_OK(collection_->Optimize());
  ExpectRepeated(Upserts("k", 0, 5), first);
  leaping_.monotonic_nanos += kIdempotencyLifeMs * 1'000'000;
  ExpectDone(Upserts("k", 0, 5));
}

TEST_F(IdempotencyTest, WhatIsTooOldLeavesTheStore) {
  constexpr size_t kOld = 700;
  options_.durability = Durability::kOs;
  Reopen();
  for (size_t i = 0; i < kOld; ++i) {
    ASSERT_OK(collection_->Write(Upserts("old " + std::to_string(i), 0, 1)));
  }
  clock_.Advance(kIdempotencyLifeMs);
  ASSERT_OK_AND_ASSIGN(const WriteResult young, collection_->Write(Upserts("young", 0, 1)));
  ASSERT_OK(collection_->Optimize());
  ExpectRepeated(Upserts("young", 0, 1), young);
  ExpectSound();
  Close();
  const StoreForge forge(path());
  for (size_t i = 0; i < kOld; ++i) {
    EXPECT_EQ(forge.Get(Table::kMeta, engine::IdempotencyEntryKey(1, "old " + std::to_string(i))),
              "");
    EXPECT_EQ(forge.Get(Table::kMeta, engine::IdempotencyTurnKey(1 + i)), "");
  }
  EXPECT_NE(forge.Get(Table::kMeta, engine::IdempotencyEntryKey(1, "young")), "");
}

TEST_F(IdempotencyTest, TheBackgroundRemovesWhatIsTooOld) {
  Close();
  options_.background_maintenance = true;
  Open();
  ASSERT_OK_AND_ASSIGN(collection_, database_->OpenCollection("c"));
  ASSERT_OK(collection_->Write(Upserts("k", 0, 1)));
  clock_.Advance(kIdempotencyLifeMs);
  EXPECT_TRUE(Eventually([&] {
    kv::StoreOptions reading;
    reading.read_only = true;
    const auto store = kv::Store::Open(path() + "/store", reading);
    return store.ok() &&
           (*store)->Get(Table::kMeta, engine::IdempotencyEntryKey(1, "k"))->value_or("").empty();
  }));
}

TEST_F(IdempotencyTest, TheOldestGoWhenThereAreTooMany) {
  std::vector<WriteResult> results;
  for (size_t i = 0; i < 6; ++i) {
    ASSERT_OK_AND_ASSIGN(const WriteResult result,
                         collection_->Write(Upserts("k" + std::to_string(i), i, i + 1)));
    results.push_back(result);
  }
  Close();
  {
    // As if all but those six had been of collections that were dropped.
    StoreForge forge(path());
    forge.Put(Table::kMeta, std::string(engine::kIdempotencyRangeKey),
              engine::EncodeIdempotencyRange({1, 2 + kMaxIdempotencyEntries}));
    forge.Close();
  }
  Open();
  ASSERT_OK_AND_ASSIGN(collection_, database_->OpenCollection("c"));
  ExpectRepeated(Upserts("k0", 0, 1), results[0]);  // a repeat needs no room
  ExpectDone(Upserts("new", 0, 1));                 // the first two go for it
  ExpectRepeated(Upserts("k2", 2, 3), results[2]);
  ExpectRepeated(Upserts("k5", 5, 6), results[5]);
  ExpectDone(Upserts("k0", 0, 1));  // one more
  ExpectDone(Upserts("k1", 1, 2));
  ExpectRepeated(Upserts("k5", 5, 6), results[5]);
  ExpectSound();
}

TEST_F(IdempotencyTest, ARepeatIsAnsweredWhileTheDiskIsFull) {
  ASSERT_OK_AND_ASSIGN(const WriteResult first, collection_->Write(Upserts("k", 0, 5)));
  options_.min_free_bytes = uint64_t{1} << 60;
  Reopen();
  EXPECT_THAT(collection_->Write(Upserts("l", 0, 5)), StatusIs(StatusCode::kResourceExhausted));
  ExpectRepeated(Upserts("k", 0, 5), first);
  options_.min_free_bytes = 0;
  Reopen();
  ExpectDone(Upserts("l", 0, 5));
}

struct Damage {
  std::function<void(StoreForge*)> make;
  bool opens = true;      ///< a writer opens the database all the same
  bool remembers = true;  ///< the key's write is still known after the repair
};

/// Flips a bit of the value of `key`.
std::function<void(StoreForge*)> Flip(const std::string& key, size_t position) {
  return [=](StoreForge* forge) {
    std::string value = forge->Get(Table::kMeta, key);
    value.at(position) = static_cast<char>(value.at(position) ^ 2);
    forge->Put(Table::kMeta, key, value);
  };
}

std::function<void(StoreForge*)> Put(const std::string& key, const std::string& value) {
  return [=](StoreForge* forge) { forge->Put(Table::kMeta, key, value); };
}

TEST_F(IdempotencyTest, CheckFindsWhatIsDamagedAndRepairMendsIt) {
  const std::string entry = engine::IdempotencyEntryKey(1, "k");
  const std::string turn = engine::IdempotencyTurnKey(1);
  const std::string range(engine::kIdempotencyRangeKey);
  const std::vector<Damage> damages = {
      {Put(entry + "\n", "x")},
      {Put(entry.substr(0, 3), "x")},
      {[&](StoreForge* forge) { forge->Delete(Table::kMeta, turn); }},
      {Put(engine::IdempotencyTurnKey(2), "short")},
      {Put(engine::IdempotencyTurnKey(2), engine::EncodeIdempotencyTurn({1, 1, "k"}))},
      {Flip(turn, 0)},  // the time
      {Flip(turn, 8)},  // the collection
      {Put(range, engine::EncodeIdempotencyRange({2, 2}))},
      {Flip(entry, 48)},  // the number of its turn
      {Put(range, "short"), /*opens=*/false},
      {Put(entry, "short"), /*opens=*/true, /*remembers=*/false}};
  const WriteBatch batch = Upserts("k", 0, 5);
  clock_.Advance(Clock::System()->UnixMillis() - clock_.UnixMillis());  // a repair takes no other
  ASSERT_OK_AND_ASSIGN(const WriteResult first, collection_->Write(batch));
  for (size_t i = 0; i < damages.size(); ++i) {
    SCOPED_TRACE("damage " + std::to_string(i));
    Close();
    {
      StoreForge forge(path());
      damages[i].make(&forge);
      forge.Close();
    }
    if (damages[i].opens) {
      Open();
      EXPECT_EQ(Labels(), std::set<std::string>({"I9"}));
      Close();
    }
    ASSERT_OK_AND_ASSIGN(const RepairReport repaired, Database::Repair(path(), false));
    EXPECT_TRUE(repaired.sound);
    EXPECT_FALSE(repaired.lost_data);
    Reopen();
    if (damages[i].remembers) {
      ExpectRepeated(batch, first);
    } else {
      ExpectDone(batch);
    }
    ExpectSound();
  }
}

TEST_F(IdempotencyTest, AKeyWithADamagedEntryIsNotWrittenTwice) {
  ASSERT_OK(collection_->Write(Upserts("k", 0, 5)));
  Close();
  {
    StoreForge forge(path());
    forge.Put(Table::kMeta, engine::IdempotencyEntryKey(1, "k"), "short");
    forge.Close();
  }
  Open();
  ASSERT_OK_AND_ASSIGN(collection_, database_->OpenCollection("c"));
  EXPECT_THAT(collection_->Write(Upserts("k", 0, 5)), StatusIs(StatusCode::kDataLoss));
  ExpectDone(Upserts("l", 0, 5));
}

/// What a day's memory of keys has to be: a map.
class IdempotencyModel {
 public:
  static constexpr size_t kContents = 4;

  [[nodiscard]] static WriteBatch BatchOf(const std::string& key, size_t content) {
    WriteBatch batch;
    batch.SetIdempotencyKey(key);
    if (content == 0) {
      batch.Delete("r1");
      batch.Delete("r2");
      return batch;
    }
    Record record;
    record.id = "r" + std::to_string(content);
    record.vector = {static_cast<float>(content), 1};
    batch.Upsert(std::move(record));
    return batch;
  }

  /// What a write at `now_ms` has to give.
  std::string Write(const std::string& key, size_t content, int64_t now_ms) {
    const auto found = entries_.find(key);
    if (found != entries_.end() && now_ms - found->second.time_ms < kIdempotencyLifeMs) {
      return found->second.content == content ? Shown(found->second.result) : "refused";
    }
    WriteResult result;
    result.sequence = ++sequence_;
    if (content == 0) {
      result.deleted = rows_.erase(1) + rows_.erase(2);
    } else {
      result.upserted = 1;
      rows_.insert(content);
    }
    entries_[key] = {content, result, now_ms};
    return Shown(result);
  }

  [[nodiscard]] size_t rows() const { return rows_.size(); }

 private:
  struct Entry {
    size_t content = 0;
    WriteResult result;
    int64_t time_ms = 0;
  };

  std::map<std::string, Entry> entries_;
  std::set<size_t> rows_;
  SequenceNumber sequence_ = 0;
};

TEST_F(IdempotencyTest, AgreesWithAMapUnderRandomRepeats) {
  Rng rng(TestSeed(1));
  IdempotencyModel model;
  options_.durability = Durability::kOs;
  Reopen();
  for (size_t step = 0; step < 3000 && !HasFailure(); ++step) {
    SCOPED_TRACE("step " + std::to_string(step));
    const std::string key = "k" + std::to_string(rng.Uniform(30));
    const size_t content = rng.Uniform(IdempotencyModel::kContents);
    const std::string expected = model.Write(key, content, clock_.UnixMillis());
    const Result<WriteResult> result = collection_->Write(model.BatchOf(key, content));
    EXPECT_EQ(result.status().code() == StatusCode::kAlreadyExists ? "refused" : Shown(result),
              expected);
    switch (rng.Uniform(60)) {
      case 0:
        Reopen();
        break;
      case 1:
        ASSERT_OK(collection_->Optimize());
        break;
      case 2:
        ExpectSound();
        break;
      default:
        clock_.Advance(static_cast<int64_t>(rng.Uniform(kIdempotencyLifeMs / 40)));
    }
  }
  EXPECT_EQ(Rows(), model.rows());
  ExpectSound();
}

/// The database on a disk whose power is cut at each sync of the log.
class IdempotencyPowerCutTest : public EngineTest {
 protected:
  static constexpr size_t kBatches = 40;

  struct Image {
    std::unique_ptr<PowerCutFileSystem> disk;
    size_t acknowledged = 0;
  };

  [[nodiscard]] WriteBatch BatchOf(size_t number) const {
    WriteBatch batch;
    batch.SetIdempotencyKey("batch " + std::to_string(number));
    batch.Upsert(MakeRecord(number));
    batch.Delete("r" + std::to_string(number / 2));
    return batch;
  }

  /// Sends every batch again, as clients do that heard nothing of some.
  void ExpectOnceEach(const Image& image, const std::vector<WriteResult>& results) {
    DatabaseOptions options = options_;
    options.file_system = image.disk.get();
    ASSERT_OK_AND_ASSIGN(const auto database, Database::Open("/db", options));
    ASSERT_OK_AND_ASSIGN(const auto collection, database->OpenCollection("c"));
    const uint64_t kept = database->Stats()->sequence;
    EXPECT_GE(kept, image.acknowledged);
    for (size_t i = 0; i < kBatches; ++i) {
      EXPECT_EQ(Shown(collection->Write(BatchOf(i))), Shown(results[i])) << i << " of " << kept;
    }
    EXPECT_EQ(database->Stats()->sequence, kBatches);
    ASSERT_OK_AND_ASSIGN(const CheckReport report, database->Check());
    EXPECT_TRUE(report.ok());
  }

  PowerCutFileSystem disk_;
};

TEST_F(IdempotencyPowerCutTest, WhatIsSentAgainAfterACutIsDoneOnce) {
  options_.file_system = &disk_;
  options_.background_maintenance = false;
  options_.create_if_missing = true;
  ASSERT_OK_AND_ASSIGN(database_, Database::Open("/db", options_));
  Create(2);
  std::vector<Image> images;
  std::vector<WriteResult> results;
  disk_.set_sync_hook([&](uint64_t k) {
    const auto mode = static_cast<CutMode>(images.size() % kCutModes);
    images.push_back({disk_.Cut(mode, TestSeed(1) + k), results.size()});
  });
  for (size_t i = 0; i < kBatches; ++i) {
    ASSERT_OK_AND_ASSIGN(const WriteResult result, collection_->Write(BatchOf(i)));
    results.push_back(result);
  }
  disk_.set_sync_hook({});
  EXPECT_GE(images.size(), kBatches);
  for (size_t i = 0; i < images.size() && !HasFailure(); ++i) {
    SCOPED_TRACE("cut " + std::to_string(i));
    ExpectOnceEach(images[i], results);
  }
}

}  // namespace
}  // namespace leadline::testing
