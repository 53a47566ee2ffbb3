// A disk that is really full: a tmpfs of every size, mounted in a child process of its own. Nothing
// may abort, calls fail with a typed error, reads go on, and once space is back writes go on too.
//
// LEADLINE_DISK_SIZES sets the number of sizes. Skipped where no tmpfs may be mounted.

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>
#include <sched.h>

#include "crash_workload.h"
#include "leadline/core/file_system.h"
#include "temp_dir.h"

namespace leadline::testing {
namespace {

constexpr uint64_t kSeed = 4;
constexpr uint64_t kMinFreeBytes = uint64_t{256} << 10;
constexpr uint64_t kSmallest = uint64_t{512} << 10;
constexpr uint64_t kStep = uint64_t{128} << 10;
constexpr int kCannotMount = 77;
constexpr auto kResumeWithin = std::chrono::seconds(10);

/// Runs in the child, where nothing but its exit status and output reach the test: ends the process
/// with a message when something is wrong.
class FullDisk {
 public:
  FullDisk(std::string mount_point, uint64_t bytes)
      : mount_point_(std::move(mount_point)), path_(mount_point_ + "/db"), bytes_(bytes) {}

  void Mount() const {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", mount_point_.c_str(), "tmpfs", 0, SizeOption(bytes_).c_str()) != 0) {
      std::printf("cannot mount a tmpfs: %s\n", std::strerror(errno));
      std::fflush(stdout);
      std::_Exit(kCannotMount);
    }
  }

  void Run() {
    options_ = CrashDatabase();
    options_.min_free_bytes = kMinFreeBytes;
    options_.background_maintenance = false;
    Open();
    for (int stream = 0; stream <= 2 && database_ != nullptr; stream += 2) {
      if (stream == 0) {
        Note(database_->CreateCollection(CollectionOf(0), CrashCollection(0)).status(), "create");
        created_ = failed_.empty();
      }
      Steps(stream, 12);
      Optimize();
    }
    Steps(0, 20);
    Optimize();
    if (database_ != nullptr) {
      Note(database_->Backup(path_ + "-backup").status(), "backup");
    }
    Ballast();
    Reads("with a full disk");
    Resume();
  }

 private:
  static std::string SizeOption(uint64_t bytes) { return "size=" + std::to_string(bytes); }

  [[noreturn]] static void Fail(const std::string& what) {
    std::printf("%s\n", what.c_str());
    std::fflush(stdout);
    std::_Exit(1);
  }

  /// Failures must be typed; true for OK.
  bool Note(const Status& status, const std::string& what) {
    if (status.ok()) {
      return true;
    }
    if (status.code() != StatusCode::kResourceExhausted &&
        status.code() != StatusCode::kFailedPrecondition) {
      Fail(what + ": not the error of a full disk: " + status.ToString());
    }
    failed_ += what + "; ";
    return false;
  }

  void Open() {
    Result<std::unique_ptr<Database>> database = Database::Open(path_, options_);
    if (Note(database.status(), "open")) {
      database_ = std::move(database).value();
    }
  }

  /// Nothing is known about a step that failed other than by the watermark: the stream ends there.
  void Steps(int stream, int count) {
    if (!created_) {
      return;
    }
    for (int i = 0; i < count && !stopped_[stream]; ++i) {
      const CrashStep step = MakeCrashStep(kSeed, stream, next_[stream]);
      if (step.kind == StepKind::kBackup) {
        ++next_[stream];
        continue;
      }
      CrashState after = states_[stream];
      Apply(step, &after);
      if (Note(RunStep(database_.get(), FileSystem::Posix(), path_, stream, step), "step")) {
        states_[stream] = after;
        ++next_[stream];
      } else {
        maybe_[stream] = after;
        stopped_[stream] = true;
      }
    }
  }

  void Optimize() {
    for (const int stream : {0, 2}) {
      if (states_[stream].exists && created_) {
        const auto collection = database_->OpenCollection(CollectionOf(stream));
        if (collection.ok()) {
          Note((*collection)->Optimize(), "optimize");
        }
      }
    }
  }

  /// Fills what is left, so that every size ends with a disk that is full to the last byte.
  void Ballast() const {
    std::FILE* file = std::fopen((mount_point_ + "/ballast").c_str(), "wb");
    const std::vector<char> block(4096, 'x');
    while (file != nullptr && std::fwrite(block.data(), 1, block.size(), file) == block.size() &&
           std::fflush(file) == 0) {
    }
    if (file != nullptr) {
      std::fclose(file);
    }
  }

  void Reads(const std::string& when) {
    for (const int stream : {0, 2}) {
      if (database_ == nullptr || !created_) {
        return;
      }
      const auto collection = database_->OpenCollection(CollectionOf(stream));
      if (!collection.ok()) {
        if (collection.status().code() != StatusCode::kNotFound ||
            (states_[stream].exists && !stopped_[stream])) {
          Fail("collection " + when + ": " + collection.status().ToString());
        }
        continue;
      }
      const Result<CrashImage> image = ReadImage(collection->get(), "");
      if (!image.ok()) {
        Fail("scroll " + when + ": " + image.status().ToString());
      }
      const bool arrived = stopped_[stream] && *image != ImageOf(states_[stream].records);
      const CrashRecords& expected = arrived ? maybe_[stream].records : states_[stream].records;
      if (*image != ImageOf(expected)) {
        Fail("records " + when + ": " + std::to_string(image->size()));
      }
      SearchTally tally;
      for (const Disagreement& problem : CompareReads(collection->get(), expected, kSeed, &tally)) {
        Fail(problem.what + " " + when);
      }
    }
  }

  /// Makes room; then writes must go on, at once or, where the store was latched by an error of the
  /// system, after a reopen.
  void Resume() {
    ::unlink((mount_point_ + "/ballast").c_str());
    if (::mount("tmpfs", mount_point_.c_str(), "tmpfs", MS_REMOUNT,
                SizeOption(uint64_t{64} << 20).c_str()) != 0) {
      Fail(std::string("cannot grow the tmpfs: ") + std::strerror(errno));
    }
    const auto start = std::chrono::steady_clock::now();
    Status last;
    while (std::chrono::steady_clock::now() - start < kResumeWithin) {
      last = WriteOne();
      if (last.ok()) {
        break;
      }
      if (last.code() == StatusCode::kFailedPrecondition && database_ != nullptr) {
        ++reopened_;
        database_->Close().IgnoreError();
        database_.reset();
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    if (!last.ok()) {
      Fail("writes do not go on: " + last.ToString());
    }
    Optimize();
    Reads("after space came back");
    const Result<CheckReport> check = database_->Check();
    if (!check.ok() || !check->ok()) {
      Fail("check: " + (check.ok() ? check->problems[0].invariant + check->problems[0].detail
                                   : check.status().ToString()));
    }
    std::printf("ok, failed=%s reopened=%d\n", failed_.empty() ? "nothing" : "something",
                reopened_);
    std::fflush(stdout);
    std::_Exit(0);
  }

  Status WriteOne() {
    if (database_ == nullptr) {
      Result<std::unique_ptr<Database>> database = Database::Open(path_, options_);
      LEADLINE_RETURN_IF_ERROR(database.status());
      database_ = std::move(database).value();
    }
    Result<std::shared_ptr<Collection>> collection = database_->OpenCollection("resume");
    if (!collection.ok()) {
      collection = database_->CreateCollection("resume", CrashCollection(0));
    }
    LEADLINE_RETURN_IF_ERROR(collection.status());
    Rng rng(kSeed);
    return (*collection)->Upsert({RandomCrashRecord(&rng, 1).ToRecord("r")}).status();
  }

  const std::string mount_point_;
  const std::string path_;
  const uint64_t bytes_;
  DatabaseOptions options_;
  std::unique_ptr<Database> database_;
  bool created_ = false;
  int reopened_ = 0;
  std::string failed_;
  std::map<int, CrashState> states_ = {{0, InitialState(0)}, {2, InitialState(2)}};
  std::map<int, CrashState> maybe_;
  std::map<int, bool> stopped_;
  std::map<int, uint64_t> next_;
};

struct ChildResult {
  int status = 0;
  std::string output;
};

ChildResult RunInChild(const std::string& mount_point, uint64_t bytes) {
  int pipe_fds[2];
  if (::pipe(pipe_fds) != 0) {
    std::abort();
  }
  std::fflush(stdout);
  const pid_t pid = ::fork();
  if (pid < 0) {
    std::abort();
  }
  if (pid == 0) {
    ::dup2(pipe_fds[1], STDOUT_FILENO);
    ::close(pipe_fds[0]);
    FullDisk disk(mount_point, bytes);
    disk.Mount();
    disk.Run();
  }
  ::close(pipe_fds[1]);
  ChildResult result;
  char buffer[4096];
  for (ssize_t n = 0; (n = ::read(pipe_fds[0], buffer, sizeof buffer)) > 0;) {
    result.output.append(buffer, static_cast<size_t>(n));
  }
  ::close(pipe_fds[0]);
  ::waitpid(pid, &result.status, 0);
  return result;
}

TEST(DiskFullTest, EverySizeIsATypedErrorAndWritesGoOnAfterwards) {
  const uint64_t sizes = FromEnvironment("LEADLINE_DISK_SIZES", 30);
  ASSERT_GT(sizes, 0U);
  const TempDir dir;
  uint64_t failed = 0;
  for (uint64_t i = 0; i < sizes && !::testing::Test::HasFailure(); ++i) {
    const uint64_t bytes = kSmallest + i * kStep;
    SCOPED_TRACE("tmpfs of " + std::to_string(bytes) + " bytes");
    const ChildResult result = RunInChild(dir.path(), bytes);
    if (WIFEXITED(result.status) && WEXITSTATUS(result.status) == kCannotMount) {
      GTEST_SKIP() << result.output << "full disks are tested by injected errors only";
    }
    EXPECT_TRUE(WIFEXITED(result.status) && WEXITSTATUS(result.status) == 0)
        << "wait status " << result.status << ": " << result.output;
    failed += result.output.find("failed=something") != std::string::npos ? 1U : 0U;
  }
  std::printf("[ disk  ] %llu sizes, %llu too small\n", static_cast<unsigned long long>(sizes),
              static_cast<unsigned long long>(failed));
  EXPECT_GT(failed, 0U) << "every disk was large enough";
  EXPECT_LT(failed, sizes) << "no disk was large enough";
}

}  // namespace
}  // namespace leadline::testing
