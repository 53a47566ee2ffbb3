// I/O errors and full disks: the Nth file operation fails, once or from then on, some with half of
// their bytes written, in every phase of a database's life. Calls may fail with a typed error;
// nothing may abort, hang or lie: a search that answers answers right, a backup that succeeds can
// be restored, and what was acknowledged is there after a clean reopen, also when the power is cut
// right afterwards, so a failed sync is never reported as success later.
//
// LEADLINE_IO_POINTS bounds the number of failure points.

#include <array>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "crash_workload.h"
#include "fault_injection_file_system.h"
#include "power_cut_file_system.h"
#include "status_matchers.h"
#include "test_environment.h"

namespace leadline::testing {
namespace {

constexpr uint64_t kSeed = 5;
const std::string kPath = "/db";
const std::string kBackup = "/db-backup";
const std::string kRestored = "/db-restored";

/// What a database may hold now: one state a stream, or two after a step that failed.
struct Truth {
  std::vector<CrashState> states;

  [[nodiscard]] bool Admits(bool exists, const CrashImage& image, size_t* which) const {
    for (*which = 0; *which < states.size(); ++*which) {
      if (states[*which].exists == exists && ImageOf(states[*which].records) == image) {
        return true;
      }
    }
    return false;
  }
};

using Truths = std::map<int, Truth>;  // by stream: 0 and 2

/// Codes that a call may fail with while faults are injected.
const std::set<StatusCode> kFaultCodes = {StatusCode::kUnavailable,
                                          StatusCode::kFailedPrecondition};
const std::set<StatusCode> kFullDiskCodes = {StatusCode::kResourceExhausted,
                                             StatusCode::kFailedPrecondition};

/// Runs a database from its creation to its repair and keeps account of what it promised.
class Scenario {
 public:
  Scenario(FileSystem* fs, bool background, std::set<StatusCode> codes)
      : fs_(fs), codes_(std::move(codes)) {
    options_ = CrashDatabase();
    options_.file_system = fs;
    options_.background_maintenance = background;
    truths_[0].states = {CrashState()};
    truths_[2].states = {CrashState()};
  }

  /// `phase` is told the name of each phase as it begins.
  void Run(const std::function<void(const std::string&)>& phase) {
    phase("open");
    if (!Open()) {
      return;
    }
    Create(0);
    Step(2);
    phase("write");
    Steps(0, 8);
    Steps(2, 4);
    phase("seal and publish");
    Optimize();
    phase("write and search");
    Steps(0, 9);
    Search();
    phase("compact");
    Optimize();
    Search();
    phase("backup");
    backup_ = Backup();
    phase("restore");
    restored_ = Restore();
    phase("reopen");
    const bool open = Reopen();
    if (open) {
      Search();
      Steps(0, 2);
      phase("drop");
      Drop();
    }
    phase("close and repair");
    CloseAndRepair();
  }

  [[nodiscard]] const Truths& truths() const { return truths_; }

  /// What was promised to be in the copies; empty when they were not made.
  [[nodiscard]] const std::optional<Truths>& backup() const { return backup_; }

  [[nodiscard]] const std::optional<Truths>& restored() const { return restored_; }

  [[nodiscard]] uint64_t failures() const { return failures_; }

 private:
  /// True for OK. Failures must carry one of the codes that were promised.
  bool Note(const Status& status, const std::string& what) {
    if (status.ok()) {
      return true;
    }
    ++failures_;
    EXPECT_TRUE(codes_.count(status.code()) > 0) << what << ": " << status.ToString();
    return false;
  }

  bool Open() {
    Result<std::unique_ptr<Database>> database = Database::Open(kPath, options_);
    if (!Note(database.status(), "open")) {
      return false;
    }
    database_ = std::move(database).value();
    return true;
  }

  void Create(int stream) {
    const Status made =
        database_->CreateCollection(CollectionOf(stream), CrashCollection(stream)).status();
    CrashState next;
    next.exists = true;
    Settle(stream, made, next, "create");
  }

  /// After a failed change nobody knows, and nothing more is written to this stream.
  void Settle(int stream, const Status& status, const CrashState& next, const std::string& what) {
    Truth& truth = truths_[stream];
    if (Note(status, what)) {
      truth.states = {next};
    } else {
      truth.states.push_back(next);
    }
  }

  void Steps(int stream, int count) {
    for (int i = 0; i < count; ++i) {
      Step(stream);
    }
  }

  void Step(int stream) {
    Truth& truth = truths_[stream];
    if (truth.states.size() > 1 || (stream == 0 && !truth.states[0].exists)) {
      return;
    }
    const CrashStep step = MakeCrashStep(kSeed, stream, next_[stream]++);
    CrashState next = truth.states[0];
    Apply(step, &next);
    Settle(stream, RunStep(database_.get(), fs_, kPath, stream, step), next,
           "step of stream " + std::to_string(stream));
  }

  void Optimize() {
    for (const int stream : {0, 2}) {
      const auto collection = database_->OpenCollection(CollectionOf(stream));
      if (collection.ok()) {
        Note((*collection)->Optimize(), "optimize");
      }
    }
  }

  /// An answer under fault is right or it is an error.
  void Search() {
    for (const int stream : {0, 2}) {
      const auto collection = database_->OpenCollection(CollectionOf(stream));
      if (!collection.ok()) {
        continue;
      }
      std::vector<std::string> wrong;
      for (const CrashState& state : truths_[stream].states) {
        wrong.clear();
        SearchTally tally;
        for (const Disagreement& problem :
             CompareReads(collection->get(), state.records, kSeed, &tally)) {
          if (problem.code == StatusCode::kOk) {
            wrong.push_back(problem.what);
          } else {
            EXPECT_TRUE(codes_.count(problem.code) > 0) << problem.what;
            ++failures_;
          }
        }
        if (wrong.empty()) {
          break;
        }
      }
      for (const std::string& problem : wrong) {
        ADD_FAILURE() << "under fault: " << problem;
      }
    }
  }

  std::optional<Truths> Backup() {
    return Note(database_->Backup(kBackup).status(), "backup") ? std::optional<Truths>(truths_)
                                                               : std::nullopt;
  }

  std::optional<Truths> Restore() {
    if (!backup_.has_value()) {
      return std::nullopt;
    }
    return Note(Database::Restore(kBackup, kRestored, {}, fs_).status(), "restore") ? backup_
                                                                                    : std::nullopt;
  }

  bool Reopen() {
    Note(database_->Close(), "close");
    database_.reset();
    return Open();
  }

  void Drop() {
    if (truths_[2].states.size() == 1 && truths_[2].states[0].exists) {
      Settle(2, database_->DropCollection(CollectionOf(2)), CrashState(), "drop");
    }
  }

  void CloseAndRepair() {
    if (database_ != nullptr) {
      Note(database_->Close(), "close");
      database_.reset();
    }
    Note(Database::Repair(kPath, /*accept_loss=*/false, {}, fs_).status(), "repair");
  }

  FileSystem* const fs_;
  const std::set<StatusCode> codes_;
  DatabaseOptions options_;
  std::unique_ptr<Database> database_;
  std::map<int, uint64_t> next_;
  Truths truths_;
  std::optional<Truths> backup_;
  std::optional<Truths> restored_;
  uint64_t failures_ = 0;
};

class IoErrorTest : public ::testing::Test {
 protected:
  struct Phase {
    std::string name;
    uint64_t first = 0;  ///< number of its first operation
    uint64_t end = 0;
  };

  /// Phases of an undisturbed run and the operations of `ops` in each.
  static std::vector<Phase> CountPhases(FileOps ops, bool background) {
    PowerCutFileSystem disk;
    FaultInjectionFileSystem fs(&disk);
    FaultPlan plan;
    plan.ops = ops;
    plan.nth = ~uint64_t{0};
    fs.Arm(plan);
    std::vector<Phase> phases;
    Scenario scenario(&fs, background, {});
    scenario.Run([&](const std::string& name) {
      if (!phases.empty()) {
        phases.back().end = fs.seen() + 1;
      }
      phases.push_back({name, fs.seen() + 1, 0});
    });
    phases.back().end = fs.seen() + 1;
    return phases;
  }

  /// One run under `plan`; then the power is cut, in `mode`, and everything promised must be there.
  void RunWith(const FaultPlan& plan, bool background, CutMode mode) {
    PowerCutFileSystem disk;
    FaultInjectionFileSystem fs(&disk);
    fs.Arm(plan);
    std::unique_ptr<PowerCutFileSystem> image;
    {
      Scenario scenario(&fs, background, kFaultCodes);
      scenario.Run([](const std::string&) {});
      ++runs_;
      fired_ += fs.Disarm() > 0 ? 1U : 0U;
      image = disk.Cut(mode, runs_);
      VerifyAll(image.get(), scenario);
    }
  }

  void VerifyAll(PowerCutFileSystem* image, const Scenario& scenario) {
    VerifyCopy(image, kPath, scenario.truths(), false);
    if (scenario.backup().has_value()) {
      VerifyCopy(image, kBackup, *scenario.backup(), true);
    }
    if (scenario.restored().has_value()) {
      VerifyCopy(image, kRestored, *scenario.restored(), true);
    }
    if (HasFailure()) {
      const std::string kept = ::testing::TempDir() + "leadline-io-error";
      image->Materialise("/", kept);
      std::printf("[ kept  ] %s\n[ again ] %s\n", kept.c_str(), ReplayCommand().c_str());
    }
  }

  void VerifyCopy(PowerCutFileSystem* image, const std::string& path, const Truths& truths,
                  bool read_only) {
    SCOPED_TRACE(path);
    DatabaseOptions options = CrashDatabase();
    options.file_system = image;
    options.background_maintenance = false;
    options.read_only = read_only;
    options.create_if_missing = !read_only;
    ASSERT_OK_AND_ASSIGN(const auto database, Database::Open(path, options));
    for (const auto& [stream, truth] : truths) {
      const Result<std::shared_ptr<Collection>> collection =
          database->OpenCollection(CollectionOf(stream));
      CrashImage found;
      if (collection.ok()) {
        ASSERT_OK_AND_ASSIGN(found, ReadImage(collection->get(), ""));
      } else {
        ASSERT_EQ(collection.status().code(), StatusCode::kNotFound);
      }
      size_t which = 0;
      ASSERT_TRUE(truth.Admits(collection.ok(), found, &which))
          << CollectionOf(stream) << " has " << found.size() << " records, "
          << (collection.ok() ? "there" : "gone") << "; acknowledged "
          << ImageOf(truth.states[0].records).size();
      if (collection.ok()) {
        for (const std::string& problem : Disagreements(
                 database.get(), collection->get(), truth.states[which].records, kSeed, &tally_)) {
          ADD_FAILURE() << problem;
        }
      }
    }
    ASSERT_OK(database->Close());
  }

  /// Fails `points` operations of every phase, in turn once and from then on.
  void FailInEveryPhase(FileOps ops, bool background, uint64_t points, bool always_cut) {
    Rng rng(TestSeed(9));
    const std::vector<Phase> phases = CountPhases(ops, background);
    const uint64_t each = std::max<uint64_t>(2, points / phases.size());
    for (const Phase& phase : phases) {
      const uint64_t operations = phase.end - phase.first;
      std::printf("[ io    ] %-18s %5llu operations\n", phase.name.c_str(),
                  static_cast<unsigned long long>(operations));
      for (uint64_t i = 0; i < std::min(each, operations) && !HasFailure(); ++i) {
        FaultPlan plan;
        plan.ops = ops;
        // One of each of `each` equal parts of the phase.
        const uint64_t part = operations / std::min(each, operations);
        plan.nth = phase.first + i * part + rng.Uniform(part);
        plan.sticky = i % 2 == 1;
        plan.short_write = i % 4 < 2;
        const bool drop = always_cut || rng.Uniform(2) == 0;
        SCOPED_TRACE(phase.name + ": operation " + std::to_string(plan.nth) +
                     (plan.sticky ? ", sticky" : ", once") +
                     (plan.short_write ? ", short writes" : "") +
                     (drop ? ", then unsynced bytes are lost" : "") +
                     (background ? ", background work" : ""));
        RunWith(plan, background, drop ? CutMode::kDropUnsynced : CutMode::kKeepAll);
      }
    }
    std::printf("[ io    ] %llu runs, %llu faults fired\n", static_cast<unsigned long long>(runs_),
                static_cast<unsigned long long>(fired_));
  }

  uint64_t runs_ = 0;
  uint64_t fired_ = 0;
  SearchTally tally_;
};

uint64_t Points() {
  return FromEnvironment("LEADLINE_IO_POINTS", 300);
}

TEST_F(IoErrorTest, FailingOperationInEveryPhaseLosesNothingAcknowledged) {
  FailInEveryPhase(FileOps(~0U), /*background=*/false, Points(), /*always_cut=*/false);
  // RocksDB's own threads order a few operations differently each time.
  EXPECT_GE(fired_ * 100, runs_ * 90) << "faults did not fire";
  EXPECT_GT(tally_.searches, 0U);
}

TEST_F(IoErrorTest, FailingOperationBesideBackgroundWorkLosesNothingAcknowledged) {
  FailInEveryPhase(FileOps(~0U), /*background=*/true, Points() / 3, /*always_cut=*/false);
  EXPECT_GE(fired_ * 100, runs_ * 70) << "faults did not fire";
}

TEST_F(IoErrorTest, FailedSyncIsNeverReportedAsSuccessLater) {
  FailInEveryPhase(FileOp::kSync | FileOp::kDirectorySync, /*background=*/false, Points() / 2,
                   /*always_cut=*/true);
  EXPECT_GE(fired_ * 100, runs_ * 90) << "faults did not fire";
}

TEST_F(IoErrorTest, FullDiskIsATypedErrorAtEverySize) {
  const uint64_t steps = std::max<uint64_t>(8, Points() / 6);
  uint64_t failed = 0;
  for (uint64_t i = 1; i <= steps && !HasFailure(); ++i) {
    const uint64_t budget = i * ((uint64_t{3} << 19) / steps);
    SCOPED_TRACE("disk full after " + std::to_string(budget) + " bytes");
    PowerCutFileSystem disk;
    FaultInjectionFileSystem fs(&disk);
    fs.SetByteBudget(budget);
    Scenario scenario(&fs, i % 2 == 0, kFullDiskCodes);
    scenario.Run([](const std::string&) {});
    failed += scenario.failures() > 0 ? 1U : 0U;
    VerifyAll(disk.Cut(i % 4 < 2 ? CutMode::kKeepAll : CutMode::kDropUnsynced, i).get(), scenario);
  }
  std::printf("[ io    ] %llu sizes, %llu too small\n", static_cast<unsigned long long>(steps),
              static_cast<unsigned long long>(failed));
  EXPECT_GE(failed * 2, steps) << "most of the disks were large enough";
}

}  // namespace
}  // namespace leadline::testing
