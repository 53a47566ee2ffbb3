/// Stores and processes: one writer, its name in the error of the next, forks, readers beside a
/// live writer. The program starts itself again for the other process, because RocksDB does not
/// survive a plain fork.

#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "leadline/core/hash.h"
#include "status_matchers.h"
#include "store_testing.h"
#include "temp_dir.h"

namespace leadline::kv {
namespace {

using leadline::testing::StatusIs;
using leadline::testing::TempDir;

/// Starts this program with one test of the suite `Child`; `directory` reaches it as a variable.
pid_t StartChild(const std::string& test, const std::string& directory) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::setenv("LEADLINE_TEST_DIRECTORY", directory.c_str(), 1);
    const std::string filter = "--gtest_filter=Child." + test;
    const std::string also = "--gtest_also_run_disabled_tests";
    ::execl("/proc/self/exe", "store_process_test", filter.c_str(), also.c_str(),
            static_cast<char*>(nullptr));
    ::_exit(127);
  }
  return pid;
}

int WaitFor(pid_t pid) {
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

std::string DirectoryFromParent() {
  const char* directory = std::getenv("LEADLINE_TEST_DIRECTORY");
  return directory != nullptr ? directory : "";
}

/// Waits until `path` exists; the other process makes it.
void AwaitFile(const std::string& path) {
  while (!std::filesystem::exists(path)) {
    ::usleep(1000);
  }
}

/// Name and hash of every file below `directory`.
std::map<std::string, uint64_t> HashFiles(const std::string& directory) {
  std::map<std::string, uint64_t> hashes;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) {
      hashes[entry.path().string()] = Hash64(ReadFile(entry.path().string()));
    }
  }
  return hashes;
}

// The bodies of child processes; disabled, so that only StartChild runs them.

TEST(Child, DISABLED_HoldsTheStore) {
  const auto store = OpenOrDie(DirectoryFromParent(), Creating());
  WriteFile(DirectoryFromParent() + "/../ready", "");
  AwaitFile(DirectoryFromParent() + "/../done");
}

TEST(Child, DISABLED_DiesHoldingTheStore) {
  auto store = OpenOrDie(DirectoryFromParent(), Creating());
  WriteBatch batch;
  batch.Put(Table::kMeta, "k", "v");
  ASSERT_OK(store->Write(batch, true));
  ::_exit(0);
}

TEST(Child, DISABLED_OpensSecond) {
  const Result<std::unique_ptr<Store>> second = Store::Open(DirectoryFromParent(), Creating());
  const std::string parent = "pid=" + std::to_string(::getppid()) + " ";
  EXPECT_THAT(second, StatusIs(StatusCode::kFailedPrecondition, parent));
  EXPECT_THAT(second, StatusIs(StatusCode::kFailedPrecondition, "host="));
}

TEST(Child, DISABLED_WritesAndFlushesUntilTold) {
  const auto store = OpenOrDie(DirectoryFromParent(), Creating());
  Rng rng(9);
  WriteBatch batch;
  for (uint64_t i = 1; !std::filesystem::exists(DirectoryFromParent() + "/../done"); ++i) {
    MakeNumberedBatch(i, 200 + rng.Uniform(3000), &rng, &batch);
    ASSERT_OK(store->Write(batch, i % 8 == 0));
    if (i % 40 == 0) {
      ASSERT_OK(store->Flush());
    }
    if (i % 200 == 0) {
      ASSERT_OK(store->Compact(Table::kVectors));
    }
    if (i == 50) {
      WriteFile(DirectoryFromParent() + "/../ready", "");
    }
  }
}

TEST(StoreProcesses, SecondWriterIsToldPidAndHostOfTheFirst) {
  const TempDir dir;
  const auto store = OpenOrDie(dir.file("db"), Creating());
  EXPECT_EQ(WaitFor(StartChild("DISABLED_OpensSecond", dir.file("db"))), 0);
  // Refusing left the holder's lock and name alone.
  EXPECT_EQ(WaitFor(StartChild("DISABLED_OpensSecond", dir.file("db"))), 0);
  EXPECT_THAT(Store::Open(dir.file("db"), Creating()),
              StatusIs(StatusCode::kFailedPrecondition, "pid=" + std::to_string(::getpid())));
  EXPECT_THAT(Store::Open(dir.file("db/"), Creating()), StatusIs(StatusCode::kFailedPrecondition));
}

TEST(StoreProcesses, WriterInAnotherProcessIsNamedAndItsEndFreesTheStore) {
  const TempDir dir;
  const pid_t child = StartChild("DISABLED_HoldsTheStore", dir.file("db"));
  AwaitFile(dir.file("ready"));
  EXPECT_THAT(Store::Open(dir.file("db"), Creating()),
              StatusIs(StatusCode::kFailedPrecondition, "pid=" + std::to_string(child)));
  WriteFile(dir.file("done"), "");
  EXPECT_EQ(WaitFor(child), 0);
  EXPECT_OK(Store::Open(dir.file("db"), Creating()));
}

TEST(StoreProcesses, StaleOwnerAfterACrashIsNoObstacle) {
  const TempDir dir;
  EXPECT_EQ(WaitFor(StartChild("DISABLED_DiesHoldingTheStore", dir.file("db"))), 0);
  EXPECT_TRUE(std::filesystem::exists(dir.file("db") + "/OWNER"));
  const auto store = OpenOrDie(dir.file("db"), Creating());
  ASSERT_OK_AND_ASSIGN(auto value, store->Get(Table::kMeta, "k"));
  EXPECT_EQ(value, "v");
  EXPECT_NE(ReadFile(dir.file("db") + "/OWNER").find(std::to_string(::getpid())),
            std::string::npos);
}

TEST(StoreProcesses, HandlesAnswerAnErrorInAForkedChild) {
  const TempDir dir;
  auto store = OpenOrDie(dir.file("db"), Creating());
  WriteBatch batch;
  batch.Put(Table::kRecords, "k", "v");
  ASSERT_OK(store->Write(batch, true));
  auto iterator = store->NewIterator(Table::kRecords, "");
  auto snapshot = store->NewSnapshot();
  const pid_t child = ::fork();
  if (child == 0) {
    // No gtest assertion in the child: its exit code tells which check failed.
    const auto poisoned = [](const Status& status) {
      return status.code() == StatusCode::kFailedPrecondition;
    };
    int failed = 0;
    auto check = [&failed, next = 0](bool good) mutable {
      ++next;
      failed = failed == 0 && !good ? next : failed;
    };
    check(poisoned(store->Write(batch, true)));
    check(poisoned(store->Get(Table::kRecords, "k").status()));
    check(poisoned(store->MultiGet(Table::kRecords, {"k"}).status()));
    check(poisoned(store->SyncLog()));
    check(poisoned(store->Flush()));
    check(poisoned(store->Compact(Table::kRecords)));
    check(poisoned(store->VerifyChecksums()));
    check(poisoned(store->AdvanceLowWater(1)));
    check(poisoned(store->Stats().status()));
    check(poisoned(store->Health()));
    check(poisoned(store->Close()));
    check(!iterator->Valid() && poisoned(iterator->status()));
    check(poisoned(store->NewIterator(Table::kRecords, "")->status()));
    check(store->NewSnapshot() == nullptr);
    iterator.reset();
    snapshot.reset();
    store.reset();
    check(poisoned(Store::Open(dir.file("other"), Creating()).status()));
    check(poisoned(Store::Open(dir.file("db"), Creating()).status()));
    ::_exit(failed);
  }
  EXPECT_EQ(WaitFor(child), 0);
  // The parent is unharmed.
  ASSERT_OK(store->Write(batch, true));
  EXPECT_TRUE(iterator->Valid());
  EXPECT_EQ(WaitFor(StartChild("DISABLED_OpensSecond", dir.file("db"))), 0);
}

TEST(StoreProcesses, ReadOnlyOpenSeesUnflushedWritesAndChangesNoFile) {
  const TempDir dir;
  const auto writer = OpenOrDie(dir.file("db"), Creating());
  Rng rng(1);
  WriteBatch batch;
  for (uint64_t i = 1; i <= 30; ++i) {
    MakeNumberedBatch(i, 500, &rng, &batch);
    ASSERT_OK(writer->Write(batch, false));
    if (i == 10) {
      ASSERT_OK(writer->Flush());
    }
  }
  const auto before = HashFiles(dir.file("db"));
  {
    const auto reader = OpenOrDie(dir.file("db"), Reading());
    uint64_t n = 0;
    EXPECT_TRUE(HoldsPrefix(reader.get(), &n));
    EXPECT_EQ(n, 30u);
    EXPECT_THAT(reader->Write(batch, true), StatusIs(StatusCode::kPermissionDenied));
    EXPECT_THAT(reader->Flush(), StatusIs(StatusCode::kPermissionDenied));
    EXPECT_THAT(reader->AdvanceLowWater(5), StatusIs(StatusCode::kPermissionDenied));
    EXPECT_OK(reader->VerifyChecksums());
    EXPECT_NE(reader->NewSnapshot(), nullptr);
    EXPECT_OK(reader->Close());
  }
  EXPECT_EQ(HashFiles(dir.file("db")), before);
}

TEST(StoreProcesses, ReaderKeepsItsMomentWhileTheWriterDeletesFiles) {
  const TempDir dir;
  const auto writer = OpenOrDie(dir.file("db"), Creating());
  Rng rng(1);
  WriteBatch batch;
  for (uint64_t i = 1; i <= 40; ++i) {
    MakeNumberedBatch(i, 2000, &rng, &batch);
    ASSERT_OK(writer->Write(batch, false));
    if (i % 10 == 0) {
      ASSERT_OK(writer->Flush());
    }
  }
  const auto reader = OpenOrDie(dir.file("db"), Reading());
  batch.Clear();
  batch.DeleteRange(Table::kVectors, "row", "rox");
  ASSERT_OK(writer->Write(batch, true));
  for (size_t t = 0; t < kTableCount; ++t) {
    ASSERT_OK(writer->Compact(static_cast<Table>(t)));
  }
  EXPECT_TRUE(FilesLike(dir.file("db"), ".blob").empty());
  uint64_t n = 0;
  EXPECT_TRUE(HoldsPrefix(reader.get(), &n));
  EXPECT_EQ(n, 40u);
}

TEST(StoreProcesses, ReadOnlyOpensBesideABusyWriterSeeWholePrefixes) {
  const TempDir dir;
  const pid_t child = StartChild("DISABLED_WritesAndFlushesUntilTold", dir.file("db"));
  AwaitFile(dir.file("ready"));
  uint64_t last = 0;
  for (int round = 0; round < 30; ++round) {
    const auto reader = OpenOrDie(dir.file("db"), Reading());
    ASSERT_NE(reader, nullptr);
    uint64_t n = 0;
    EXPECT_TRUE(HoldsPrefix(reader.get(), &n)) << "round=" << round;
    EXPECT_GE(n, last);
    last = n;
  }
  WriteFile(dir.file("done"), "");
  EXPECT_EQ(WaitFor(child), 0);
  EXPECT_GE(last, 50u);
}

TEST(StoreProcesses, ReadOnlyOpenWorksOnAReadOnlyFileSystem) {
  const TempDir dir;
  {
    const auto writer = OpenOrDie(dir.file("db"), Creating());
    WriteBatch batch;
    batch.Put(Table::kRecords, "k", "v");
    ASSERT_OK(writer->Write(batch, true));
    CopyDirectory(dir.file("db"), dir.file("image"));  // with a log to replay
  }
  std::filesystem::create_directory(dir.file("mount"));
  if (::mount(dir.file("image").c_str(), dir.file("mount").c_str(), nullptr, MS_BIND, nullptr) !=
      0) {
    GTEST_SKIP() << "mounting is not allowed here";
  }
  ASSERT_EQ(::mount(nullptr, dir.file("mount").c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY,
                    nullptr),
            0);
  {
    const auto reader = OpenOrDie(dir.file("mount"), Reading());
    if (reader != nullptr) {
      const auto value = reader->Get(Table::kRecords, "k");
      EXPECT_OK(value);
      EXPECT_TRUE(value.ok() && *value == "v");
    }
    EXPECT_THAT(Store::Open(dir.file("mount"), Creating()),
                StatusIs(StatusCode::kPermissionDenied, "Read-only file system"));
  }
  EXPECT_EQ(::umount(dir.file("mount").c_str()), 0);
}

}  // namespace
}  // namespace leadline::kv
