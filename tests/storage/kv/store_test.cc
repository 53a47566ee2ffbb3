#include "leadline/storage/store.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <future>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "forwarding_file_system.h"
#include "low_water.h"
#include "status_matchers.h"
#include "store_testing.h"
#include "temp_dir.h"

namespace leadline::kv {
namespace {

using leadline::testing::StatusIs;
using leadline::testing::TempDir;

TEST(Store, MissingDirectoryIsNotFoundUnlessCreating) {
  const TempDir dir;
  StoreOptions options = Creating();
  options.create_if_missing = false;
  EXPECT_THAT(Store::Open(dir.file("none"), options), StatusIs(StatusCode::kNotFound, "none"));
  EXPECT_THAT(Store::Open(dir.path(), options), StatusIs(StatusCode::kNotFound, dir.path()));
  EXPECT_OK(Store::Open(dir.file("a/b/c"), Creating()));
  EXPECT_THAT(Store::Open("", Creating()), StatusIs(StatusCode::kInvalidArgument, "directory"));
}

TEST(Store, BatchAppliesToAllTablesAndSurvivesReopen) {
  const TempDir dir;
  const std::string row(512, 'v');
  {
    const auto store = OpenOrDie(dir.file("db"), Creating());
    WriteBatch batch;
    batch.Put(Table::kMeta, "seq", Fixed64(7));
    batch.Put(Table::kRecords, "r", "record");
    batch.Put(Table::kVectors, "v", row);
    batch.Put(Table::kLocations, "l", "location");
    batch.Put(Table::kTombstones, "t", "");
    EXPECT_EQ(batch.count(), 5u);
    ASSERT_OK(store->Write(batch, true));
    EXPECT_EQ(batch.count(), 5u);
    ASSERT_OK_AND_ASSIGN(auto absent, store->Get(Table::kRecords, "v"));
    EXPECT_FALSE(absent.has_value());
    ASSERT_OK(store->Close());
    EXPECT_THAT(store->Get(Table::kMeta, "seq"), StatusIs(StatusCode::kFailedPrecondition));
  }
  const auto store = OpenOrDie(dir.file("db"), Creating());
  ASSERT_OK_AND_ASSIGN(auto value, store->Get(Table::kVectors, "v"));
  EXPECT_EQ(value, row);
  EXPECT_EQ(LowWater::Read(FileSystem::Posix(), dir.file("db")).value(), 7U);
  ASSERT_OK_AND_ASSIGN(auto many, store->MultiGet(Table::kRecords, {"q", "r", "s"}));
  ASSERT_EQ(many.size(), 3u);
  EXPECT_FALSE(many[0].has_value());
  EXPECT_EQ(many[1], "record");
  EXPECT_FALSE(many[2].has_value());
}

TEST(Store, IteratorKeepsToItsPrefixAndMoment) {
  const TempDir dir;
  const auto store = OpenOrDie(dir.file("db"), Creating());
  WriteBatch batch;
  const std::string high = std::string(1, '\xff') + "\xff";
  for (const std::string& key : {std::string("a1"), std::string("a2"), std::string("a3"),
                                 std::string("b1"), high + "1", high + "2"}) {
    batch.Put(Table::kRecords, key, key);
  }
  ASSERT_OK(store->Write(batch, false));
  const std::unique_ptr<Iterator> it = store->NewIterator(Table::kRecords, "a");
  const auto snapshot = store->NewSnapshot();
  batch.Clear();
  batch.Delete(Table::kRecords, "a2");
  batch.Put(Table::kRecords, "a9", "new");
  batch.DeleteRange(Table::kRecords, "b", "c");
  ASSERT_OK(store->Write(batch, false));

  ASSERT_TRUE(it->Valid());
  EXPECT_EQ(it->key(), "a1");
  it->Seek("a2");
  ASSERT_TRUE(it->Valid());
  EXPECT_EQ(it->key(), "a2");
  it->Next();
  it->Next();
  EXPECT_FALSE(it->Valid());
  it->Seek("");
  ASSERT_TRUE(it->Valid());
  EXPECT_EQ(it->key(), "a1");
  it->Seek("b");
  EXPECT_FALSE(it->Valid());
  EXPECT_EQ(Contents(store.get(), Table::kRecords, "a").size(), 3u);
  EXPECT_EQ(Contents(store.get(), Table::kRecords, "a", snapshot.get()).count("a2"), 1u);
  EXPECT_EQ(Contents(store.get(), Table::kRecords, "b").size(), 0u);
  EXPECT_EQ(Contents(store.get(), Table::kRecords, "b", snapshot.get()).size(), 1u);
  EXPECT_EQ(Contents(store.get(), Table::kRecords, high).size(), 2u);
  ASSERT_OK_AND_ASSIGN(auto old, store->Get(Table::kRecords, "a2", snapshot.get()));
  EXPECT_TRUE(old.has_value());
}

TEST(Store, SnapshotAndIteratorMayOutliveTheStore) {
  const TempDir dir;
  auto store = OpenOrDie(dir.file("db"), Creating());
  WriteBatch batch;
  batch.Put(Table::kRecords, "k", "v");
  ASSERT_OK(store->Write(batch, false));
  auto it = store->NewIterator(Table::kRecords, "");
  auto snapshot = store->NewSnapshot();
  store.reset();
  ASSERT_TRUE(it->Valid());
  EXPECT_EQ(it->value(), "v");
  it.reset();
  snapshot.reset();
  EXPECT_NE(OpenOrDie(dir.file("db"), Creating()), nullptr);
}

TEST(Store, RandomOperationsEqualAMapAcrossFlushCompactAndReopen) {
  const uint64_t seed = 20240601;
  SCOPED_TRACE(::testing::Message() << "seed=" << seed);
  Rng rng(seed);
  const TempDir dir;
  StoreOptions options = Creating();
  options.fs = UnsyncedFiles();
  auto store = OpenOrDie(dir.file("db"), options);
  std::map<std::string, std::string> model[kTableCount];
  for (int step = 0; step < 600; ++step) {
    WriteBatch batch;
    for (uint64_t i = 0, n = 1 + rng.Uniform(20); i < n; ++i) {
      const size_t t = rng.Uniform(kTableCount);
      const auto table = static_cast<Table>(t);
      const std::string key = "k" + std::to_string(rng.Uniform(300));
      const uint64_t kind = rng.Uniform(10);
      if (kind < 7) {
        std::string value(rng.Uniform(400), static_cast<char>('a' + rng.Uniform(26)));
        batch.Put(table, key, value);
        model[t][key] = std::move(value);
      } else if (kind < 9) {
        batch.Delete(table, key);
        model[t].erase(key);
      } else {
        const std::string end = key + "9";
        batch.DeleteRange(table, key, end);
        model[t].erase(model[t].lower_bound(key), model[t].lower_bound(end));
      }
    }
    ASSERT_OK(store->Write(batch, rng.Uniform(4) == 0));
    const uint64_t event = rng.Uniform(100);
    if (event < 3) {
      ASSERT_OK(store->Flush());
    } else if (event < 5) {
      ASSERT_OK(store->Compact(static_cast<Table>(rng.Uniform(kTableCount))));
    } else if (event < 7) {
      store.reset();
      store = OpenOrDie(dir.file("db"), options);
    } else if (event < 10) {
      const size_t t = rng.Uniform(kTableCount);
      ASSERT_TRUE(Contents(store.get(), static_cast<Table>(t)) == model[t]) << "step=" << step;
    }
  }
  ASSERT_OK(store->VerifyChecksums());
  for (size_t t = 0; t < kTableCount; ++t) {
    EXPECT_TRUE(Contents(store.get(), static_cast<Table>(t)) == model[t]);
  }
}

/// Bytes of the log files in a store's directory.
uint64_t LogBytes(const std::string& directory) {
  uint64_t bytes = 0;
  const std::vector<std::string> names = FileSystem::Posix()->ListDirectory(directory).value();
  for (const std::string& name : names) {
    if (name.ends_with(".log")) {
      bytes += FileSystem::Posix()->FileSize(JoinPath(directory, name)).value();
    }
  }
  return bytes;
}

TEST(Store, FlushEmptiesTheLogAndCompactReleasesDeletedRows) {
  const TempDir dir;
  const auto store = OpenOrDie(dir.file("db"), Creating());
  Rng rng(5);
  for (uint32_t i = 0; i < 64; ++i) {
    WriteBatch batch;
    std::string row(16 << 10, '\0');
    for (char& c : row) {
      c = static_cast<char>(rng.Next());
    }
    batch.Put(Table::kVectors, "v" + std::to_string(i), row);
    ASSERT_OK(store->Write(batch, false));
  }
  EXPECT_GT(LogBytes(dir.file("db")), 0U);
  ASSERT_OK(store->Flush());
  ASSERT_OK_AND_ASSIGN(const StoreStats full, store->Stats());
  EXPECT_EQ(LogBytes(dir.file("db")), 0U);
  EXPECT_GT(full.disk_bytes, 1u << 20);
  WriteBatch batch;
  batch.DeleteRange(Table::kVectors, "v", "w");
  ASSERT_OK(store->Write(batch, true));
  ASSERT_OK(store->Compact(Table::kVectors));
  ASSERT_OK_AND_ASSIGN(const StoreStats empty, store->Stats());
  EXPECT_LT(empty.disk_bytes, full.disk_bytes / 4);
  EXPECT_GE(empty.log_syncs, 1u);
}

TEST(Store, VerifyChecksumsEndsWhereItsWatchSaysSo) {
  const TempDir dir;
  const auto store = OpenOrDie(dir.file("db"), Creating());
  WriteBatch batch;
  batch.Put(Table::kMeta, "seq", Fixed64(3));
  batch.Put(Table::kVectors, "v", std::string(3 << 20, 'x'));
  ASSERT_OK(store->Write(batch, false));
  ASSERT_OK(store->Flush());
  std::vector<uint64_t> told;
  ASSERT_OK(store->VerifyChecksums([&](uint64_t done_bytes) {
    told.push_back(done_bytes);
    return OkStatus();
  }));
  EXPECT_TRUE(std::is_sorted(told.begin(), told.end()));
  ASSERT_GT(told.size(), 5U);
  EXPECT_GE(told.back(), uint64_t{3} << 20);
  for (size_t end = 0; end < told.size(); ++end) {
    size_t asked = 0;
    const Status stopped = store->VerifyChecksums(
        [&](uint64_t) { return asked++ == end ? CancelledError("enough") : OkStatus(); });
    EXPECT_THAT(stopped, StatusIs(StatusCode::kCancelled, "enough")) << end;
    EXPECT_EQ(asked, end + 1) << "nothing is read after the answer";
  }
  EXPECT_OK(store->Health());
  EXPECT_OK(store->Write(batch, true));
  EXPECT_OK(store->VerifyChecksums());
}

TEST(Store, SequenceBelowTheLowWaterMarkIsDataLoss) {
  const TempDir dir;
  {
    const auto store = OpenOrDie(dir.file("db"), Creating());
    WriteBatch batch;
    batch.Put(Table::kMeta, "seq", Fixed64(5));
    ASSERT_OK(store->Write(batch, true));
    ASSERT_OK(store->AdvanceLowWater(9));
    ASSERT_OK(store->AdvanceLowWater(4));
    EXPECT_EQ(LowWater::Read(FileSystem::Posix(), dir.file("db")).value(), 9U);
  }
  EXPECT_THAT(Store::Open(dir.file("db"), Creating()),
              StatusIs(StatusCode::kDataLoss, "low_water=9"));
}

TEST(Store, FreeSpaceWatermarkRefusesWithoutLatching) {
  const TempDir dir;
  StoreOptions options = Creating();
  options.min_free_bytes = uint64_t{1} << 60;
  const auto store = OpenOrDie(dir.file("db"), options);
  WriteBatch batch;
  batch.Put(Table::kMeta, "k", "v");
  EXPECT_THAT(store->Write(batch, true), StatusIs(StatusCode::kResourceExhausted, "free="));
  EXPECT_OK(store->Health());
  ASSERT_OK_AND_ASSIGN(auto value, store->Get(Table::kMeta, "k"));
  EXPECT_FALSE(value.has_value());
}

TEST(Store, FingerprintChangesWithEveryWrite) {
  const TempDir dir;
  const auto store = OpenOrDie(dir.file("db"), Creating());
  ASSERT_OK_AND_ASSIGN(uint64_t last, Store::Fingerprint(FileSystem::Posix(), dir.file("db")));
  ASSERT_OK_AND_ASSIGN(const uint64_t same,
                       Store::Fingerprint(FileSystem::Posix(), dir.file("db")));
  EXPECT_EQ(last, same);
  for (int i = 0; i < 3; ++i) {
    WriteBatch batch;
    batch.Put(Table::kMeta, "k", std::to_string(i));
    ASSERT_OK(store->Write(batch, false));
    ASSERT_OK_AND_ASSIGN(const uint64_t now,
                         Store::Fingerprint(FileSystem::Posix(), dir.file("db")));
    EXPECT_NE(now, last);
    last = now;
  }
  EXPECT_THAT(Store::Fingerprint(FileSystem::Posix(), dir.file("none")),
              StatusIs(StatusCode::kNotFound));
}

/// Throws at such a call for a log.
void ThrowAt(testing::ForwardingFileSystem* fs, testing::FileCall doomed) {
  fs->set_before([doomed](testing::FileCall call, const std::string& path) -> Status {
    if (call == doomed && path.ends_with(".log")) {
      throw std::bad_alloc();
    }
    return {};
  });
}

TEST(Store, AWriteThatAnExceptionInterruptsIsNotToBeRepeatedAndLatches) {
  const TempDir dir;
  testing::ForwardingFileSystem fs(FileSystem::Posix());
  StoreOptions options = Creating();
  options.fs = &fs;
  {
    const auto store = OpenOrDie(dir.file("db"), options);
    WriteBatch batch;
    batch.Put(Table::kRecords, "kept", "record");
    ASSERT_OK(store->Write(batch, true));
    ThrowAt(&fs, testing::FileCall::kAppend);
    batch.Put(Table::kRecords, "unknown", "record");
    const Status written = store->Write(batch, true);
    EXPECT_THAT(written, StatusIs(StatusCode::kFailedPrecondition, "may be done or not"));
    EXPECT_FALSE(written.retryable());
    fs.set_before(nullptr);
    EXPECT_FALSE(store->Health().ok());
    EXPECT_THAT(store->Write(batch, true), StatusIs(StatusCode::kFailedPrecondition, "read-only"));
    ASSERT_OK_AND_ASSIGN(const auto kept, store->Get(Table::kRecords, "kept"));
    EXPECT_EQ(kept, "record");
    EXPECT_THAT(store->Close(), StatusIs(StatusCode::kFailedPrecondition));
  }
  const auto store = OpenOrDie(dir.file("db"), options);
  ASSERT_OK_AND_ASSIGN(const auto kept, store->Get(Table::kRecords, "kept"));
  EXPECT_EQ(kept, "record");
}

TEST(Store, AFlushThatAnExceptionInterruptsLatches) {
  const TempDir dir;
  testing::ForwardingFileSystem fs(FileSystem::Posix());
  StoreOptions options = Creating();
  options.fs = &fs;
  {
    const auto store = OpenOrDie(dir.file("db"), options);
    WriteBatch batch;
    batch.Put(Table::kRecords, "kept", "record");
    ASSERT_OK(store->Write(batch, true));
    ThrowAt(&fs, testing::FileCall::kCreate);
    EXPECT_THAT(store->Flush(), StatusIs(StatusCode::kFailedPrecondition, "may be done or not"));
    fs.set_before(nullptr);
    EXPECT_THAT(store->Write(batch, true), StatusIs(StatusCode::kFailedPrecondition, "read-only"));
    EXPECT_THAT(store->Close(), StatusIs(StatusCode::kFailedPrecondition));
  }
  const auto store = OpenOrDie(dir.file("db"), options);
  ASSERT_OK_AND_ASSIGN(const auto kept, store->Get(Table::kRecords, "kept"));
  EXPECT_EQ(kept, "record");
}

TEST(Store, WritesGoOnWhileChecksumsAreVerified) {
  const TempDir dir;
  const auto store = OpenOrDie(dir.file("db"), Creating());
  WriteBatch batch;
  batch.Put(Table::kRecords, "a", std::string(10'000, 'a'));
  ASSERT_OK(store->Write(batch, true));
  ASSERT_OK(store->Flush());
  std::vector<std::future<Status>> writes;
  size_t done = 0;
  const Status verified = store->VerifyChecksums([&](uint64_t /*done_bytes*/) -> Status {
    writes.push_back(std::async(std::launch::async, [&] { return store->Write(batch, true); }));
    const bool in_time =
        writes.back().wait_for(std::chrono::seconds(20)) == std::future_status::ready;
    done += in_time ? 1 : 0;
    return in_time ? OkStatus() : DeadlineExceededError("a write waited for the verification");
  });
  EXPECT_OK(verified);
  EXPECT_GT(done, 1U);
  for (std::future<Status>& write : writes) {
    EXPECT_OK(write.get());
  }
}

}  // namespace
}  // namespace leadline::kv
