// Sealing, merging, rebuilding and their failures: nothing leaks, hangs, starves or is lost.

#include <atomic>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <sys/resource.h>
#include <thread>

#include <gtest/gtest.h>

#include "build_backoff.h"
#include "engine_fixture.h"
#include "fault_injection_file_system.h"
#include "forwarding_file_system.h"
#include "group_builder.h"

namespace leadline::testing {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

class MaintenanceTest : public EngineTest {
 protected:
  MaintenanceTest() : files_(FileSystem::Posix()) { options_.file_system = &files_; }

  /// Files below segments/ cannot be created until told otherwise.
  void BreakBuilds() {
    files_.set_before([this](FileCall call, const std::string& path) {
      if (call != FileCall::kCreate || !Contains(path, "/segments/")) {
        return OkStatus();
      }
      attempts_.fetch_add(1);
      return UnavailableError("injected: path=" + path);
    });
  }

  void MendBuilds() { files_.set_before(nullptr); }

  ForwardingFileSystem files_;
  FaultInjectionFileSystem faults_{FileSystem::Posix()};
  ManualClock clock_;
  std::atomic<int> attempts_{0};
  std::atomic<bool> full_{false};
  std::atomic<uint64_t> room_{0};
};

TEST_F(MaintenanceTest, ARefusedManifestLeavesNoFiles) {
  options_.background_maintenance = false;
  files_.set_free_space([this](const std::string& path) {
    // The store is asked at every write: so near the mark it measures each time.
    return Contains(path, "/segments") ? 1024 * kMiB : (full_ ? 0 : 68 * kMiB);
  });
  Open();
  Create(4);
  Fill(0, 100);
  full_ = true;
  EXPECT_THAT(collection_->Optimize(), StatusIs(StatusCode::kResourceExhausted, "disk"));
  EXPECT_TRUE(SegmentFiles().empty());
  EXPECT_TRUE(Contains(collection_->Stats()->last_build_error, "disk"));
  full_ = false;
  ASSERT_OK(collection_->Optimize());
  EXPECT_EQ(SegmentFiles().size(), 1U);
  EXPECT_EQ(collection_->Stats()->last_build_error, "");
  ExpectSound();
}

TEST_F(MaintenanceTest, AFileThatFailsVerificationIsDeleted) {
  options_.background_maintenance = false;
  Open();
  Create(4);
  Fill(0, 100);
  files_.set_before([](FileCall call, const std::string& path) {
    return call == FileCall::kMap && Contains(path, ".seg") ? UnavailableError("injected")
                                                            : OkStatus();
  });
  EXPECT_THAT(collection_->Optimize(), StatusIs(StatusCode::kUnavailable));
  EXPECT_TRUE(SegmentFiles().empty());
  files_.set_before(nullptr);
  ASSERT_OK(collection_->Optimize());
  ExpectSound();
}

TEST_F(MaintenanceTest, ABuildOfADroppedCollectionLeavesNoFiles) {
  options_.background_maintenance = false;
  Open();
  Create(4);
  Fill(0, 100);
  const auto drop = [&](std::string_view what, double /*share*/) {
    if (what == "writing segment") {
      EXPECT_OK(database_->DropCollection("c"));
    }
  };
  EXPECT_THAT(collection_->Optimize({.progress = drop}), StatusIs(StatusCode::kNotFound));
  EXPECT_TRUE(SegmentFiles().empty());
}

TEST_F(MaintenanceTest, AManifestWriteThatFailedKeepsTheFilesUntilTheNextOpen) {
  options_.background_maintenance = false;
  options_.file_system = &faults_;
  Open();
  Create(4);
  Fill(0, 100);
  FaultPlan plan;
  plan.ops = FileOp::kSync;
  plan.path_contains = ".log";
  faults_.Arm(plan);
  EXPECT_FALSE(collection_->Optimize().ok());
  EXPECT_GT(faults_.Disarm(), 0U);
  // The batch may be in the log: deleting the file would make it name nothing.
  EXPECT_EQ(SegmentFiles().size(), 1U);
  ASSERT_OK_AND_ASSIGN(const DatabaseStats stats, database_->Stats());
  EXPECT_TRUE(stats.degraded);
  EXPECT_NE(stats.store_error, "");
  collection_.reset();
  EXPECT_FALSE(database_->Close().ok());
  database_.reset();
  Open();
  ASSERT_OK_AND_ASSIGN(collection_, database_->OpenCollection("c"));
  EXPECT_EQ(collection_->Count(std::nullopt).value(), 100U);
  EXPECT_FALSE(collection_->Stats()->degraded);
  ExpectSound();
}

/// How many threads of this process have the nice value.
int ThreadsOfNice(int nice) {
  int found = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    const int id = std::stoi(task.path().filename().string());
    found += ::getpriority(PRIO_PROCESS, static_cast<id_t>(id)) == nice ? 1 : 0;
  }
  return found;
}

TEST_F(MaintenanceTest, ThreadsThatBuildHaveThePriorityAskedFor) {
  const int before = ThreadsOfNice(7);
  options_.background_nice = 7;
  options_.background_threads = 3;
  Open();
  // The sealer, the builder and those who compute for it; they say so themselves.
  ASSERT_TRUE(Eventually([&] { return ThreadsOfNice(7) == before + 5; }));
  options_.background_nice = 20;
  EXPECT_THAT(Database::Open(path(), options_).status(),
              StatusIs(StatusCode::kInvalidArgument, "background_nice"));
}

TEST_F(MaintenanceTest, FlatSegmentsAreSealedWithTheCodesAskedFor) {
  options_.seal_rows = 16;
  Open();
  for (const CodeType codes : {CodeType::kSq8, CodeType::kSq4, CodeType::kBf16}) {
    CollectionOptions shape;
    shape.vectors.emplace_back();
    shape.vectors[0].dim = 4;
    shape.vectors[0].metric = Metric::kL2;
    shape.vectors[0].index = IndexKind::kFlat;
    shape.vectors[0].codes = codes;
    ASSERT_OK_AND_ASSIGN(collection_,
                         database_->CreateCollection(std::string(CodeTypeName(codes)), shape));
    Fill(0, 20);
    ASSERT_TRUE(Eventually([&] { return collection_->Stats()->segments == 1; }));
    EXPECT_EQ(collection_->Stats()->indexes.at(0).codes, codes);
  }
}

TEST_F(MaintenanceTest, FailingBuildsAreTriedAgainWithGrowingPauses) {
  options_.clock = &clock_;
  options_.seal_rows = 16;
  Open();
  Create(4);
  BreakBuilds();
  Fill(0, 20);
  ASSERT_TRUE(Eventually([&] { return attempts_ == 1; }));
  // The worker looks every second; the clock of the pauses stands still.
  std::this_thread::sleep_for(std::chrono::milliseconds(2300));
  EXPECT_EQ(attempts_, 1);
  EXPECT_TRUE(Contains(collection_->Stats()->last_build_error, "injected"));
  clock_.Advance(1'100);
  ASSERT_TRUE(Eventually([&] { return attempts_ == 2; }));
  clock_.Advance(1'100);
  std::this_thread::sleep_for(std::chrono::milliseconds(1300));
  EXPECT_EQ(attempts_, 2) << "the second pause is twice as long";
  MendBuilds();
  clock_.Advance(10'000);
  ASSERT_TRUE(Eventually([&] { return collection_->Stats()->segments == 1; }));
  EXPECT_EQ(collection_->Stats()->last_build_error, "");
  ExpectSound();
}

TEST(BuildBackoff, KeepsLanesApartAndForgetsWhatWasReplaced) {
  constexpr int64_t kMs = 1'000'000;
  engine::BuildBackoff backoff;
  const uint64_t group = engine::BuildBackoff::GroupLane(100);
  int64_t now = 0;
  for (int64_t delay = 1000; delay <= 300'000; delay *= 2) {
    backoff.Failed(group, UnavailableError("bad"), now);
    EXPECT_TRUE(backoff.Waiting(group, now + (delay - 1) * kMs));
    EXPECT_FALSE(backoff.Waiting(group, now + delay * kMs));
    EXPECT_FALSE(backoff.Waiting(engine::BuildBackoff::kMergeLane, now));
    EXPECT_FALSE(backoff.Waiting(engine::BuildBackoff::kSealLane, now));
    now += delay * kMs;
  }
  for (int i = 0; i < 10; ++i) {
    backoff.Failed(group, UnavailableError("bad"), now);
    backoff.Failed(engine::BuildBackoff::kSealLane, UnavailableError("full"), now - 1);
  }
  EXPECT_FALSE(backoff.Waiting(group, now + engine::BuildBackoff::kDelayLimitMs * kMs));
  EXPECT_FALSE(backoff.Waiting(engine::BuildBackoff::kSealLane,
                               now + engine::BuildBackoff::kSealDelayLimitMs * kMs));
  EXPECT_TRUE(Contains(backoff.LastError(), "bad"));
  backoff.Succeeded(engine::BuildBackoff::kMergeLane, 1, 99);
  EXPECT_NE(backoff.ErrorOf(group), "");
  backoff.Succeeded(engine::BuildBackoff::kMergeLane, 1, 100);
  EXPECT_EQ(backoff.ErrorOf(group), "");
  EXPECT_TRUE(Contains(backoff.LastError(), "full"));
}

TEST_F(MaintenanceTest, AGroupThatCannotBeRebuiltDoesNotStarveMerging) {
  options_.seal_rows = 16;
  options_.background_maintenance = false;
  Open();
  Create(4);
  Fill(0, 4000);
  ASSERT_OK(collection_->Optimize());
  const std::string damaged = path() + "/segments/" + SegmentFiles().at(0);
  Close();
  std::filesystem::resize_file(damaged, 100);
  options_.background_maintenance = true;
  // Rebuilding 4,000 rows needs more room than there is, merging a hundred does not.
  files_.set_free_space([](const std::string& path) {
    return Contains(path, "/segments") ? 64 * kMiB + 200'000 : 1024 * kMiB;
  });
  Reopen();
  ASSERT_TRUE(Eventually([&] { return collection_->Stats()->last_build_error != ""; }));
  for (size_t i = 4000; i < 4100; i += 20) {
    Fill(i, i + 20);
    ASSERT_TRUE(Eventually([&] { return collection_->Stats()->tail_rows < 16; }));
  }
  EXPECT_TRUE(Eventually([&] { return collection_->Stats()->segments <= 4; }))
      << collection_->Stats()->last_build_error;
  EXPECT_EQ(collection_->Stats()->damaged_segments, 1U);
  EXPECT_EQ(collection_->Count(std::nullopt).value(), 4100U);
}

TEST_F(MaintenanceTest, WritersHearWhySealingFailsInsteadOfWaiting) {
  options_.seal_rows = 16;
  Open();
  Create(4);
  BreakBuilds();
  Status refused;
  const auto start = std::chrono::steady_clock::now();
  for (size_t i = 0; i < 40 && refused.ok(); ++i) {
    std::vector<Record> records;
    for (size_t k = 0; k < 10; ++k) {
      records.push_back(MakeRecord(10 * i + k));
    }
    refused = collection_->Upsert(std::move(records)).status();
  }
  EXPECT_THAT(refused, StatusIs(StatusCode::kResourceExhausted, "injected"));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(15));
  EXPECT_OK(collection_->Delete({"r0", "r1"})) << "deletes need no room in the tail";
  MendBuilds();
  EXPECT_TRUE(Eventually([&] { return collection_->Upsert({MakeRecord(1000)}).ok(); }));
  ExpectSound();
}

TEST_F(MaintenanceTest, SealingGoesOnBesideALongBuild) {
  options_.seal_rows = 16;
  Open();
  Create(4, IndexKind::kHnsw);
  Fill(0, 15);
  std::atomic<bool> building{false};
  std::atomic<bool> release{false};
  std::thread optimizer([&] {
    EXPECT_OK(collection_->Optimize({.progress = [&](std::string_view what, double /*share*/) {
      if (what == "indexing a segment") {
        building = true;
        while (!release) {
          std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
      }
    }}));
  });
  ASSERT_TRUE(Eventually([&] { return building.load(); }));
  // Far more rows than a writer may be ahead of sealing.
  const auto start = std::chrono::steady_clock::now();
  for (size_t i = 15; i < 600; i += 15) {
    Fill(i, i + 15);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(25));
  EXPECT_TRUE(Eventually([&] { return collection_->Stats()->tail_rows < 16; }));
  EXPECT_OK(collection_->Delete({"r1", "r599"}));
  release = true;
  optimizer.join();
  EXPECT_EQ(collection_->Count(std::nullopt).value(), 598U);
  ASSERT_OK(collection_->Optimize());
  EXPECT_EQ(Everything().size(), 598U);
  ExpectSound();
}

TEST_F(MaintenanceTest, DeletesDuringASealAndAMergeAreReapplied) {
  options_.background_maintenance = false;
  Open();
  Create(4);
  Fill(0, 50);
  ASSERT_OK(collection_->Optimize());
  Fill(50, 100);
  int reports = 0;
  // One row of the sealed part and one of the tail at each report of seal and merge.
  ASSERT_OK(collection_->Optimize({.progress = [&](std::string_view /*what*/, double /*share*/) {
    if (reports < 20) {
      EXPECT_OK(
          collection_->Delete({"r" + std::to_string(reports), "r" + std::to_string(50 + reports)}));
      ++reports;
    }
  }}));
  EXPECT_GT(reports, 3);
  EXPECT_EQ(collection_->Count(std::nullopt).value(), 100U - 2 * static_cast<uint64_t>(reports));
  EXPECT_EQ(Everything().size(), 100U - 2 * static_cast<size_t>(reports));
  ExpectSound();
  Reopen();
  EXPECT_EQ(Everything().size(), 100U - 2 * static_cast<size_t>(reports));
  ExpectSound();
}

TEST_F(MaintenanceTest, OptimizeEndsAlthoughWritersGoOn) {
  options_.background_maintenance = false;
  Open();
  Create(4);
  Fill(0, 100);
  CancelToken give_up;
  size_t next = 100;
  CallOptions options;
  options.cancel = &give_up;
  options.progress = [&](std::string_view /*what*/, double /*share*/) {
    Fill(next, next + 1);
    if (++next > 300) {
      give_up.Cancel();
    }
  };
  ASSERT_OK(collection_->Optimize(options));
  EXPECT_EQ(collection_->Stats()->tail_rows, next - 100);
  ExpectSound();
}

TEST_F(MaintenanceTest, OptimizeHearsItsTokenWhileItWaitsForItsTurn) {
  options_.background_maintenance = false;
  Open();
  Create(4);
  Fill(0, 100);
  std::atomic<bool> building{false};
  std::atomic<bool> release{false};
  std::thread first([&] {
    EXPECT_OK(collection_->Optimize({.progress = [&](std::string_view /*what*/, double /*share*/) {
      building = true;
      while (!release) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
    }}));
  });
  ASSERT_TRUE(Eventually([&] { return building.load(); }));
  CancelToken token;
  std::thread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    token.Cancel();
  });
  EXPECT_THAT(collection_->Optimize({.cancel = &token}), StatusIs(StatusCode::kCancelled));
  canceller.join();
  release = true;
  first.join();
}

TEST_F(MaintenanceTest, CloseEndsARunningOptimize) {
  options_.background_maintenance = false;
  Open();
  Create(4);
  Fill(0, 100);
  std::atomic<bool> building{false};
  std::atomic<bool> release{false};
  CancelToken unused;
  Status ended;
  std::thread optimizer([&] {
    CallOptions options;
    options.cancel = &unused;
    options.progress = [&](std::string_view /*what*/, double /*share*/) {
      building = true;
      while (!release) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
    };
    ended = collection_->Optimize(options);
  });
  ASSERT_TRUE(Eventually([&] { return building.load(); }));
  std::thread closer([&] { EXPECT_OK(database_->Close()); });
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  release = true;
  optimizer.join();
  closer.join();
  EXPECT_THAT(ended, StatusIs(StatusCode::kCancelled));
  collection_.reset();
  database_.reset();
  Open();
  ASSERT_OK_AND_ASSIGN(collection_, database_->OpenCollection("c"));
  EXPECT_EQ(collection_->Count(std::nullopt).value(), 100U);
  ExpectSound();
}

TEST_F(MaintenanceTest, ExpiredRecordsAreAbsentAndThenDeleted) {
  options_.clock = &clock_;
  options_.background_maintenance = false;
  Open();
  Create(4);
  Fill(0, 100);
  std::vector<Record> mortal;
  for (size_t i = 100; i < 150; ++i) {
    mortal.push_back(MakeRecord(i));
    mortal.back().expires_at_ms = clock_.UnixMillis() + 1000;
  }
  ASSERT_OK(collection_->Upsert(mortal));
  for (const bool sealed : {false, true}) {
    SCOPED_TRACE(sealed);
    EXPECT_EQ(collection_->Count(std::nullopt).value(), 150U);
    if (sealed) {
      break;
    }
    ASSERT_OK(collection_->Optimize());
    Reopen();
  }
  ASSERT_OK_AND_ASSIGN(const auto before, database_->TakeSnapshot());
  clock_.Advance(2000);
  WriteBatch patch;
  patch.PatchPayload("r100", "{\"x\":1}");
  EXPECT_THAT(collection_->Write(patch), StatusIs(StatusCode::kNotFound, "r100"));
  ASSERT_OK_AND_ASSIGN(const WriteResult deleted, collection_->Delete({"r0", "r101", "nobody"}));
  EXPECT_EQ(deleted.deleted, 1U) << "r101 had expired";
  EXPECT_EQ(collection_->Count(std::nullopt).value(), 99U);
  EXPECT_EQ(collection_->Stats()->rows, 148U);
  ASSERT_OK(collection_->Optimize());
  EXPECT_EQ(collection_->Stats()->rows, 99U);
  EXPECT_EQ(collection_->Stats()->dead_rows, 0U) << "a third of the segment was dead";
  EXPECT_EQ(collection_->Stats()->segment_rows, 99U);
  EXPECT_EQ(Everything().size(), 99U);
  ReadOptions then;
  then.snapshot = before;
  EXPECT_EQ(collection_->Count(std::nullopt, then).value(), 150U);
  ExpectSound();
}

TEST_F(MaintenanceTest, TheBackgroundDeletesExpiredRowsOfTheTail) {
  options_.clock = &clock_;
  Open();
  Create(4);
  Fill(0, 10);
  Record mortal = MakeRecord(10);
  mortal.expires_at_ms = clock_.UnixMillis() + 1000;
  ASSERT_OK(collection_->Upsert({mortal}));
  EXPECT_EQ(collection_->Stats()->rows, 11U);
  clock_.Advance(1500);
  EXPECT_TRUE(Eventually([&] { return collection_->Stats()->rows == 10U; }));
  EXPECT_EQ(collection_->Count(std::nullopt).value(), 10U);
  ExpectSound();
}

TEST_F(MaintenanceTest, IntervalModeSyncsOncePerIntervalAndNeverWhenIdle) {
  options_.durability = Durability::kInterval;
  options_.interval_ms = 300;
  options_.background_maintenance = false;
  Open();
  Create(4);
  const uint64_t before = database_->Stats()->log_syncs;
  const auto start = std::chrono::steady_clock::now();
  Fill(0, 600, /*batch=*/1);
  std::this_thread::sleep_for(std::chrono::milliseconds(700));
  const auto elapsed = std::chrono::steady_clock::now() - start;
  const uint64_t after = database_->Stats()->log_syncs;
  const auto intervals = static_cast<uint64_t>(elapsed / std::chrono::milliseconds(300));
  EXPECT_GE(after - before, 1U);
  EXPECT_LE(after - before, intervals + 1);
  std::this_thread::sleep_for(std::chrono::milliseconds(1000));
  EXPECT_EQ(database_->Stats()->log_syncs, after);
}

TEST_F(MaintenanceTest, ABuildNeedsRoomForItsFiles) {
  options_.background_maintenance = false;
  room_ = 1024 * kMiB;
  files_.set_free_space([&](const std::string& path) {
    return Contains(path, "/segments") ? room_.load() : 1024 * kMiB;
  });
  Open();
  Create(64);
  Fill(0, 200);
  room_ = 64 * kMiB + 10'000;
  EXPECT_THAT(collection_->Optimize(), StatusIs(StatusCode::kResourceExhausted, "no room"));
  EXPECT_TRUE(SegmentFiles().empty());
  room_ = 70 * kMiB;
  ASSERT_OK(collection_->Optimize());
}

TEST_F(MaintenanceTest, AFullDiskTakesDeletesAndDropsForLonger) {
  options_.background_maintenance = false;
  room_ = 68 * kMiB;
  files_.set_free_space([&](const std::string& /*path*/) { return room_.load(); });
  Open();
  Create(4);
  Fill(0, 100);
  for (const char* name : {"first", "second"}) {
    ASSERT_OK(database_->CreateCollection(name, collection_->options()));
  }
  room_ = 32 * kMiB;
  EXPECT_THAT(collection_->Upsert({MakeRecord(200)}),
              StatusIs(StatusCode::kResourceExhausted, "disk nearly full"));
  ASSERT_OK_AND_ASSIGN(const WriteResult deleted, collection_->Delete({"r0", "r1"}));
  EXPECT_EQ(deleted.deleted, 2U);
  EXPECT_THAT(database_->CreateCollection("third", collection_->options()),
              StatusIs(StatusCode::kResourceExhausted));
  ASSERT_OK(database_->DropCollection("first"));
  room_ = 8 * kMiB;
  EXPECT_THAT(collection_->Delete({"r2"}), StatusIs(StatusCode::kResourceExhausted));
  EXPECT_THAT(database_->DropCollection("second"), StatusIs(StatusCode::kResourceExhausted));
  EXPECT_EQ(database_->ListCollections().value(), (std::vector<std::string>{"c", "second"}));
  room_ = 68 * kMiB;
  ASSERT_OK(collection_->Upsert({MakeRecord(200)}));
  EXPECT_EQ(collection_->Count(std::nullopt).value(), 99U);
  ExpectSound();
}

TEST_F(MaintenanceTest, LongRowsAreCountedByTheirBytes) {
  options_.background_maintenance = false;
  Open();
  Create(65'536);
  Fill(0, 2);
  ASSERT_OK_AND_ASSIGN(const CollectionStats few, collection_->Stats());
  EXPECT_LT(few.resident_bytes, 6 * kMiB) << "two rows of 256 KiB";
  collection_.reset();
  ASSERT_OK(database_->DropCollection("c"));
  Create(2);
  std::vector<Record> records;
  for (size_t i = 0; i < 8; ++i) {
    records.push_back(MakeRecord(i));
    records.back().payload = "{\"t\":\"" + std::string(500'000, 'x') + "\"}";
  }
  ASSERT_OK(collection_->Upsert(records));
  EXPECT_GT(collection_->Stats()->resident_bytes, 4'000'000U);
}

TEST_F(MaintenanceTest, PayloadsCountTowardsSealing) {
  options_.seal_bytes = 1 * kMiB;
  Open();
  Create(2);
  for (size_t i = 0; i < 4; ++i) {
    Record record = MakeRecord(i);
    record.payload = "{\"t\":\"" + std::string(500'000, 'x') + "\"}";
    ASSERT_OK(collection_->Upsert({record}));
  }
  EXPECT_TRUE(Eventually([&] { return collection_->Stats()->segments >= 1; }));
}

TEST(PlanAttempts, StaysWithinTheCapOfIndexAndFormat) {
  for (const uint32_t ef : {1U, 200U, 5'000U, 6'000U, 10'000U}) {
    for (const bool wider : {false, true}) {
      for (const engine::BuildAttempt& attempt : engine::PlanAttempts(ef, wider)) {
        EXPECT_LE(attempt.ef_construction, kMaxEfConstruction);
        EXPECT_GE(attempt.ef_construction, std::min(ef, kMaxEfConstruction));
      }
    }
  }
  EXPECT_EQ(engine::PlanAttempts(200, false)[1].ef_construction, 400U);
  EXPECT_EQ(engine::PlanAttempts(200, true)[0].ef_construction, 800U);
}

TEST_F(MaintenanceTest, AGraphThatFailsItsAuditIsRebuiltOnceAndServes) {
  options_.background_maintenance = false;
  Open();
  VectorField field;
  field.dim = 48;
  field.metric = Metric::kL2;
  field.index = IndexKind::kHnsw;
  field.m = 2;
  field.ef_construction = 1;
  Create(field);
  Fill(0, 3000);
  int wider = 0;
  const auto count = [&](std::string_view what, double /*share*/) {
    wider += what == "rebuilding a segment that failed its audit" ? 1 : 0;
  };
  ASSERT_OK(collection_->Optimize({.progress = count}));
  ASSERT_LT(collection_->Stats()->min_self_recall, engine::kSelfRecallFloor)
      << "the test needs a graph that fails";
  EXPECT_EQ(wider, 1);
  for (int again = 0; again < 2; ++again) {
    ASSERT_OK(collection_->Optimize({.progress = count}));
    EXPECT_EQ(wider, 1);
    Reopen();
  }
  EXPECT_EQ(collection_->Search(MakeRecord(7).vector)->hits.size(), 10U);
}

/// Searching two segments costs nearly twice as much as one, and lists are built in no time.
TEST_F(MaintenanceTest, TwoSegmentsOfListsBecomeOneByThemselves) {
  options_.seal_rows = 10'000;
  Open();
  Create(8, IndexKind::kAuto);
  Fill(0, 20'000);
  EXPECT_TRUE(Eventually([&] {
    const CollectionStats stats = collection_->Stats().value();
    return stats.segments == 1 && stats.tail_rows == 0;
  })) << collection_->Stats()->segments;
  EXPECT_EQ(collection_->Count(std::nullopt).value(), 20'000U);
  // Less than an eighth is not worth building all of them anew, unless somebody asks for it.
  options_.background_maintenance = false;
  Reopen();
  Fill(20'000, 21'000);
  ASSERT_OK(collection_->Optimize());
  EXPECT_EQ(collection_->Stats()->segments, 1U);
}

class IdleSealingTest : public MaintenanceTest {
 protected:
  IdleSealingTest() {
    options_.clock = &clock_;
    options_.seal_idle_ms = 60'000;
    options_.durability = Durability::kOs;
  }

  /// A collection with so many sealed rows and then so many fresh ones.
  std::shared_ptr<Collection> Make(const std::string& name, size_t sealed, size_t fresh) {
    CollectionOptions options;
    options.vectors.push_back({.dim = 8, .metric = Metric::kL2});
    EXPECT_OK(database_->CreateCollection(name, options));
    collection_ = database_->OpenCollection(name).value();
    Fill(0, sealed);
    if (sealed > 0) {
      EXPECT_OK(collection_->Optimize());
    }
    Fill(sealed, sealed + fresh);
    return collection_;
  }

  void Reopen(const std::string& name) {
    Close();
    Open();
    ASSERT_OK_AND_ASSIGN(collection_, database_->OpenCollection(name));
  }

  static uint64_t TailRows(const std::shared_ptr<Collection>& collection) {
    return collection->Stats()->tail_rows;
  }

  /// Waits until the sealer, which goes by names, has looked at all collections.
  void LetSealerLook() {
    const std::shared_ptr<Collection> last = Make("zz" + std::to_string(rounds_++), 0, 1024);
    clock_.Advance(60'000);
    ASSERT_TRUE(Eventually([&] { return TailRows(last) == 0; }));
  }

  int rounds_ = 0;
};

TEST_F(IdleSealingTest, RowsThatNobodyAddsToAreSealed) {
  Open();
  const auto some = Make("some", 0, 1500);
  const auto few = Make("few", 0, 1000);
  clock_.Advance(59'000);
  ASSERT_OK(some->Upsert({MakeRecord(0)}));  // not idle after all
  LetSealerLook();
  EXPECT_EQ(TailRows(some), 0U);
  EXPECT_EQ(TailRows(few), 1000U) << "not worth a segment";
  EXPECT_EQ(some->Count(std::nullopt).value(), 1500U);
  ExpectSound();
}

TEST_F(IdleSealingTest, RowsWithoutAPauseStay) {
  Open();
  const auto busy = Make("busy", 0, 1500);
  const auto last = Make("zz", 0, 2000);
  clock_.Advance(59'999);
  ASSERT_OK(busy->Upsert({MakeRecord(1)}));
  clock_.Advance(1);
  ASSERT_TRUE(Eventually([&] { return TailRows(last) == 0; }));
  EXPECT_EQ(TailRows(busy), 1501U);
  // No pause is long enough.
  options_.seal_idle_ms = 0;
  Reopen("busy");
  clock_.Advance(1'000'000);
  std::this_thread::sleep_for(std::chrono::milliseconds(1300));
  EXPECT_EQ(TailRows(collection_), 1500U);
}

TEST_F(IdleSealingTest, TheyJoinListsWhereThatIsQuick) {
  Open();
  const auto near = Make("near", 20'000, 1100);
  const auto far = Make("far", 40'000, 1100);
  LetSealerLook();
  EXPECT_TRUE(Eventually([&] {
    const CollectionStats stats = near->Stats().value();
    return stats.tail_rows == 0 && stats.segments == 1;
  }));
  EXPECT_EQ(near->Stats()->indexes.at(0).rows, 21'100U);
  EXPECT_EQ(TailRows(far), 1100U) << "lists of the segment serve them for less";
  ExpectSound();
}

TEST_F(IdleSealingTest, ARebuiltTailIsIdleFromTheOpeningOn) {
  Open();
  Make("some", 0, 1500);
  clock_.Advance(30'000);
  Reopen("some");
  const auto some = collection_;
  clock_.Advance(59'000);
  std::this_thread::sleep_for(std::chrono::milliseconds(1300));
  EXPECT_EQ(TailRows(some), 1500U);
  clock_.Advance(1'000);
  EXPECT_TRUE(Eventually([&] { return TailRows(some) == 0; }));
}

}  // namespace
}  // namespace leadline::testing
