// What a power cut leaves in the modes that acknowledge before a sync: a prefix of whole batches,
// and in interval mode all that was acknowledged before a sync of the log that has ended. The disk
// tells of each sync before it takes effect. Batch b holds records 2b and 2b + 1.

#include <atomic>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "engine_fixture.h"
#include "leadline/core/mutex.h"
#include "power_cut_file_system.h"

namespace leadline::testing {
namespace {

constexpr char kPath[] = "/db";
constexpr size_t kBatchRows = 2;
constexpr size_t kMaxImages = 24;

/// A disk cut while the database was open, and what it has to hold.
struct Image {
  std::unique_ptr<PowerCutFileSystem> disk;
  CutMode mode;
  uint64_t promised = 0;   ///< batches acknowledged before a sync that had ended at the cut
  uint64_t attempted = 0;  ///< batches begun before the end of the cut
};

class DurabilityTest : public EngineTest {
 protected:
  /// Creating a collection syncs the log and its directory. From then on only writes and the
  /// interval sync touch them.
  void Start(Durability durability) {
    options_.create_if_missing = true;
    options_.file_system = &disk_;
    options_.durability = durability;
    options_.interval_ms = 20;
    options_.background_maintenance = false;
    disk_.set_sync_hook([this](uint64_t /*k*/) { BeforeSync(); });
    ASSERT_OK_AND_ASSIGN(database_, Database::Open(kPath, options_));
    Create(4);
    log_syncs_at_start_ = database_->Stats()->log_syncs;
    watching_.store(true);
  }

  void BeforeSync() {
    if (!watching_.load()) {
      return;
    }
    if (std::this_thread::get_id() == writer_) {
      ++syncs_of_the_writer_;
      return;
    }
    MutexLock lock(&mutex_);
    // One thread syncs, so the sync before this one has ended.
    if (images_.size() < kMaxImages) {
      images_.push_back(Cut(static_cast<CutMode>(images_.size() % kCutModes), covered_));
    }
    covered_ = acknowledged_.load();
    ++syncs_;
  }

  Image Cut(CutMode mode, uint64_t promised) {
    Image image{nullptr, mode, promised, 0};
    image.disk = disk_.Cut(mode, TestSeed(1) + promised);
    image.attempted = attempted_.load();
    return image;
  }

  void WriteBatches(uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      const size_t first = attempted_.fetch_add(1) * kBatchRows;
      Fill(first, first + kBatchRows);
      acknowledged_.fetch_add(1);
    }
  }

  /// True when a sync that began after the last acknowledgement has ended, and all were of the log.
  bool AllSynced() {
    const uint64_t ended = database_->Stats()->log_syncs - log_syncs_at_start_;
    MutexLock lock(&mutex_);
    return covered_ == acknowledged_.load() && ended == syncs_;
  }

  uint64_t BackgroundSyncs() {
    MutexLock lock(&mutex_);
    return syncs_;
  }

  std::vector<Image> TakeImages() {
    MutexLock lock(&mutex_);
    return std::move(images_);
  }

  /// Counts the batches of the image, which must be a prefix, whole, and no fewer than promised.
  void CountBatches(const Image& image, uint64_t* batches) const {
    DatabaseOptions options = options_;
    options.file_system = image.disk.get();
    options.create_if_missing = false;
    ASSERT_OK_AND_ASSIGN(const auto database, Database::Open(kPath, options));
    ASSERT_OK_AND_ASSIGN(const auto collection, database->OpenCollection("c"));
    ScrollOptions scroll;
    scroll.limit = 100'000;
    ASSERT_OK_AND_ASSIGN(const ScrollPage page, collection->Scroll(scroll));
    std::set<std::string> ids;
    for (const Record& record : page.records) {
      ids.insert(record.id);
    }
    for (size_t i = 0; i < ids.size(); ++i) {
      EXPECT_TRUE(ids.contains("r" + std::to_string(i))) << "a hole";
    }
    EXPECT_EQ(ids.size() % kBatchRows, 0U) << "half a batch";
    *batches = ids.size() / kBatchRows;
    EXPECT_GE(*batches, image.promised);
    EXPECT_LE(*batches, image.attempted);
  }

  uint64_t BatchesOn(const Image& image) const {
    SCOPED_TRACE("mode " + std::to_string(static_cast<int>(image.mode)) + " promised " +
                 std::to_string(image.promised) + " attempted " + std::to_string(image.attempted));
    uint64_t batches = 0;
    CountBatches(image, &batches);
    return batches;
  }

  PowerCutFileSystem disk_;
  const std::thread::id writer_ = std::this_thread::get_id();
  uint64_t log_syncs_at_start_ = 0;
  std::atomic<bool> watching_{false};
  std::atomic<uint64_t> syncs_of_the_writer_{0};
  std::atomic<uint64_t> attempted_{0};
  std::atomic<uint64_t> acknowledged_{0};
  Mutex mutex_;
  uint64_t syncs_ LEADLINE_GUARDED_BY(mutex_) = 0;    ///< begun by another thread than the writer
  uint64_t covered_ LEADLINE_GUARDED_BY(mutex_) = 0;  ///< batches acknowledged before the last one
  std::vector<Image> images_ LEADLINE_GUARDED_BY(mutex_);
};

TEST_F(DurabilityTest, IntervalBatchesAreSyncedWithoutAnotherCall) {
  Start(Durability::kInterval);
  WriteBatches(40);
  EXPECT_EQ(syncs_of_the_writer_.load(), 0U) << "an acknowledgement waited for a sync";
  ASSERT_TRUE(Eventually([&] { return AllSynced(); }));
  EXPECT_EQ(BatchesOn(Cut(CutMode::kDropUnsynced, 40)), 40U);
  EXPECT_EQ(syncs_of_the_writer_.load(), 0U);
}

TEST_F(DurabilityTest, BetweenIntervalSyncsAPowerCutLeavesAPrefixWithAllThatWasSynced) {
  Start(Durability::kInterval);
  ASSERT_TRUE(Eventually(
      [&] {
        WriteBatches(5);
        return HasFatalFailure() || BackgroundSyncs() >= kMaxImages;
      },
      /*timeout_ms=*/120'000));
  EXPECT_TRUE(Eventually([&] { return AllSynced(); }));
  uint64_t lost = 0;
  uint64_t promised = 0;
  for (const Image& image : TakeImages()) {
    lost += image.attempted - BatchesOn(image);
    promised = image.promised;
  }
  EXPECT_GT(promised, 0U);
  EXPECT_GT(lost, 0U) << "no cut took anything away";
}

TEST_F(DurabilityTest, WithoutSyncsAPowerCutLeavesAPrefix) {
  Start(Durability::kOs);
  WriteBatches(40);
  EXPECT_EQ(syncs_of_the_writer_.load() + BackgroundSyncs(), 0U);
  for (int mode = 0; mode < kCutModes; ++mode) {
    BatchesOn(Cut(static_cast<CutMode>(mode), 0));
  }
  EXPECT_LT(BatchesOn(Cut(CutMode::kDropUnsynced, 0)), 40U) << "the cut took nothing away";
  ASSERT_OK(database_->Flush());
  EXPECT_EQ(BatchesOn(Cut(CutMode::kDropUnsynced, 40)), 40U);
}

}  // namespace
}  // namespace leadline::testing
