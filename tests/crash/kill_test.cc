// kill -9: a worker under random load is killed at a random moment or at a named point, reopened
// and compared with an expected state kept outside the database. Nothing acknowledged may be lost,
// nothing deleted may come back, a batch in flight is there whole or not at all, every open works.
//
// LEADLINE_CRASH_CYCLES sets the number of kills, LEADLINE_TEST_SEED the seed.

#include <array>
#include <chrono>
#include <cstdlib>
#include <sstream>
#include <thread>

#include <gtest/gtest.h>

#include "child_process.h"
#include "crash_workload.h"
#include "status_matchers.h"
#include "temp_dir.h"

namespace leadline::testing {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t fallback) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : fallback;
}

class KillTest : public ::testing::Test {
 protected:
  /// Runs the worker for a while, kills it, and counts what it acknowledged.
  void RunAndKill() {
    static constexpr std::array<const char*, 5> kPoints = {
        "commit:before-log", "commit:after-log", "build:before-finish", "publish:before-manifest",
        "publish:after-manifest"};
    std::vector<std::pair<std::string, std::string>> environment;
    uint64_t patience_ms = 1 + rng_.Uniform(150);
    if (rng_.Uniform(3) == 0) {
      const size_t point = rng_.Uniform(kPoints.size());
      const uint64_t countdown = 1 + rng_.Uniform(point < 2 ? 60 : 4);
      environment.emplace_back("LEADLINE_KILL_POINT",
                               std::string(kPoints[point]) + ":" + std::to_string(countdown));
      patience_ms = 400;
    }
    ChildProcess worker({LEADLINE_CRASH_WORKER, "write", path_, std::to_string(seed_),
                         std::to_string(done_[0]), std::to_string(done_[1])},
                        environment);
    std::thread killer([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(patience_ms));
      worker.Kill();
    });
    std::istringstream acknowledged(worker.ReadAll());
    killer.join();
    const int status = worker.Wait();
    ASSERT_TRUE(WIFSIGNALED(status)) << "worker ended by itself, exit " << WEXITSTATUS(status);
    std::string letter;
    int stream = 0;
    uint64_t index = 0;
    while (acknowledged >> letter >> stream >> index) {
      ASSERT_EQ(index, done_[static_cast<size_t>(stream)]);
      Apply(MakeCrashBatch(seed_, stream, index), &records_[static_cast<size_t>(stream)]);
      done_[static_cast<size_t>(stream)] = index + 1;
      ++acknowledged_;
    }
  }

  /// Decides for each stream whether the batch in flight arrived, and compares everything.
  void Verify() {
    ASSERT_OK_AND_ASSIGN(const auto database, Database::Open(path_, CrashDatabase()));
    Result<std::shared_ptr<Collection>> collection = database->OpenCollection("c");
    if (!collection.ok()) {
      ASSERT_EQ(done_[0] + done_[1], 0U) << "the collection is gone";
      return;
    }
    CrashRecords all;
    for (size_t s = 0; s < kCrashStreams; ++s) {
      ASSERT_OK_AND_ASSIGN(const CrashImage found,
                           ReadImage(collection->get(), "s" + std::to_string(s) + "-"));
      if (found != ImageOf(records_[s])) {
        CrashRecords with_next = records_[s];
        Apply(MakeCrashBatch(seed_, static_cast<int>(s), done_[s]), &with_next);
        ASSERT_EQ(found, ImageOf(with_next)) << "stream " << s << " holds neither its " << done_[s]
                                             << " acknowledged batches nor one more";
        records_[s] = with_next;
        ++done_[s];
      }
      all.insert(records_[s].begin(), records_[s].end());
    }
    const std::vector<std::string> problems =
        Disagreements(database.get(), collection->get(), all, rng_.Next());
    for (const std::string& problem : problems) {
      ADD_FAILURE() << problem;
    }
    ASSERT_OK(database->Close());
  }

  TempDir dir_;
  const std::string path_ = dir_.file("db");
  const uint64_t seed_ = FromEnvironment("LEADLINE_TEST_SEED", 7);
  Rng rng_{seed_};
  std::array<uint64_t, kCrashStreams> done_{};
  std::array<CrashRecords, kCrashStreams> records_;
  uint64_t acknowledged_ = 0;
};

TEST_F(KillTest, LosesNothingAcknowledgedOverManyKills) {
  const uint64_t cycles = FromEnvironment("LEADLINE_CRASH_CYCLES", 500);
  std::printf("[ kill  ] seed %llu, %llu cycles\n", static_cast<unsigned long long>(seed_),
              static_cast<unsigned long long>(cycles));
  for (uint64_t cycle = 0; cycle < cycles && !HasFatalFailure() && !HasNonfatalFailure(); ++cycle) {
    SCOPED_TRACE("cycle " + std::to_string(cycle));
    RunAndKill();
    if (!HasFatalFailure()) {
      Verify();
    }
  }
  std::printf("[ kill  ] %llu batches acknowledged\n",
              static_cast<unsigned long long>(acknowledged_));
}

}  // namespace
}  // namespace leadline::testing
