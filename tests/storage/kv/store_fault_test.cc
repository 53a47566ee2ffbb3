/// Fails the Nth operation of every kind in every phase of a store's life, once and for good: no
/// abort, no lie, and after a reopen every acknowledged write is there. RocksDB as Debian builds it
/// aborts on some misuse after an error, so the scenarios run in processes of their own.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <map>
#include <memory>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "fault_injection_file_system.h"
#include "power_cut_file_system.h"
#include "status_matchers.h"
#include "store_testing.h"
#include "temp_dir.h"

namespace leadline::kv {
namespace {

using leadline::testing::FaultInjectionFileSystem;
using leadline::testing::FaultPlan;
using leadline::testing::FileOp;
using leadline::testing::MutatingOps;
using leadline::testing::PowerCutFileSystem;
using leadline::testing::StatusIs;

constexpr const char* kDirectory = "/db/store";

StoreOptions OptionsOn(FileSystem* fs) {
  StoreOptions options = Creating();
  options.fs = fs;
  options.write_buffer_bytes = 128 << 10;
  return options;
}

/// What the caller was told.
struct Promises {
  uint64_t acknowledged = 0;
  uint64_t started = 0;
};

/// A life of a store: open, write, flush, compact, close, open, write, close. Goes on after errors
/// as a program would; never writes past a latched store.
Promises Live(FileSystem* fs, uint64_t first) {
  Promises promises{first, first};
  Rng rng(77);
  WriteBatch batch;
  for (int life = 0; life < 2; ++life) {
    Result<std::unique_ptr<Store>> opened = Store::Open(kDirectory, OptionsOn(fs));
    if (!opened.ok()) {
      opened.status().IgnoreError();
      return promises;
    }
    Store* store = opened->get();
    for (int step = 0; step < 12; ++step) {
      const uint64_t i = promises.started + 1;
      MakeNumberedBatch(i, step == 5 ? 60'000 : 1500, &rng, &batch);
      promises.started = i;
      const Status written = store->Write(batch, step % 2 == 0);
      if (written.ok()) {
        promises.acknowledged = i;
      } else {
        EXPECT_FALSE(store->Health().ok());
        EXPECT_THAT(store->Write(batch, true), StatusIs(StatusCode::kFailedPrecondition));
        EXPECT_THAT(store->SyncLog(), StatusIs(StatusCode::kFailedPrecondition));
        break;
      }
      if (step == 3 || step == 8) {
        store->Flush().IgnoreError();
      } else if (step == 9) {
        store->Compact(Table::kVectors).IgnoreError();
      } else if (step == 10) {
        store->AdvanceLowWater(promises.acknowledged).IgnoreError();
      }
      // A background error may latch between two calls.
      if (!store->Health().ok()) {
        break;
      }
    }
    store->Close().IgnoreError();
    if (promises.acknowledged != promises.started) {
      return promises;
    }
  }
  return promises;
}

/// After the fault is gone the store opens and holds what was acknowledged. Writes were at least in
/// the page cache, so without a power cut unsynced ones count too.
void CheckAfter(FileSystem* fs, const Promises& promises) {
  Result<std::unique_ptr<Store>> store = Store::Open(kDirectory, OptionsOn(fs));
  ASSERT_OK(store);
  uint64_t n = 0;
  ASSERT_TRUE(HoldsPrefix(store->get(), &n));
  ASSERT_GE(n, promises.acknowledged);
  ASSERT_LE(n, promises.started);
  ASSERT_OK((*store)->VerifyChecksums());
  Rng rng(1);
  WriteBatch batch;
  MakeNumberedBatch(n + 1, 100, &rng, &batch);
  ASSERT_OK((*store)->Write(batch, true));
}

/// Runs the scenario with the Nth operation failing; returns false when N was past the end.
bool RunPoint(FaultPlan plan) {
  PowerCutFileSystem disk;
  FaultInjectionFileSystem fs(&disk);
  fs.Arm(std::move(plan));
  const Promises promises = Live(&fs, 0);
  const bool fired = fs.Disarm() > 0;
  CheckAfter(&fs, promises);
  return fired;
}

struct Kind {
  const char* name;
  testing::FileOps ops;
  StatusCode code;
  bool short_write;
};

const Kind kKinds[] = {
    {"write-io-error", FileOp::kWrite, StatusCode::kUnavailable, true},
    {"write-no-space", FileOp::kWrite, StatusCode::kResourceExhausted, true},
    {"sync", FileOp::kSync, StatusCode::kUnavailable, false},
    {"directory-sync", FileOp::kDirectorySync, StatusCode::kUnavailable, false},
    {"rename", FileOp::kRename, StatusCode::kUnavailable, false},
    {"create", FileOp::kOpenWrite, StatusCode::kResourceExhausted, false},
    {"delete", FileOp::kDelete | FileOp::kTruncate, StatusCode::kUnavailable, false},
    {"link", FileOp::kLink | FileOp::kCreateDirectory, StatusCode::kPermissionDenied, false},
    {"read", FileOp::kRead | FileOp::kOpenRead, StatusCode::kUnavailable, false},
    {"lookup", FileOp::kLookup | FileOp::kLock, StatusCode::kUnavailable, false},
};

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

// Runs in its own process: the points of one kind, each LEADLINE_FAULT_STRIDE-th.
TEST(Child, DISABLED_AllPoints) {
  const Kind& kind = kKinds[FromEnvironment("LEADLINE_TEST_KIND", 0)];
  const bool sticky = FromEnvironment("LEADLINE_TEST_STICKY", 0) != 0;
  const uint64_t stride = FromEnvironment("LEADLINE_FAULT_STRIDE", 41);
  const uint64_t last = FromEnvironment("LEADLINE_FAULT_LAST", UINT64_MAX);
  for (uint64_t n = FromEnvironment("LEADLINE_FAULT_FIRST", 1); n <= last; n += stride) {
    std::printf("%s sticky=%d n=%llu\n", kind.name, sticky ? 1 : 0,
                static_cast<unsigned long long>(n));
    std::fflush(stdout);
    SCOPED_TRACE(::testing::Message() << kind.name << " sticky=" << sticky << " n=" << n);
    FaultPlan plan;
    plan.ops = kind.ops;
    plan.nth = n;
    plan.sticky = sticky;
    plan.code = kind.code;
    plan.short_write = kind.short_write;
    const bool fired = RunPoint(plan);
    if (::testing::Test::HasFailure() || !fired) {
      break;
    }
  }
}

/// The processes of all kinds run side by side: RocksDB sleeps for a second after most errors.
class StoreFaults : public ::testing::TestWithParam<std::tuple<size_t, bool>> {
 protected:
  static void SetUpTestSuite() {
    directory_ = new leadline::testing::TempDir();
    for (size_t kind = 0; kind < std::size(kKinds); ++kind) {
      for (const bool sticky : {false, true}) {
        children_[{kind, sticky}] = Start(kind, sticky);
      }
    }
  }

  static void TearDownTestSuite() {
    delete directory_;
    directory_ = nullptr;
  }

  static std::string OutputPath(size_t kind, bool sticky) {
    return directory_->file(std::string(kKinds[kind].name) + (sticky ? "-sticky" : "-once"));
  }

  static pid_t Start(size_t kind, bool sticky) {
    const std::string output = OutputPath(kind, sticky);
    const pid_t pid = ::fork();
    if (pid != 0) {
      return pid;
    }
    const int fd = ::open(output.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600);
    ::dup2(fd, STDOUT_FILENO);
    ::dup2(fd, STDERR_FILENO);
    ::setenv("LEADLINE_TEST_KIND", std::to_string(kind).c_str(), 1);
    ::setenv("LEADLINE_TEST_STICKY", sticky ? "1" : "0", 1);
    ::execl("/proc/self/exe", "store_fault_test", "--gtest_filter=Child.DISABLED_AllPoints",
            "--gtest_also_run_disabled_tests", static_cast<char*>(nullptr));
    ::_exit(127);
  }

  static std::map<std::pair<size_t, bool>, pid_t> children_;
  static leadline::testing::TempDir* directory_;
};

std::map<std::pair<size_t, bool>, pid_t> StoreFaults::children_;
leadline::testing::TempDir* StoreFaults::directory_ = nullptr;

TEST_P(StoreFaults, NothingAcknowledgedIsLostAndNothingAborts) {
  const auto [kind, sticky] = GetParam();
  int status = 0;
  ::waitpid(children_[std::make_pair(kind, sticky)], &status, 0);
  const std::string output = ReadFile(OutputPath(kind, sticky));
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0)
      << "status " << status << ", end of its output:\n"
      << output.substr(output.size() - std::min<size_t>(output.size(), 3000));
}

INSTANTIATE_TEST_SUITE_P(AllKinds, StoreFaults,
                         ::testing::Combine(::testing::Range(size_t{0}, std::size(kKinds)),
                                            ::testing::Bool()),
                         [](const auto& point) {
                           std::string name = kKinds[std::get<0>(point.param)].name;
                           for (size_t at = name.find('-'); at != std::string::npos;
                                at = name.find('-')) {
                             name.erase(at, 1);
                             name[at] = static_cast<char>(std::toupper(name[at]));
                           }
                           return name + (std::get<1>(point.param) ? "ForGood" : "Once");
                         });

TEST(StoreFullDisk, WatermarkStopsWritesBeforeTheDiskDoesAndLiftsBySelf) {
  PowerCutFileSystem disk;
  StoreOptions options = OptionsOn(&disk);
  options.min_free_bytes = 64 << 20;
  const auto store = OpenOrDie(kDirectory, options);
  Rng rng(4);
  WriteBatch batch;
  MakeNumberedBatch(1, 1000, &rng, &batch);
  ASSERT_OK(store->Write(batch, true));
  disk.set_free_space(10 << 20);
  uint64_t i = 2;
  Status refused;
  for (; i < 50'000 && refused.ok(); ++i) {
    MakeNumberedBatch(i, 1000, &rng, &batch);
    refused = store->Write(batch, false);
  }
  EXPECT_THAT(refused, StatusIs(StatusCode::kResourceExhausted, "free=10485760"));
  EXPECT_EQ(refused.field(), "min_free_bytes");
  EXPECT_OK(store->Health());
  uint64_t n = 0;
  EXPECT_TRUE(HoldsPrefix(store.get(), &n));
  EXPECT_EQ(n, i - 2);
  disk.set_free_space(uint64_t{1} << 40);
  EXPECT_OK(store->Write(batch, true));
}

}  // namespace
}  // namespace leadline::kv
