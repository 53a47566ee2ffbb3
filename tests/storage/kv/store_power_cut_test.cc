/// What a power cut may leave: every write that was acknowledged as synced is there, what else is
/// there is a prefix of the writes, and opening needs no help.

#include <atomic>
#include <cstdlib>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "power_cut_file_system.h"
#include "status_matchers.h"
#include "store_testing.h"

namespace leadline::kv {
namespace {

using leadline::testing::CutMode;
using leadline::testing::PowerCutFileSystem;

constexpr const char* kDirectory = "/db/store";

/// How many images to take; the label `crash` asks for more.
uint64_t Images() {
  const char* images = std::getenv("LEADLINE_POWER_CUT_IMAGES");
  return images != nullptr ? std::strtoull(images, nullptr, 10) : 210;
}

/// Which writes a run syncs.
enum class Durability { kSync, kInterval, kOs };

struct Image {
  std::unique_ptr<PowerCutFileSystem> disk;
  uint64_t promised = 0;  ///< batches acknowledged as durable before the cut
  uint64_t started = 0;   ///< batches whose write had begun
};

/// Runs numbered batches with flushes, compactions and reopens; cuts the power at a random sync.
class Run {
 public:
  Run(Durability durability, uint64_t seed) : durability_(durability), rng_(seed) {}

  Image Go() {
    const uint64_t cut_at = 1 + rng_.Uniform(90);
    const auto mode =
        static_cast<CutMode>(rng_.Uniform(static_cast<uint64_t>(leadline::testing::kCutModes)));
    const uint64_t cut_seed = rng_.Next();
    fs_.set_sync_hook([&](uint64_t k) {
      if (k == cut_at) {
        Take(mode, cut_seed);
      }
    });
    Work();
    fs_.set_sync_hook(nullptr);
    if (image_.disk == nullptr) {
      Take(mode, cut_seed);
    }
    return std::move(image_);
  }

 private:
  void Take(CutMode mode, uint64_t seed) {
    // Read first: a batch acknowledged while the image is taken would be in neither.
    image_.promised = promised_.load();
    image_.disk = fs_.Cut(mode, seed);
    image_.started = started_.load();
  }

  void Work() {
    StoreOptions options = Creating();
    options.fs = &fs_;
    options.write_buffer_bytes = 128 << 10;
    Result<std::unique_ptr<Store>> store = Store::Open(kDirectory, options);
    ASSERT_OK(store);
    WriteBatch batch;
    for (uint64_t i = 1; i <= 60; ++i) {
      MakeNumberedBatch(i, rng_.Uniform(12) == 0 ? 60'000 : 40 + rng_.Uniform(3000), &rng_, &batch);
      const bool sync = durability_ == Durability::kSync ||
                        (durability_ == Durability::kInterval && rng_.Uniform(6) == 0);
      started_ = i;
      ASSERT_OK((*store)->Write(batch, sync));
      if (sync) {
        promised_ = i;
      }
      const uint64_t event = rng_.Uniform(40);
      if (event == 0) {
        ASSERT_OK((*store)->Flush());
        promised_ = i;
      } else if (event == 1) {
        ASSERT_OK((*store)->AdvanceLowWater(i));
        promised_ = i;
      } else if (event == 2) {
        ASSERT_OK((*store)->Close());
        promised_ = i;
        store = Store::Open(kDirectory, options);
        ASSERT_OK(store);
      } else if (event == 3) {
        ASSERT_OK((*store)->Compact(Table::kVectors));
      }
    }
  }

  const Durability durability_;
  Rng rng_;
  PowerCutFileSystem fs_;
  std::atomic<uint64_t> promised_{0};
  std::atomic<uint64_t> started_{0};
  Image image_;
};

void CheckImages(Durability durability, uint64_t first_seed, uint64_t images) {
  for (uint64_t seed = first_seed; seed < first_seed + images; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed=" << seed);
    const Image image = Run(durability, seed).Go();
    StoreOptions options = Creating();
    options.fs = image.disk.get();
    for (int opening = 0; opening < 2; ++opening) {
      Result<std::unique_ptr<Store>> store = Store::Open(kDirectory, options);
      ASSERT_OK(store);
      uint64_t n = 0;
      ASSERT_TRUE(HoldsPrefix(store->get(), &n));
      ASSERT_GE(n, image.promised);
      ASSERT_LE(n, image.started);
      ASSERT_OK((*store)->VerifyChecksums());
    }
    if (::testing::Test::HasFatalFailure()) {
      return;
    }
  }
}

TEST(PowerCut, SyncedBatchesSurvive) {
  CheckImages(Durability::kSync, 1'000'000, Images() / 3);
}

TEST(PowerCut, IntervalSyncKeepsAPrefixWithEverythingSynced) {
  CheckImages(Durability::kInterval, 2'000'000, Images() / 3);
}

TEST(PowerCut, UnsyncedWritesLeaveAPrefix) {
  CheckImages(Durability::kOs, 3'000'000, Images() / 3);
}

}  // namespace
}  // namespace leadline::kv
