// Power cuts: the whole database, RocksDB's files and segments alike, runs on an in-memory disk
// that knows which bytes and names are durable. At sync boundaries the disk is cut in every way it
// may be cut; each image must open with everything acknowledged before the cut, whole batches only.
//
// LEADLINE_POWER_CUTS sets the number of images, LEADLINE_TEST_SEED the seed.

#include <atomic>
#include <cstdlib>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "crash_workload.h"
#include "power_cut_file_system.h"
#include "status_matchers.h"

namespace leadline::testing {
namespace {

constexpr uint64_t kBatches = 45;

uint64_t FromEnvironment(const char* name, uint64_t fallback) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : fallback;
}

struct Image {
  std::unique_ptr<PowerCutFileSystem> disk;
  uint64_t promised = 0;  ///< batches acknowledged before the cut
  CutMode mode;
};

class PowerCutTest : public ::testing::Test {
 protected:
  /// Runs the workload once and cuts at random syncs.
  std::vector<Image> Run(uint64_t seed) {
    std::vector<Image> images;
    Rng rng(seed);
    Mutex mutex;
    std::atomic<uint64_t> acknowledged{0};
    PowerCutFileSystem disk;
    disk.set_sync_hook([&](uint64_t /*k*/) {
      MutexLock lock(&mutex);
      if (rng.Uniform(3) == 0) {
        const auto mode = static_cast<CutMode>(rng.Uniform(kCutModes));
        // Read before the cut: what is acknowledged during it is not promised.
        const uint64_t promised = acknowledged.load();
        images.push_back({disk.Cut(mode, rng.Next()), promised, mode});
      }
    });
    DatabaseOptions options = CrashDatabase();
    options.file_system = &disk;
    Result<std::unique_ptr<Database>> database = Database::Open("/db", options);
    EXPECT_OK(database);
    Result<std::shared_ptr<Collection>> collection =
        (*database)->CreateCollection("c", CrashCollection());
    EXPECT_OK(collection);
    for (uint64_t i = 0; i < kBatches; ++i) {
      EXPECT_OK((*collection)->Write(ToWriteBatch(MakeCrashBatch(seed, 0, i))));
      acknowledged.store(i + 1);
      if (i % 20 == 19) {
        EXPECT_OK((*collection)->Optimize());
      }
    }
    EXPECT_OK((*database)->Close());
    database->reset();
    disk.set_sync_hook({});
    return images;
  }

  void Verify(const Image& image, uint64_t seed) {
    SCOPED_TRACE("seed " + std::to_string(seed) + " mode " +
                 std::to_string(static_cast<int>(image.mode)) + " promised " +
                 std::to_string(image.promised));
    DatabaseOptions options = CrashDatabase();
    options.file_system = image.disk.get();
    options.background_maintenance = false;
    Result<std::unique_ptr<Database>> database = Database::Open("/db", options);
    ASSERT_OK(database);
    Result<std::shared_ptr<Collection>> collection = (*database)->OpenCollection("c");
    if (!collection.ok()) {
      ASSERT_EQ(image.promised, 0U) << "the collection is gone";
      return;
    }
    ASSERT_OK_AND_ASSIGN(const CrashImage found, ReadImage(collection->get(), ""));
    CrashRecords records;
    uint64_t applied = 0;
    for (; applied < image.promised; ++applied) {
      Apply(MakeCrashBatch(seed, 0, applied), &records);
    }
    while (found != ImageOf(records) && applied <= kBatches) {
      Apply(MakeCrashBatch(seed, 0, applied++), &records);
    }
    ASSERT_EQ(found, ImageOf(records)) << "no prefix of the batches explains the state";
    for (const std::string& problem :
         Disagreements(database->get(), collection->get(), records, seed)) {
      ADD_FAILURE() << problem;
    }
    ASSERT_OK((*database)->Close());
  }
};

TEST_F(PowerCutTest, KeepsWhatWasAcknowledgedAndNothingHalf) {
  const uint64_t wanted = FromEnvironment("LEADLINE_POWER_CUTS", 3000);
  uint64_t seed = FromEnvironment("LEADLINE_TEST_SEED", 11);
  std::printf("[ power ] first seed %llu, %llu images\n", static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(wanted));
  for (uint64_t images = 0; images < wanted && !HasFailure(); ++seed) {
    for (const Image& image : Run(seed)) {
      Verify(image, seed);
      if (HasFailure() || ++images == wanted) {
        break;
      }
    }
  }
}

}  // namespace
}  // namespace leadline::testing
