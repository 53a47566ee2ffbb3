/// Damage to the write-ahead log: rot is reported, a torn tail heals by itself, and nothing that
/// was synced is ever dropped without a word.

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "forwarding_file_system.h"
#include "status_matchers.h"
#include "store_testing.h"
#include "temp_dir.h"

namespace leadline::kv {
namespace {

using leadline::testing::StatusIs;
using leadline::testing::TempDir;

constexpr uint64_t kBatches = 118;

StoreOptions BigMemtables() {
  StoreOptions options = Creating();
  options.fs = UnsyncedFiles();
  options.write_buffer_bytes = 64 << 20;
  return options;
}

/// Sizes that cross blocks now and then.
size_t ValueBytes(uint64_t i) {
  return i % 17 == 0 ? 40'000 : 30 + (i * 37) % 900;
}

/// Leaves in `image` what a crash after `kBatches` batches leaves, the last `unsynced` of them not
/// synced.
void MakeCrashImage(const std::string& work, const std::string& image, uint64_t unsynced) {
  const auto store = OpenOrDie(work, BigMemtables());
  Rng rng(11);
  WriteBatch batch;
  for (uint64_t i = 1; i <= kBatches; ++i) {
    MakeNumberedBatch(i, ValueBytes(i), &rng, &batch);
    ASSERT_OK(store->Write(batch, i + unsynced <= kBatches));
  }
  CopyDirectory(work, image);
}

/// The only log with contents.
std::string LogPath(const std::string& directory) {
  std::string found;
  for (const std::string& path : FilesLike(directory, ".log")) {
    if (std::filesystem::file_size(path) > 0) {
      EXPECT_EQ(found, "");
      found = path;
    }
  }
  return found;
}

class LogDamage : public ::testing::Test {
 protected:
  /// Copies the image, lets `change` edit the log's bytes, opens.
  template <typename Change>
  Result<std::unique_ptr<Store>> OpenChanged(Change change, bool accept_loss = false) {
    CopyDirectory(image(), copy());
    const std::string log = LogPath(copy());
    std::string bytes = ReadFile(log);
    change(&bytes);
    WriteFile(log, bytes);
    StoreOptions options = BigMemtables();
    options.accept_log_loss = accept_loss;
    return Store::Open(copy(), options);
  }

  [[nodiscard]] std::string work() const { return dir_.file("work"); }

  [[nodiscard]] std::string image() const { return dir_.file("image"); }

  [[nodiscard]] std::string copy() const { return dir_.file("copy"); }

 private:
  TempDir dir_;
};

TEST_F(LogDamage, UndamagedImageOpensComplete) {
  MakeCrashImage(work(), image(), 20);
  Result<std::unique_ptr<Store>> store = OpenChanged([](std::string*) {});
  ASSERT_OK(store);
  uint64_t n = 0;
  EXPECT_TRUE(HoldsPrefix(store->get(), &n));
  EXPECT_EQ(n, kBatches);
}

TEST_F(LogDamage, ProcessThatDiesInALongWriteBesideASyncLeavesATornTail) {
  leadline::testing::ForwardingFileSystem files(UnsyncedFiles());
  StoreOptions options = BigMemtables();
  options.fs = &files;
  {
    const auto store = OpenOrDie(work(), options);
    Rng rng(12);
    WriteBatch batch;
    MakeNumberedBatch(1, 100, &rng, &batch);
    ASSERT_OK(store->Write(batch, false));
    MakeNumberedBatch(2, 3 << 20, &rng, &batch);
    int appends = 0;
    files.set_before([&](leadline::testing::FileCall call, const std::string& path) -> Status {
      // Between two pieces of the record.
      if (call == leadline::testing::FileCall::kAppend && path.ends_with(".log") &&
          ++appends == 2) {
        std::thread syncer([&] {
          EXPECT_OK(store->SyncLog());
          EXPECT_OK(store->VerifyChecksums());
        });
        syncer.join();
        CopyDirectory(work(), image());
      }
      return {};
    });
    ASSERT_OK(store->Write(batch, false));
    files.set_before(nullptr);
    ASSERT_GE(appends, 2) << "the record came in one piece";
  }
  Result<std::unique_ptr<Store>> store = OpenChanged([](std::string*) {});
  ASSERT_OK(store);
  uint64_t n = 0;
  EXPECT_TRUE(HoldsPrefix(store->get(), &n));
  EXPECT_EQ(n, 1U);
}

TEST_F(LogDamage, BitFlipInSyncedLogIsNeverSilent) {
  const uint64_t seed = 4711;
  SCOPED_TRACE(::testing::Message() << "seed=" << seed);
  MakeCrashImage(work(), image(), 0);
  Rng rng(seed);
  int refused = 0;
  for (int round = 0; round < 200; ++round) {
    uint64_t bit = 0;
    Result<std::unique_ptr<Store>> store = OpenChanged([&](std::string* bytes) {
      bit = rng.Uniform(bytes->size() * 8);
      (*bytes)[bit / 8] = static_cast<char>((*bytes)[bit / 8] ^ (1 << (bit % 8)));
    });
    if (!store.ok()) {
      ++refused;
      ASSERT_THAT(store, StatusIs(StatusCode::kDataLoss, "offset=")) << "bit=" << bit;
      ASSERT_THAT(store, StatusIs(StatusCode::kDataLoss, LogPath(copy())));
      ASSERT_THAT(store, StatusIs(StatusCode::kDataLoss, "leadline repair --accept-loss"));
      continue;
    }
    uint64_t n = 0;
    ASSERT_TRUE(HoldsPrefix(store->get(), &n)) << "bit=" << bit;
    ASSERT_EQ(n, kBatches) << "bit=" << bit;
  }
  EXPECT_GE(refused, 195);
}

TEST_F(LogDamage, BitFlipInUnsyncedLogLosesAtMostTheLastBatchSilently) {
  const uint64_t seed = 815;
  SCOPED_TRACE(::testing::Message() << "seed=" << seed);
  MakeCrashImage(work(), image(), kBatches);
  std::filesystem::remove(image() + "/SYNCED");
  Rng rng(seed);
  for (int round = 0; round < 100; ++round) {
    uint64_t bit = 0;
    Result<std::unique_ptr<Store>> store = OpenChanged([&](std::string* bytes) {
      bit = rng.Uniform(bytes->size() * 8);
      (*bytes)[bit / 8] = static_cast<char>((*bytes)[bit / 8] ^ (1 << (bit % 8)));
    });
    if (!store.ok()) {
      ASSERT_THAT(store, StatusIs(StatusCode::kDataLoss, "valid records follow"));
      continue;
    }
    uint64_t n = 0;
    ASSERT_TRUE(HoldsPrefix(store->get(), &n)) << "bit=" << bit;
    ASSERT_GE(n, kBatches - 1) << "bit=" << bit;
  }
}

TEST_F(LogDamage, VerifyChecksumsFindsAFlipInALiveLog) {
  const auto store = OpenOrDie(work(), BigMemtables());
  Rng rng(5);
  WriteBatch batch;
  for (uint64_t i = 1; i <= 20; ++i) {
    MakeNumberedBatch(i, 500, &rng, &batch);
    ASSERT_OK(store->Write(batch, true));
  }
  ASSERT_OK(store->VerifyChecksums());
  // In place: the store keeps the file open.
  std::fstream log(LogPath(work()), std::ios::in | std::ios::out | std::ios::binary);
  log.seekp(5000);
  log.put('\0');
  log.put('\1');
  log.close();
  EXPECT_THAT(store->VerifyChecksums(), StatusIs(StatusCode::kDataLoss, LogPath(work())));
}

TEST_F(LogDamage, AcceptedLossKeepsThePrefixAndTheStoreOpensAgain) {
  MakeCrashImage(work(), image(), 0);
  Rng rng(3);
  for (int round = 0; round < 10; ++round) {
    size_t at = 0;
    const auto flip = [&](std::string* bytes) {
      at = rng.Uniform(bytes->size());
      (*bytes)[at] = static_cast<char>((*bytes)[at] ^ 0x10);
    };
    uint64_t n = 0;
    {
      Result<std::unique_ptr<Store>> store = OpenChanged(flip, true);
      ASSERT_OK(store);
      ASSERT_TRUE(HoldsPrefix(store->get(), &n)) << "at=" << at;
      ASSERT_TRUE((*store)->log_cut().has_value()) << "at=" << at;
      const LogCut cut = *(*store)->log_cut();
      ASSERT_EQ(cut.path, LogPath(image()).replace(0, image().size(), copy()));
      ASSERT_LE(cut.offset, at);
      ASSERT_EQ(cut.offset + cut.dropped_bytes, ReadFile(LogPath(image())).size());
      WriteBatch batch;
      MakeNumberedBatch(n + 1, 100, &rng, &batch);
      ASSERT_OK((*store)->Write(batch, true));
    }
    const auto store = OpenOrDie(copy(), BigMemtables());
    uint64_t again = 0;
    ASSERT_TRUE(HoldsPrefix(store.get(), &again));
    ASSERT_EQ(again, n + 1);
  }
}

TEST_F(LogDamage, TruncationInsideUnsyncedTailHeals) {
  MakeCrashImage(work(), image(), 3);
  const std::string full = ReadFile(LogPath(image()));
  uint64_t last = kBatches;
  // The last three batches hold less than 3 kB; every length down to there.
  for (size_t cut = 1; cut < 2500; cut += 37) {
    Result<std::unique_ptr<Store>> store =
        OpenChanged([&](std::string* bytes) { bytes->resize(full.size() - cut); });
    uint64_t n = 0;
    ASSERT_OK(store) << "cut=" << cut;
    ASSERT_TRUE(HoldsPrefix(store->get(), &n)) << "cut=" << cut;
    ASSERT_LE(n, last);
    ASSERT_GE(n, kBatches - 3);
    last = n;
    if (n == kBatches - 3) {
      return;
    }
  }
  FAIL() << "never reached the synced part";
}

TEST_F(LogDamage, TruncationOfSyncedPartIsDataLoss) {
  MakeCrashImage(work(), image(), 0);
  for (const size_t keep : {size_t{0}, size_t{1}, size_t{1000}, size_t{50'000}}) {
    EXPECT_THAT(OpenChanged([&](std::string* bytes) { bytes->resize(keep); }),
                StatusIs(StatusCode::kDataLoss, "repair --accept-loss"))
        << "keep=" << keep;
  }
  EXPECT_THAT(OpenChanged([](std::string* bytes) { bytes->resize(bytes->size() - 1); }),
              StatusIs(StatusCode::kDataLoss));
}

TEST_F(LogDamage, RemovedLogIsDataLoss) {
  MakeCrashImage(work(), image(), 0);
  CopyDirectory(image(), copy());
  std::filesystem::remove(LogPath(copy()));
  EXPECT_THAT(Store::Open(copy(), BigMemtables()),
              StatusIs(StatusCode::kDataLoss, "synced writes are missing"));
}

TEST_F(LogDamage, TruncationBelowTheLowWaterMarkIsDataLoss) {
  {
    const auto store = OpenOrDie(work(), BigMemtables());
    Rng rng(2);
    WriteBatch batch;
    for (uint64_t i = 1; i <= 30; ++i) {
      MakeNumberedBatch(i, 200, &rng, &batch);
      ASSERT_OK(store->Write(batch, false));
    }
    ASSERT_OK(store->AdvanceLowWater(30));
    CopyDirectory(work(), image());
  }
  // Without the mark only the low-water file knows.
  std::filesystem::remove(image() + "/SYNCED");
  EXPECT_THAT(OpenChanged([](std::string* bytes) { bytes->resize(bytes->size() / 2); }),
              StatusIs(StatusCode::kDataLoss, "low_water=30"));
  EXPECT_OK(OpenChanged([](std::string*) {}));
}

TEST_F(LogDamage, ZeroedTailOfUnsyncedPartHeals) {
  MakeCrashImage(work(), image(), 3);
  for (const size_t zeros : {size_t{1}, size_t{300}, size_t{900}}) {
    Result<std::unique_ptr<Store>> store = OpenChanged([&](std::string* bytes) {
      std::fill(bytes->end() - static_cast<std::ptrdiff_t>(zeros), bytes->end(), '\0');
      bytes->append(4096, '\0');
    });
    ASSERT_OK(store);
    uint64_t n = 0;
    ASSERT_TRUE(HoldsPrefix(store->get(), &n));
    EXPECT_LT(n, kBatches);
    EXPECT_GE(n, kBatches - 3);
  }
}

TEST_F(LogDamage, LostSectorsBetweenUnsyncedBatchesHealToAPrefix) {
  MakeCrashImage(work(), image(), kBatches);
  for (size_t sector = 4; sector < 60; sector += 5) {
    Result<std::unique_ptr<Store>> store = OpenChanged([&](std::string* bytes) {
      std::fill_n(bytes->begin() + static_cast<std::ptrdiff_t>(sector * 512), 512, '\0');
    });
    ASSERT_OK(store) << "sector=" << sector;
    uint64_t n = 0;
    ASSERT_TRUE(HoldsPrefix(store->get(), &n)) << "sector=" << sector;
    EXPECT_LT(n, kBatches);
  }
}

TEST_F(LogDamage, LowWaterFileDamageIsReported) {
  MakeCrashImage(work(), image(), 0);
  const std::string good = ReadFile(image() + "/LOWWATER");
  for (size_t i = 0; i < good.size(); ++i) {
    CopyDirectory(image(), copy());
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 4);
    WriteFile(copy() + "/LOWWATER", bad);
    EXPECT_THAT(Store::Open(copy(), BigMemtables()), StatusIs(StatusCode::kDataLoss, "LOWWATER"));
  }
  std::filesystem::remove(copy() + "/LOWWATER");
  EXPECT_THAT(Store::Open(copy(), BigMemtables()), StatusIs(StatusCode::kDataLoss, "LOWWATER"));
  EXPECT_THAT(Store::Open(copy(), Reading()), StatusIs(StatusCode::kDataLoss, "LOWWATER"));
  StoreOptions repair = BigMemtables();
  repair.accept_log_loss = true;
  EXPECT_OK(Store::Open(copy(), repair));
  EXPECT_OK(Store::Open(copy(), BigMemtables()));
}

}  // namespace
}  // namespace leadline::kv
