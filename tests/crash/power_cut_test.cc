// Power cuts: the whole database, RocksDB's files and segments alike, runs on an in-memory disk
// that knows which bytes and names are durable. At sync boundaries the disk is cut in every way it
// may be cut; each image must hold exactly the acknowledged steps, and at most the one in flight
// besides. Every fourth image is cut again while it recovers.
//
// LEADLINE_POWER_CUTS sets the number of images.

#include <atomic>
#include <cstdio>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "crash_workload.h"
#include "leadline/core/mutex.h"
#include "power_cut_file_system.h"
#include "status_matchers.h"
#include "test_environment.h"

namespace leadline::testing {
namespace {

/// Streams 0 and 2 in turn: enough of them that "v" is created, backed up, dropped and created.
constexpr uint64_t kSteps = 52;
constexpr uint64_t kReopenEvery = 14;
constexpr uint64_t kFlushEvery = 5;

struct Place {
  int stream;
  uint64_t index;
};

Place PlaceOf(uint64_t step) {
  return {step % 2 == 0 ? 0 : 2, step / 2};
}

struct Image {
  std::unique_ptr<PowerCutFileSystem> disk;
  CutMode mode;
  uint64_t promised = 0;   ///< steps acknowledged before the cut
  uint64_t attempted = 0;  ///< steps begun before its end
};

class PowerCutTest : public ::testing::Test {
 protected:
  /// Runs the workload once and cuts at random syncs.
  std::vector<Image> Run(uint64_t seed) {
    std::vector<Image> images;
    Rng rng(seed);
    Mutex mutex;
    std::atomic<uint64_t> acknowledged{0};
    std::atomic<uint64_t> attempted{0};
    PowerCutFileSystem disk;
    DatabaseOptions options = CrashDatabase();
    options.file_system = &disk;
    // Every third run: nothing is promised before a flush.
    const bool lazy = seed % 3 == 2;
    options.durability = lazy ? Durability::kOs : Durability::kSync;
    std::unique_ptr<Database> database;
    EXPECT_OK(Open(options, &database));
    EXPECT_OK(database->CreateCollection(CollectionOf(0), CrashCollection(0)));
    disk.set_sync_hook([&](uint64_t /*k*/) {
      MutexLock lock(&mutex);
      if (rng.Uniform(3) == 0) {
        Image image;
        image.mode = static_cast<CutMode>(rng.Uniform(kCutModes));
        image.promised = acknowledged.load();
        image.disk = disk.Cut(image.mode, rng.Next());
        image.attempted = attempted.load();
        images.push_back(std::move(image));
      }
    });
    for (uint64_t i = 0; i < kSteps && !HasFailure(); ++i) {
      attempted.store(i + 1);
      const Place place = PlaceOf(i);
      const CrashStep step = MakeCrashStep(seed, place.stream, place.index);
      EXPECT_OK(RunStep(database.get(), &disk, "/db", place.stream, step));
      const bool reopen = i % kReopenEvery == kReopenEvery - 1;
      if (lazy && i % kFlushEvery == kFlushEvery - 1) {
        EXPECT_OK(database->Flush());
      }
      if (!lazy || i % kFlushEvery == kFlushEvery - 1 || step.kind == StepKind::kCreate ||
          step.kind == StepKind::kDrop) {
        acknowledged.store(i + 1);
      }
      if (reopen) {
        EXPECT_OK(database->Close());
        acknowledged.store(i + 1);
        EXPECT_OK(Open(options, &database));
      }
    }
    EXPECT_OK(database->Close());
    database.reset();
    disk.set_sync_hook({});
    return images;
  }

  static Status Open(const DatabaseOptions& options, std::unique_ptr<Database>* database) {
    database->reset();
    LEADLINE_ASSIGN_OR_RETURN(*database, Database::Open("/db", options));
    return {};
  }

  /// Verifies, and on request cuts once more while the image recovers.
  void VerifyImage(Image* image, uint64_t seed, bool cut_again) {
    SCOPED_TRACE("seed " + std::to_string(seed) + " mode " +
                 std::to_string(static_cast<int>(image->mode)) + " promised " +
                 std::to_string(image->promised) + " attempted " +
                 std::to_string(image->attempted));
    const std::string kept = ::testing::TempDir() + "leadline-power-cut-" + std::to_string(seed);
    const std::unique_ptr<PowerCutFileSystem> before = image->disk->Cut(CutMode::kKeepAll, 1);
    Image second{nullptr, static_cast<CutMode>(rng_.Uniform(kCutModes)), image->promised,
                 image->attempted};
    const uint64_t wanted = image->disk->syncs() + 1 + rng_.Uniform(12);
    if (cut_again) {
      image->disk->set_sync_hook([&, disk = image->disk.get()](uint64_t k) {
        if (k == wanted) {
          second.disk = disk->Cut(second.mode, seed + k);
        }
      });
    }
    Verify(image->disk.get(), *image, seed);
    image->disk->set_sync_hook({});
    if (second.disk != nullptr && !HasFailure()) {
      SCOPED_TRACE("cut again in mode " + std::to_string(static_cast<int>(second.mode)) +
                   " at sync " + std::to_string(wanted));
      ++cut_again_;
      Verify(second.disk.get(), second, seed);
    }
    if (HasFailure()) {
      before->Materialise("/", kept);
      std::printf("[ kept  ] %s\n[ again ] %s\n", kept.c_str(), ReplayCommand().c_str());
    }
  }

  void Verify(PowerCutFileSystem* disk, const Image& image, uint64_t seed) {
    const Result<std::vector<std::string>> names = disk->ListDirectory("/db/store");
    ASSERT_OK(names);
    for (const std::string& name : *names) {
      with_blobs_ += name.find(".blob") != std::string::npos ? 1U : 0U;
    }
    DatabaseOptions options = CrashDatabase();
    options.file_system = disk;
    options.background_maintenance = false;
    std::unique_ptr<Database> database;
    ASSERT_OK(Open(options, &database));
    VerifyContents(database.get(), image, seed);
    VerifyBackups(disk);
    ASSERT_OK(database->Close());
  }

  void VerifyContents(Database* database, const Image& image, uint64_t seed) {
    CrashState states[2] = {InitialState(0), InitialState(2)};
    uint64_t applied = 0;
    const auto apply = [&] {
      const Place place = PlaceOf(applied++);
      Apply(MakeCrashStep(seed, place.stream, place.index), &states[place.stream / 2]);
    };
    while (applied < image.promised) {
      apply();
    }
    CrashImage found[2];
    std::shared_ptr<Collection> collections[2];
    for (int i = 0; i < 2; ++i) {
      Result<std::shared_ptr<Collection>> collection =
          database->OpenCollection(CollectionOf(i * 2));
      if (collection.ok()) {
        collections[i] = *collection;
        ASSERT_OK_AND_ASSIGN(found[i], ReadImage(collection->get(), ""));
      } else {
        ASSERT_EQ(collection.status().code(), StatusCode::kNotFound);
      }
    }
    const auto explained = [&] {
      return (collections[0] != nullptr) == states[0].exists &&
             (collections[1] != nullptr) == states[1].exists &&
             found[0] == ImageOf(states[0].records) && found[1] == ImageOf(states[1].records);
    };
    while (!explained() && applied < image.attempted) {
      apply();
    }
    ASSERT_TRUE(explained()) << "neither the acknowledged steps nor those in flight explain what "
                                "is there: c has "
                             << found[0].size() << " records, expected "
                             << ImageOf(states[0].records).size() << ", v has " << found[1].size()
                             << ", expected " << ImageOf(states[1].records).size();
    for (int i = 0; i < 2; ++i) {
      if (collections[i] == nullptr) {
        continue;
      }
      for (const std::string& problem :
           Disagreements(database, collections[i].get(), states[i].records, seed, &tally_)) {
        ADD_FAILURE() << problem;
      }
    }
  }

  void VerifyBackups(PowerCutFileSystem* disk) {
    for (const char* name : {"/db-backup", "/db-restored"}) {
      if (!disk->FileExists(name).ok()) {
        continue;
      }
      ++backups_;
      DatabaseOptions options;
      options.read_only = true;
      options.file_system = disk;
      ASSERT_OK_AND_ASSIGN(const auto copy, Database::Open(name, options));
      ASSERT_OK_AND_ASSIGN(const CheckReport report, copy->Check());
      EXPECT_TRUE(report.ok()) << name << ": " << report.problems[0].invariant << " "
                               << report.problems[0].where << " " << report.problems[0].detail;
    }
  }

  Rng rng_{TestSeed(11)};
  SearchTally tally_;
  uint64_t with_blobs_ = 0;
  uint64_t backups_ = 0;
  uint64_t cut_again_ = 0;
};

TEST_F(PowerCutTest, KeepsExactlyWhatWasAcknowledged) {
  const uint64_t wanted = FromEnvironment("LEADLINE_POWER_CUTS", 1000);
  ASSERT_GT(wanted, 0U);
  uint64_t images = 0;
  for (uint64_t seed = TestSeed(11); images < wanted && !HasFailure(); ++seed) {
    for (Image& image : Run(seed)) {
      if (HasFailure() || images == wanted) {
        break;
      }
      VerifyImage(&image, seed, ++images % 4 == 0);
      image.disk.reset();
    }
  }
  std::printf("[ power ] %llu images, %llu cut again, %llu blob files, %llu backups\n",
              static_cast<unsigned long long>(images), static_cast<unsigned long long>(cut_again_),
              static_cast<unsigned long long>(with_blobs_),
              static_cast<unsigned long long>(backups_));
  if (HasFailure()) {
    return;
  }
  EXPECT_GT(with_blobs_, 0U) << "no image had a blob file";
  EXPECT_GT(cut_again_ * 8, images) << "too few recoveries were cut";
  ExpectIndexesUsed(tally_);
}

}  // namespace
}  // namespace leadline::testing
