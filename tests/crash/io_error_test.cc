// I/O errors and full disks: the Nth file operation fails, once or from then on, anywhere in open,
// write, seal, publish, merge, backup and close. Calls may fail; nothing may abort, hang or lie,
// and what was acknowledged is there after a clean reopen.
//
// LEADLINE_IO_POINTS bounds the number of failure points, LEADLINE_TEST_SEED shifts them.

#include <cstdlib>
#include <filesystem>
#include <memory>

#include <gtest/gtest.h>

#include "crash_workload.h"
#include "fault_injection_file_system.h"
#include "status_matchers.h"
#include "temp_dir.h"

namespace leadline::testing {
namespace {

constexpr uint64_t kBatches = 24;

uint64_t FromEnvironment(const char* name, uint64_t fallback) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : fallback;
}

/// The nth operation of any kind fails.
FaultPlan FailNth(uint64_t nth, bool sticky) {
  FaultPlan plan;
  plan.ops = FileOps(~0U);
  plan.nth = nth;
  plan.sticky = sticky;
  return plan;
}

struct Outcome {
  bool collection_created = false;
  uint64_t acknowledged = 0;  ///< batches that returned OK, in order
  uint64_t attempted = 0;
};

/// Open, write, optimize, back up, write, close; stops writing at the first failed write.
Outcome RunScenario(FileSystem* fs, const std::string& path) {
  Outcome outcome;
  DatabaseOptions options = CrashDatabase();
  options.file_system = fs;
  options.background_maintenance = false;
  Result<std::unique_ptr<Database>> database = Database::Open(path, options);
  if (!database.ok()) {
    return outcome;
  }
  Result<std::shared_ptr<Collection>> collection =
      (*database)->CreateCollection("c", CrashCollection());
  outcome.collection_created = collection.ok();
  for (uint64_t i = 0; collection.ok() && i < kBatches; ++i) {
    outcome.attempted = i + 1;
    if (!(*collection)->Write(ToWriteBatch(MakeCrashBatch(5, 0, i))).ok()) {
      break;
    }
    outcome.acknowledged = i + 1;
    if (i == 8 || i == 16) {
      (*collection)->Optimize().IgnoreError();
    }
    if (i == 12) {
      (*database)->Backup(path + "-backup").IgnoreError();
    }
    const Result<SearchResponse> found =
        (*collection)->Search(MakeCrashBatch(5, 0, 0)[0].record.vector);
    found.status().IgnoreError();
  }
  (*database)->Close().IgnoreError();
  return outcome;
}

void VerifyAfter(const std::string& path, const Outcome& outcome) {
  DatabaseOptions options = CrashDatabase();
  options.background_maintenance = false;
  ASSERT_OK_AND_ASSIGN(const auto database, Database::Open(path, options));
  Result<std::shared_ptr<Collection>> collection = database->OpenCollection("c");
  if (!collection.ok()) {
    ASSERT_FALSE(outcome.collection_created) << "the collection is gone";
    return;
  }
  ASSERT_OK_AND_ASSIGN(const CrashImage found, ReadImage(collection->get(), ""));
  CrashRecords records;
  for (uint64_t i = 0; i < outcome.acknowledged; ++i) {
    Apply(MakeCrashBatch(5, 0, i), &records);
  }
  if (found != ImageOf(records) && outcome.attempted > outcome.acknowledged) {
    Apply(MakeCrashBatch(5, 0, outcome.acknowledged), &records);
  }
  ASSERT_EQ(found, ImageOf(records)) << outcome.acknowledged << " acknowledged";
  for (const std::string& problem : Disagreements(database.get(), collection->get(), records, 1)) {
    ADD_FAILURE() << problem;
  }
  ASSERT_OK(database->Close());
}

class IoErrorTest : public ::testing::Test {
 protected:
  void RunWith(FaultInjectionFileSystem* fs) {
    // No power is cut here, and real syncs are what such a run would wait for.
    fs->set_skip_sync(true);
    const std::string path = dir_.file("db");
    const Outcome outcome = RunScenario(fs, path);
    fs->Disarm();
    fs->SetByteBudget(std::nullopt);
    VerifyAfter(path, outcome);
    std::filesystem::remove_all(path);
    std::filesystem::remove_all(path + "-backup");
    std::filesystem::remove_all(path + "-backup.partial");
  }

  TempDir dir_;
};

TEST_F(IoErrorTest, NthOperationFailingLosesNothingAcknowledged) {
  FaultInjectionFileSystem counting(FileSystem::Posix());
  counting.Arm(FailNth(~uint64_t{0}, false));
  RunScenario(&counting, dir_.file("count"));
  const uint64_t operations = counting.seen();
  const uint64_t points = FromEnvironment("LEADLINE_IO_POINTS", 150);
  const uint64_t step = std::max<uint64_t>(1, operations / points);
  std::printf("[ io    ] %llu operations, every %lluth fails, once and sticky\n",
              static_cast<unsigned long long>(operations), static_cast<unsigned long long>(step));
  for (const bool sticky : {false, true}) {
    for (uint64_t n = 1 + FromEnvironment("LEADLINE_TEST_SEED", 0) % step;
         n <= operations && !HasFailure(); n += step) {
      SCOPED_TRACE("operation " + std::to_string(n) + (sticky ? " sticky" : " once"));
      FaultInjectionFileSystem fs(FileSystem::Posix());
      fs.Arm(FailNth(n, sticky));
      RunWith(&fs);
    }
  }
}

TEST_F(IoErrorTest, FullDiskIsATypedErrorAtEverySize) {
  for (uint64_t budget = 8 << 10; budget < (2 << 20) && !HasFailure(); budget += 61 << 10) {
    SCOPED_TRACE("disk full after " + std::to_string(budget) + " bytes");
    FaultInjectionFileSystem fs(FileSystem::Posix());
    fs.SetByteBudget(budget);
    RunWith(&fs);
  }
}

}  // namespace
}  // namespace leadline::testing
