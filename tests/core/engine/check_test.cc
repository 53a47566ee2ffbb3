// `check` against one broken invariant at a time: exactly that one is reported, and repair mends
// it.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include <gtest/gtest.h>

#include "engine_fixture.h"
#include "fault_injection_file_system.h"
#include "forwarding_file_system.h"
#include "group_plan.h"
#include "store_forge.h"

namespace leadline::testing {
namespace {

using kv::Table;

class CheckTest : public EngineTest {
 protected:
  /// Two groups (rows 0-2999 and 3000-3099, ordinals one higher), each with a dead row, and a tail.
  void SetUp() override {
    options_.background_maintenance = false;
    Open();
    Create(4);
    Fill(0, 3000);
    ASSERT_OK(collection_->Optimize());
    Fill(3000, 3100);
    ASSERT_OK(collection_->Optimize());
    ASSERT_OK(collection_->Delete({"r5", "r3050"}));
    Fill(3100, 3150);
    ASSERT_EQ(collection_->Stats()->segments, 2U);
    expected_ = Everything();
    Close();
  }

  void Damage(const std::function<void(StoreForge*)>& damage) {
    StoreForge forge(path());
    damage(&forge);
    forge.Close();
  }

  /// Labels that check gives, after nothing but an open.
  std::set<std::string> Labels() {
    std::set<std::string> labels;
    Open();
    const Result<CheckReport> report = database_->Check();
    EXPECT_OK(report);
    for (const CheckProblem& problem : report->problems) {
      labels.insert(problem.invariant);
      details_ += problem.invariant + " " + problem.where + ": " + problem.detail + "\n";
    }
    Close();
    return labels;
  }

  void ExpectFound(const std::set<std::string>& labels) { EXPECT_EQ(Labels(), labels) << details_; }

  void ExpectRepaired(bool accept_loss = false) {
    ASSERT_OK_AND_ASSIGN(const RepairReport repaired, Database::Repair(path(), accept_loss));
    EXPECT_EQ(repaired.lost_data, accept_loss);
    EXPECT_TRUE(repaired.sound);
    details_.clear();
    EXPECT_EQ(Labels(), std::set<std::string>()) << details_;
    if (!accept_loss) {
      Open();
      ASSERT_OK_AND_ASSIGN(collection_, database_->OpenCollection("c"));
      EXPECT_EQ(Everything(), expected_);
    }
  }

  std::vector<std::string> expected_;
  std::string details_;
};

TEST_F(CheckTest, FindsNothingInAnUntouchedDatabase) {
  ExpectFound({});
  ASSERT_OK_AND_ASSIGN(const RepairReport report, Database::Repair(path(), false));
  ASSERT_EQ(report.actions.size(), 1U);
  EXPECT_EQ(report.actions[0], "nothing to do: every invariant holds");
}

TEST_F(CheckTest, RepairTouchesNoRecordBesideADamagedTableFile) {
  const auto readable = [&]() -> Result<size_t> {
    DatabaseOptions reading;
    reading.read_only = true;
    LEADLINE_ASSIGN_OR_RETURN(const auto reader, Database::Open(dir_.file("copy"), reading));
    LEADLINE_ASSIGN_OR_RETURN(const auto view, reader->OpenCollection("c"));
    ScrollOptions scroll;
    scroll.read.with_vectors = false;
    LEADLINE_ASSIGN_OR_RETURN(const ScrollPage page, view->Scroll(scroll));
    return page.records.size();
  };
  size_t tables = 0;
  size_t advised = 0;
  for (const auto& file : std::filesystem::directory_iterator(path() + "/store")) {
    if (file.path().extension() != ".sst") {
      continue;
    }
    ++tables;
    SCOPED_TRACE(file.path().filename());
    std::filesystem::remove_all(dir_.file("copy"));
    std::filesystem::copy(path(), dir_.file("copy"), std::filesystem::copy_options::recursive);
    std::fstream bytes(dir_.file("copy") + "/store/" + file.path().filename().string(),
                       std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekg(10);
    const auto flipped = static_cast<char>(bytes.get() ^ 1);
    bytes.seekp(10);
    bytes.put(flipped);
    bytes.close();
    const Result<size_t> before = readable();
    for (const bool accept_loss : {false, true}) {
      // The table of the database's own entries already stops the store from opening.
      const Status refused = Database::Repair(dir_.file("copy"), accept_loss).status();
      EXPECT_EQ(refused.code(), StatusCode::kDataLoss) << refused.message();
      advised += refused.message().find("restore a backup") != std::string::npos ? 1U : 0U;
      const Result<size_t> after = readable();
      EXPECT_EQ(after.status().code(), before.status().code());
      EXPECT_EQ(after.ok() ? *after : 0, before.ok() ? *before : 0);
    }
  }
  EXPECT_GE(tables, 3U);
  EXPECT_GE(advised, 2 * (tables - 1));
}

TEST_F(CheckTest, I1LocationOfAnotherRecord) {
  Damage([](StoreForge* forge) {
    forge->Put(Table::kLocations, engine::LocationKey(StoreForge::kCollection, "bogus"),
               engine::FixedValue64(forge->OrdinalOf("r10")));
  });
  ExpectFound({"I1"});
  ExpectRepaired();
}

TEST_F(CheckTest, I1LocationOfNoRecord) {
  Damage([](StoreForge* forge) {
    forge->Put(Table::kLocations, engine::LocationKey(StoreForge::kCollection, "bogus"),
               engine::FixedValue64(1'000'000));
  });
  ExpectFound({"I1"});
  ExpectRepaired();
}

TEST_F(CheckTest, I1RecordWithoutItsVector) {
  Damage([](StoreForge* forge) {
    forge->Delete(Table::kVectors,
                  engine::VectorKey(StoreForge::kCollection, 0, forge->OrdinalOf("r10")));
  });
  ExpectFound({"I1"});
  EXPECT_THAT(Database::Repair(path(), false), StatusIs(StatusCode::kDataLoss, "accept-loss"));
  ExpectRepaired(/*accept_loss=*/true);
}

TEST_F(CheckTest, I1VectorWithoutItsRecord) {
  Damage([](StoreForge* forge) {
    forge->Put(Table::kVectors, engine::VectorKey(StoreForge::kCollection, 0, 6),
               std::string(16, '\0'));
  });
  ExpectFound({"I1"});
  ExpectRepaired();
}

TEST_F(CheckTest, I2RecordWithoutLocation) {
  Damage([](StoreForge* forge) {
    forge->Delete(Table::kLocations, engine::LocationKey(StoreForge::kCollection, "r10"));
  });
  ExpectFound({"I2"});
  ExpectRepaired();
}

TEST_F(CheckTest, RepairThatIsStoppedAnywhereIsMendedByTheNext) {
  const auto damage = [&] {
    Damage([](StoreForge* forge) {
      forge->Delete(Table::kLocations, engine::LocationKey(StoreForge::kCollection, "r10"));
      forge->Put(Table::kVectors, engine::VectorKey(StoreForge::kCollection, 0, 6),
                 std::string(16, '\0'));
    });
  };
  damage();
  size_t reports = 0;
  CallOptions options;
  options.progress = [&](std::string_view /*what*/, double /*share*/) { ++reports; };
  ASSERT_OK(Database::Repair(path(), false, options));
  const size_t all = reports;
  ASSERT_GT(all, 20U);
  size_t stopped = 0;
  for (size_t at = 1; at < all; at += 1 + all / 20) {
    SCOPED_TRACE(std::to_string(at) + " of " + std::to_string(all));
    damage();
    CancelToken token;
    options.cancel = &token;
    reports = 0;
    options.progress = [&](std::string_view /*what*/, double /*share*/) {
      if (++reports == at) {
        token.Cancel();
      }
    };
    const Result<RepairReport> report = Database::Repair(path(), false, options);
    if (report.ok()) {
      // How often the store reports differs: this one was done by then, or nearly.
      EXPECT_GT(at, all / 2);
    } else {
      EXPECT_THAT(report, StatusIs(StatusCode::kCancelled));
      ++stopped;
    }
    Open();
    ASSERT_OK_AND_ASSIGN(collection_, database_->OpenCollection("c"));
    EXPECT_EQ(Everything(), expected_) << "less is there than before";
    Close();
    ExpectRepaired();
    Close();
  }
  EXPECT_GE(stopped, 10U);
  damage();
  options = {};
  options.timeout_ms = 1;
  options.progress = [](std::string_view /*what*/, double /*share*/) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  };
  EXPECT_THAT(Database::Repair(path(), false, options), StatusIs(StatusCode::kDeadlineExceeded));
  ExpectRepaired();
}

TEST_F(CheckTest, I1AndI2LocationThatPointsElsewhere) {
  Damage([](StoreForge* forge) {
    forge->Put(Table::kLocations, engine::LocationKey(StoreForge::kCollection, "r10"),
               engine::FixedValue64(forge->OrdinalOf("r11")));
  });
  ExpectFound({"I1", "I2"});
  ExpectRepaired();
}

TEST_F(CheckTest, I3DeadRowWithoutItsTombstone) {
  Damage([](StoreForge* forge) {
    forge->Delete(Table::kTombstones, engine::OrdinalKey(StoreForge::kCollection, 6));
  });
  ExpectFound({"I3"});
  ExpectRepaired();
}

TEST_F(CheckTest, I3LiveRowWithATombstone) {
  Damage([](StoreForge* forge) {
    forge->Put(Table::kTombstones,
               engine::OrdinalKey(StoreForge::kCollection, forge->OrdinalOf("r10")),
               engine::FixedValue64(1));
  });
  ExpectFound({"I3"});
  ExpectRepaired();
}

TEST_F(CheckTest, I4RowWithAnotherId) {
  Damage([](StoreForge* forge) {
    forge->Reseal(0, [](segment::SegmentInfo* /*info*/, Sections* sections) {
      (*sections)[3][1] = '9';  // "r0" becomes "r9"
    });
  });
  ExpectFound({"I4"});
  ExpectRepaired();
}

TEST_F(CheckTest, I5MissingFileIsRebuiltAloneAndTheRestStays) {
  std::string kept;
  Damage([&](StoreForge* forge) {
    const std::vector<engine::GroupEntry> groups = forge->Groups();
    std::filesystem::remove(forge->FileOf(groups[1].fields[0]));
    kept = forge->FileOf(groups[0].fields[0]);
  });
  ExpectFound({"I5"});
  ExpectRepaired();
  EXPECT_TRUE(std::filesystem::exists(kept)) << "one bad segment must not cost the others";
}

TEST_F(CheckTest, I5FileWithAFlippedByte) {
  Damage([](StoreForge* forge) {
    std::fstream file(forge->FileOf(forge->Groups()[0].fields[0]),
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(300);
    file.put('\x7f');
  });
  ExpectFound({"I5"});
  ExpectRepaired();
}

TEST_F(CheckTest, I6OverlappingGroups) {
  Damage([](StoreForge* forge) {
    engine::GroupEntry first = forge->Groups()[0];
    first.last_ordinal += 10;
    forge->PutGroup(first);
  });
  ExpectFound({"I6"});
  ExpectRepaired();
}

TEST_F(CheckTest, I3AndI6RowsThatNoGroupCovers) {
  Damage([](StoreForge* forge) {
    const engine::GroupEntry first = forge->Groups()[0];
    forge->Delete(Table::kMeta,
                  engine::GroupEntryKey(StoreForge::kCollection, first.first_ordinal));
  });
  ExpectFound({"I3", "I6"});
  ExpectRepaired();
}

TEST_F(CheckTest, I7Counters) {
  Damage([](StoreForge* forge) {
    const std::string key = engine::CountersKey(StoreForge::kCollection);
    engine::Counters counters = engine::DecodeCounters(forge->Get(Table::kMeta, key)).value();
    ++counters.live_rows;
    forge->Put(Table::kMeta, key, engine::EncodeCounters(counters));
  });
  ExpectFound({"I7"});
  ExpectRepaired();
}

TEST_F(CheckTest, I8VectorThatDiffersFromTheStoredOne) {
  Damage([](StoreForge* forge) {
    const std::string key = engine::VectorKey(StoreForge::kCollection, 0, forge->OrdinalOf("r10"));
    std::string vector = forge->Get(Table::kVectors, key);
    SetItem<float>(&vector, 0, 9.0F);
    forge->Put(Table::kVectors, key, vector);
  });
  ExpectFound({"I8"});
  ASSERT_OK(Database::Repair(path(), false));
  details_.clear();
  EXPECT_EQ(Labels(), std::set<std::string>()) << details_;
}

TEST_F(CheckTest, RepairLeavesOtherCollectionsAlone) {
  Open();
  CollectionOptions options;
  options.vectors.emplace_back();
  options.vectors[0].dim = 2;
  ASSERT_OK_AND_ASSIGN(auto other, database_->CreateCollection("other", options));
  Record record;
  record.id = "a";
  record.vector = {1, 2};
  ASSERT_OK(other->Upsert({record}));
  ASSERT_OK(other->Optimize());
  other.reset();
  Close();
  const std::vector<std::string> before = SegmentFiles();
  Damage([](StoreForge* forge) {
    forge->Delete(Table::kLocations, engine::LocationKey(StoreForge::kCollection, "r10"));
  });
  ExpectRepaired();
  // Both groups of the damaged collection were replaced, that of the other was not.
  const std::vector<std::string> after = SegmentFiles();
  EXPECT_EQ(std::count_if(before.begin(), before.end(),
                          [&](const std::string& name) {
                            return std::find(after.begin(), after.end(), name) != after.end();
                          }),
            1);
}

TEST_F(CheckTest, RepairThatDropsAnOlderVersionNeverHidesTheNewer) {
  uint64_t older = 0;
  Damage([&](StoreForge* forge) {
    older = forge->OrdinalOf("r10");
    forge->Delete(Table::kLocations, engine::LocationKey(StoreForge::kCollection, "r10"));
  });
  Open();
  ASSERT_OK_AND_ASSIGN(collection_, database_->OpenCollection("c"));
  Record newer = MakeRecord(11);
  newer.id = "r10";
  ASSERT_OK(collection_->Upsert({newer}));
  Close();
  Damage([&](StoreForge* forge) {
    forge->Put(Table::kLocations, engine::LocationKey(StoreForge::kCollection, "r10"),
               engine::FixedValue64(older));
  });
  CancelToken token;
  CallOptions options;
  options.cancel = &token;
  options.progress = [&](std::string_view what, double /*share*/) {
    if (what.find("reading vectors") == 0) {
      token.Cancel();  // older versions are dropped, locations not yet written
    }
  };
  const auto expect_newer = [&] {
    Open();
    ASSERT_OK_AND_ASSIGN(collection_, database_->OpenCollection("c"));
    ASSERT_OK_AND_ASSIGN(const auto found, collection_->Get({"r10"}));
    ASSERT_TRUE(found[0].has_value());
    EXPECT_EQ(found[0]->payload, newer.payload);
    Close();
  };
  EXPECT_THAT(Database::Repair(path(), false, options), StatusIs(StatusCode::kCancelled));
  expect_newer();
  ASSERT_OK_AND_ASSIGN(const RepairReport report, Database::Repair(path(), false));
  EXPECT_TRUE(report.sound);
  expect_newer();
  ExpectFound({});
}

TEST(GroupPlanTest, CutsAtEitherCapAndLeavesTheRest) {
  engine::CollectionEntry collection;
  collection.id = 3;
  collection.options.vectors.resize(2);
  collection.options.vectors[0].dim = 2;
  collection.options.vectors[1].dim = 4;
  DatabaseOptions options;
  options.seal_rows = 3;
  options.seal_bytes = 1000;
  engine::GroupPlan plan(collection, {}, options);
  const auto add = [&](uint64_t ordinal, uint32_t fields, size_t payload_bytes) {
    engine::StoredRecord record;
    record.sequence = 100 - ordinal;
    record.fields = fields;
    record.payload = std::string(payload_bytes, ' ');
    plan.Add(ordinal, record);
  };
  for (const uint64_t ordinal : {2U, 5U, 6U}) {
    add(ordinal, ordinal == 5 ? 0b11 : 0b01, 0);
  }
  add(8, 0b01, 1000);
  add(9, 0b11, 0);
  uint64_t next_segment = 20;
  const std::vector<engine::GroupEntry> groups = plan.Take(99, &next_segment);
  ASSERT_EQ(groups.size(), 2U) << "row 9 is for the tail";
  EXPECT_EQ(groups[0].first_ordinal, 2U);
  EXPECT_EQ(groups[0].last_ordinal, 6U);
  EXPECT_EQ(groups[0].rows, 3U);
  EXPECT_EQ(groups[0].fields[0].info.rows, 3U);
  EXPECT_EQ(groups[0].fields[0].info.min_sequence, 94U);
  EXPECT_EQ(groups[0].fields[0].info.max_sequence, 98U);
  EXPECT_EQ(groups[0].fields[1].info.rows, 1U);
  EXPECT_EQ(groups[1].first_ordinal, 8U);
  EXPECT_EQ(groups[1].last_ordinal, 8U);
  EXPECT_EQ(groups[1].fields[1].info.rows, 0U) << "a field without rows has no file";
  EXPECT_EQ(groups[1].fields[1].info.segment_id, 23U);
  EXPECT_EQ(next_segment, 24U);
  for (const engine::GroupEntry& group : groups) {
    EXPECT_OK(engine::DecodeGroupEntry(engine::EncodeGroupEntry(group)));
  }
}

TEST_F(CheckTest, RepairReachesTheCollectionsBehindTheEndOfTheList) {
  Open();
  CollectionOptions options;
  options.vectors.emplace_back();
  options.vectors[0].dim = 2;
  ASSERT_OK_AND_ASSIGN(auto last, database_->CreateCollection("z", options));
  Record record;
  record.id = "a";
  record.vector = {1, 2};
  ASSERT_OK(last->Upsert({record}));
  last.reset();
  Close();
  Damage([](StoreForge* forge) {
    for (size_t i = 10; i < 1500; ++i) {
      forge->Delete(Table::kLocations,
                    engine::LocationKey(StoreForge::kCollection, "r" + std::to_string(i)));
    }
    forge->Delete(Table::kLocations, engine::LocationKey(StoreForge::kCollection + 1, "a"));
  });
  Open();
  ASSERT_OK_AND_ASSIGN(const CheckReport report, database_->Check());
  EXPECT_EQ(report.problems.size(), 1000U);
  EXPECT_THAT(report.problems.back().where, ::testing::StartsWith("c: "));
  Close();
  ExpectRepaired();
}

TEST_F(CheckTest, RepairDecidesNothingAboutAFileThatCannotBeReadNow) {
  std::string file;
  Damage([&](StoreForge* forge) { file = forge->FileOf(forge->Groups()[0].fields[0]); });
  ForwardingFileSystem fs(FileSystem::Posix());
  fs.set_before([&](FileCall call, const std::string& path) {
    const bool hit = path == file && call != FileCall::kDelete;
    return hit ? UnavailableError("simulated I/O error: path=" + path) : OkStatus();
  });
  ASSERT_OK_AND_ASSIGN(const RepairReport report, Database::Repair(path(), false, {}, &fs));
  EXPECT_FALSE(report.sound);
  EXPECT_THAT(report.actions,
              ::testing::ElementsAre(::testing::HasSubstr("not decided: 1 problem")));
  EXPECT_TRUE(std::filesystem::exists(file)) << "rebuilt for nothing";
  ExpectFound({});
  Open();
  ASSERT_OK_AND_ASSIGN(collection_, database_->OpenCollection("c"));
  EXPECT_EQ(Everything(), expected_);
}

/// A collection whose locations fill several batches of a repair.
class LargeRepairTest : public CheckTest {
 protected:
  static constexpr size_t kRows = 20'000;

  void SetUp() override {
    options_.background_maintenance = false;
    Open();
    Create(2, IndexKind::kFlat);
    std::vector<Record> records;
    for (size_t i = 0; i < kRows; ++i) {
      records.push_back(MakeRecord(i));
      records.back().id = ids_.emplace_back(IdOf(i));
      if (records.size() == 1000) {
        ASSERT_OK(collection_->Upsert(std::move(records)));
        records.clear();
      }
    }
    ASSERT_OK(collection_->Optimize());
    expected_ = Everything();
    Close();
  }

  static std::string IdOf(size_t i) { return std::string(480, 'x') + std::to_string(100'000 + i); }

  /// Nothing of it concerns a record, so none may be lost sight of.
  void DamageLocations() {
    Damage([&](StoreForge* forge) {
      for (const char* stale : {"a", "x", "z"}) {
        forge->Put(Table::kLocations, engine::LocationKey(StoreForge::kCollection, stale),
                   engine::FixedValue64(forge->OrdinalOf(IdOf(7))));
      }
    });
  }

  void ExpectAllFound() {
    Open();
    ASSERT_OK_AND_ASSIGN(collection_, database_->OpenCollection("c"));
    ASSERT_OK_AND_ASSIGN(const std::vector<std::optional<Record>> found, collection_->Get(ids_));
    EXPECT_EQ(std::count(found.begin(), found.end(), std::nullopt), 0);
    EXPECT_EQ(Everything(), expected_);
    Close();
  }

  std::vector<std::string> ids_;
};

TEST_F(LargeRepairTest, LosesSightOfNoRecordWhereverAWriteFails) {
  FaultInjectionFileSystem fs(FileSystem::Posix());
  CallOptions options;
  uint64_t nth = 0;
  bool armed = false;
  options.progress = [&](std::string_view what, double /*share*/) {
    if (!armed && what.find("writing locations") == 0) {
      fs.Arm({FileOp::kSync, nth, /*sticky=*/true, StatusCode::kUnavailable, false, ".log"});
      armed = true;
    }
  };
  size_t failures = 0;
  for (bool repaired = false; !repaired && failures < 20;) {
    ++nth;
    SCOPED_TRACE("sync " + std::to_string(nth));
    DamageLocations();
    armed = false;
    const Result<RepairReport> report = Database::Repair(path(), false, options, &fs);
    fs.Disarm();
    repaired = report.ok();
    failures += repaired ? 0 : 1;
    ExpectAllFound();
  }
  EXPECT_GE(failures, 4U) << "three batches of locations, one of what else is derived";
  ExpectFound({});
}

TEST_F(LargeRepairTest, LeavesNoMoreRowsForMemoryThanSealingDoes) {
  DamageLocations();
  CancelToken token;
  CallOptions options;
  options.cancel = &token;
  size_t opened = 0;
  options.progress = [&](std::string_view what, double /*share*/) {
    if (what == "opening the database" && ++opened == 2) {
      token.Cancel();  // mended, and nothing rebuilt yet
    }
  };
  EXPECT_THAT(Database::Repair(path(), false, options), StatusIs(StatusCode::kCancelled));
  Reopen();
  ASSERT_OK_AND_ASSIGN(CollectionStats stats, collection_->Stats());
  EXPECT_EQ(stats.rows, kRows);
  EXPECT_LT(stats.tail_rows, options_.seal_rows);
  EXPECT_TRUE(stats.degraded) << "the rest waits for its files";
  EXPECT_EQ(Everything(), expected_);
  ASSERT_OK(collection_->Delete({ids_[3], ids_[kRows - 1]}));
  ASSERT_OK(collection_->Upsert({MakeRecord(5)}));
  EXPECT_EQ(collection_->Count(std::nullopt).value(), kRows - 1);
  Reopen();
  EXPECT_EQ(collection_->Count(std::nullopt).value(), kRows - 1);
  ASSERT_OK(collection_->Optimize());
  EXPECT_FALSE(collection_->Stats()->degraded);
  EXPECT_EQ(collection_->Stats()->segment_rows, kRows - 1);
  ExpectSound();
}

TEST_F(CheckTest, AReaderFindsNothingBesideAWriterThatCompacts) {
  Open();
  ASSERT_OK_AND_ASSIGN(collection_, database_->OpenCollection("c"));
  // Table files for the reader to open.
  Close();
  DatabaseOptions read_only;
  read_only.read_only = true;
  ASSERT_OK_AND_ASSIGN(const auto reader, Database::Open(path(), read_only));
  {
    kv::StoreOptions options;
    options.sequence_key = std::string(engine::kSequenceKey);
    ASSERT_OK_AND_ASSIGN(const auto store, kv::Store::Open(path() + "/store", options));
    for (size_t table = 0; table < kv::kTableCount; ++table) {
      ASSERT_OK(store->Compact(static_cast<kv::Table>(table)));
    }
    ASSERT_OK(store->Close());
  }
  ASSERT_OK_AND_ASSIGN(const CheckReport report, reader->Check());
  for (const CheckProblem& problem : report.problems) {
    ADD_FAILURE() << problem.invariant << " " << problem.where << ": " << problem.detail;
  }
}

}  // namespace
}  // namespace leadline::testing
