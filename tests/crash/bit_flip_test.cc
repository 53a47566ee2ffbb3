// Damage at rest: one bit flipped, a page zeroed, the end cut off, two files swapped, or an old
// copy put back, in every kind of file of a database, both cleanly closed and copied while it ran.
// Allowed outcomes: a typed error that says so, or the whole truth. Never a wrong answer, a crash,
// or silent loss; a damaged segment costs speed only, and Optimize mends it.
//
// LEADLINE_BIT_FLIPS sets the number of damaged copies.

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "crash_workload.h"
#include "leadline/core/file_system.h"
#include "status_matchers.h"
#include "temp_dir.h"

namespace leadline::testing {
namespace {

namespace stdfs = std::filesystem;

constexpr uint64_t kSeed = 1;

/// Kinds of files that must turn up. OPTIONS is RocksDB's and read by nobody.
const std::vector<std::string> kKinds = {"sst",      "blob",  "log",      "MANIFEST",
                                         "CURRENT",  "seg",   "LOWWATER", "SYNCED",
                                         "IDENTITY", "OWNER", "OPTIONS"};

/// Files that hold nothing which is not elsewhere too: damage there must not cost anything.
bool MustOpen(const std::string& kind) {
  static const std::set<std::string> kHints = {"seg", "SYNCED", "IDENTITY", "OWNER", "OPTIONS"};
  return kHints.count(kind) > 0;
}

/// Files that are read when they are needed, not when the database opens.
bool MayFailLater(const std::string& kind) {
  return kind == "sst" || kind == "blob";
}

std::string KindOf(const stdfs::path& file) {
  const std::string name = file.filename().string();
  const std::string extension = file.extension().string();
  return extension.size() > 1 ? extension.substr(1) : name.substr(0, name.find('-'));
}

std::string Bytes(const stdfs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void SetBytes(const stdfs::path& file, const std::string& bytes) {
  std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
}

using FilesByKind = std::map<std::string, std::vector<stdfs::path>>;

/// Non-empty files below `directory`, as relative paths, sorted.
FilesByKind FilesBelow(const stdfs::path& directory) {
  FilesByKind files;
  for (const auto& entry : stdfs::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file() && entry.file_size() > 0) {
      files[KindOf(entry.path())].push_back(stdfs::relative(entry.path(), directory));
    }
  }
  for (auto& [kind, paths] : files) {
    std::sort(paths.begin(), paths.end());
  }
  return files;
}

class BitFlipTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string origin = dir_.file("origin");
    const DatabaseOptions options = Options();
    ASSERT_OK_AND_ASSIGN(auto database, Database::Open(origin, options));
    ASSERT_OK(database->CreateCollection(CollectionOf(0), CrashCollection(0)));
    for (uint64_t round = 0; round < 3; ++round) {
      if (round == 2) {
        stdfs::copy(origin, dir_.file("older"), stdfs::copy_options::recursive);
      }
      Write(database.get(), 0, 12);
      Write(database.get(), 2, 4);
      if (round < 2) {
        ASSERT_OK_AND_ASSIGN(const auto collection, database->OpenCollection(CollectionOf(0)));
        ASSERT_OK(collection->Optimize());
        ASSERT_OK_AND_ASSIGN(const auto other, database->OpenCollection(CollectionOf(2)));
        ASSERT_OK(other->Optimize());
        Write(database.get(), 0, 3);
        ASSERT_OK(database->Close());
        ASSERT_OK_AND_ASSIGN(database, Database::Open(origin, options));
      }
    }
    // As a crash would leave it: with a log.
    stdfs::copy(origin, dir_.file("live"), stdfs::copy_options::recursive);
    ASSERT_OK(database->Close());
    database.reset();
    stdfs::rename(origin, dir_.file("closed"));
  }

  void Write(Database* database, int stream, int steps) {
    for (int i = 0; i < steps; ++i) {
      const CrashStep step = MakeCrashStep(kSeed, stream, next_[stream]++);
      ASSERT_OK(RunStep(database, FileSystem::Posix(), dir_.file("origin"), stream, step));
      Apply(step, &states_[stream]);
    }
  }

  static DatabaseOptions Options() {
    DatabaseOptions options = CrashDatabase();
    options.background_maintenance = false;
    return options;
  }

  enum class Damage { kFlip, kZeroPage, kTruncate, kSwap, kOldCopy };

  /// What was done, or nullopt when that leaves the file as it was.
  std::optional<std::string> DamageFile(const stdfs::path& copy, const stdfs::path& file,
                                        const std::vector<stdfs::path>& same_kind, Damage damage) {
    const std::string before = Bytes(copy / file);
    const uint64_t size = before.size();
    const uint64_t at = rng_.Uniform(size);
    std::string after = before;
    std::string what;
    if (damage == Damage::kFlip) {
      after[at] = static_cast<char>(after[at] ^ (1 << rng_.Uniform(8)));
      what = "bit flipped at " + std::to_string(at) + " of " + std::to_string(size);
    } else if (damage == Damage::kZeroPage) {
      const uint64_t length = std::min<uint64_t>(4096, size - at);
      std::fill_n(after.begin() + static_cast<std::ptrdiff_t>(at), length, '\0');
      what = std::to_string(length) + " bytes zeroed at " + std::to_string(at);
    } else if (damage == Damage::kTruncate) {
      after.resize(at);
      what = "truncated to " + std::to_string(at) + " of " + std::to_string(size);
    } else if (damage == Damage::kSwap) {
      const stdfs::path& other = same_kind[rng_.Uniform(same_kind.size())];
      after = Bytes(copy / other);
      SetBytes(copy / other, before);
      what = "swapped with " + other.string();
    } else if (stdfs::exists(dir_.file("older") / file)) {
      after = Bytes(dir_.file("older") / file);
      what = "an old copy put back";
    }
    SetBytes(copy / file, after);
    return after == before ? std::nullopt : std::optional<std::string>(what);
  }

  void ExpectTyped(const std::string& what, StatusCode code) {
    EXPECT_TRUE(code == StatusCode::kDataLoss || code == StatusCode::kUnimplemented)
        << "damage must be reported as such: " << what;
  }

  /// Reads everything of one collection; returns "whole" or "read error".
  std::string JudgeReads(Collection* collection, int stream, const std::string& kind) {
    const Result<CrashImage> found = ReadImage(collection, "");
    std::string verdict = "whole";
    if (!found.ok()) {
      ExpectTyped(found.status().ToString(), found.status().code());
      EXPECT_TRUE(MayFailLater(kind)) << found.status().ToString();
      verdict = "read error";
    } else if (*found != ImageOf(states_[stream].records)) {
      ADD_FAILURE() << "records are wrong or silently lost: " << found->size() << " of "
                    << ImageOf(states_[stream].records).size();
    }
    for (const Disagreement& problem :
         CompareReads(collection, states_[stream].records, rng_.Next(), &tally_)) {
      if (problem.code == StatusCode::kOk || !MayFailLater(kind)) {
        ADD_FAILURE() << problem.what;
      } else {
        ExpectTyped(problem.what, problem.code);
        verdict = "read error";
      }
    }
    return verdict;
  }

  void JudgeCheck(Database* database, const std::string& kind, bool degraded) {
    const Result<CheckReport> check = database->Check();
    if (!check.ok()) {
      ExpectTyped(check.status().ToString(), check.status().code());
      EXPECT_TRUE(MayFailLater(kind)) << check.status().ToString();
      return;
    }
    for (const CheckProblem& problem : check->problems) {
      EXPECT_TRUE((problem.invariant == "IO" && MayFailLater(kind)) ||
                  (problem.invariant == "I5" && degraded))
          << problem.invariant << " " << problem.where << " " << problem.detail;
    }
    EXPECT_EQ(degraded, !check->ok() && kind == "seg") << "check does not name the damaged segment";
  }

  /// Rebuilds what is damaged; afterwards nothing may be left of it.
  void Mend(Database* database) {
    for (const int stream : {0, 2}) {
      ASSERT_OK_AND_ASSIGN(const auto collection, database->OpenCollection(CollectionOf(stream)));
      ASSERT_OK(collection->Optimize());
    }
    for (const int stream : {0, 2}) {
      ASSERT_OK_AND_ASSIGN(const auto collection, database->OpenCollection(CollectionOf(stream)));
      ASSERT_OK_AND_ASSIGN(const CollectionStats stats, collection->Stats());
      EXPECT_EQ(stats.damaged_segments, 0U);
      for (const std::string& problem : Disagreements(
               database, collection.get(), states_[stream].records, rng_.Next(), &tally_)) {
        ADD_FAILURE() << "after Optimize: " << problem;
      }
    }
  }

  /// Returns "refused", "damaged collection", "read error", "degraded" or "whole"; fails the test
  /// on anything wrong.
  std::string Judge(const std::string& path, const std::string& kind) {
    Result<std::unique_ptr<Database>> database = Database::Open(path, Options());
    if (!database.ok()) {
      ExpectTyped(database.status().ToString(), database.status().code());
      EXPECT_FALSE(MustOpen(kind)) << database.status().ToString();
      return "refused";
    }
    std::string verdict = "whole";
    bool degraded = false;
    for (const int stream : {0, 2}) {
      Result<std::shared_ptr<Collection>> collection =
          (*database)->OpenCollection(CollectionOf(stream));
      if (collection.status().code() == StatusCode::kDataLoss) {
        EXPECT_TRUE(MayFailLater(kind)) << collection.status().ToString();
        verdict = "damaged collection";
        continue;
      }
      if (!collection.ok()) {
        ADD_FAILURE() << "a collection is gone without an error";
        return "lost";
      }
      const std::string reads = JudgeReads(collection->get(), stream, kind);
      verdict = reads == "whole" ? verdict : reads;
      const Result<CollectionStats> stats = (*collection)->Stats();
      EXPECT_OK(stats);
      degraded = degraded || (stats.ok() && stats->degraded);
    }
    EXPECT_TRUE(!degraded || kind == "seg");
    JudgeCheck(database->get(), kind, degraded);
    if (kind == "seg" && !HasFailure()) {
      Mend(database->get());
    }
    const Status closed = (*database)->Close();
    if (!closed.ok()) {
      ExpectTyped(closed.ToString(), closed.code());
      EXPECT_TRUE(MayFailLater(kind)) << closed.ToString();
    }
    return degraded ? "degraded" : verdict;
  }

  /// Damages one file of `kind` in a fresh copy; nullopt when this draw changed nothing.
  std::optional<std::string> RunOne(const std::string& kind) {
    const std::string copy = dir_.file("copy");
    const FilesByKind closed = FilesBelow(dir_.file("closed"));
    const bool live = rng_.Uniform(2) == 0 || closed.count(kind) == 0;
    stdfs::remove_all(copy);
    stdfs::copy(dir_.file(live ? "live" : "closed"), copy, stdfs::copy_options::recursive);
    const FilesByKind files = FilesBelow(copy);
    if (files.count(kind) == 0) {
      ADD_FAILURE() << "no such file in the database: " << kind;
      return std::nullopt;
    }
    const std::vector<stdfs::path>& candidates = files.at(kind);
    const stdfs::path& file = candidates[rng_.Uniform(candidates.size())];
    const std::optional<std::string> what =
        DamageFile(copy, file, candidates, static_cast<Damage>(rng_.Uniform(5)));
    if (!what.has_value()) {
      return std::nullopt;
    }
    SCOPED_TRACE((live ? "live copy, " : "closed copy, ") + file.string() + ": " + *what);
    return Judge(copy, kind);
  }

  TempDir dir_;
  Rng rng_{TestSeed(3)};
  std::map<int, CrashState> states_ = {{0, InitialState(0)}, {2, InitialState(2)}};
  std::map<int, uint64_t> next_;
  SearchTally tally_;
};

TEST_F(BitFlipTest, DamageIsReportedOrHarmless) {
  const uint64_t wanted = FromEnvironment("LEADLINE_BIT_FLIPS", 500);
  const uint64_t per_kind = (wanted + kKinds.size() - 1) / kKinds.size();
  ASSERT_GT(wanted, 0U);
  std::map<std::string, std::map<std::string, uint64_t>> table;
  for (const std::string& kind : kKinds) {
    uint64_t judged = 0;
    for (uint64_t draw = 0; judged < per_kind && draw < 20 * per_kind && !HasFailure(); ++draw) {
      const std::optional<std::string> verdict = RunOne(kind);
      if (verdict.has_value()) {
        ++table[kind][*verdict];
        ++judged;
      }
    }
    EXPECT_TRUE(judged == per_kind || HasFailure()) << "too few damaged files of kind " << kind;
  }
  for (const auto& [kind, verdicts] : table) {
    for (const auto& [verdict, count] : verdicts) {
      std::printf("[ flips ] %-10s %-18s %llu\n", kind.c_str(), verdict.c_str(),
                  static_cast<unsigned long long>(count));
    }
  }
  if (HasFailure()) {
    return;
  }
  EXPECT_GT(table["seg"]["degraded"], 0U) << "no segment was really damaged";
  EXPECT_GT(tally_.store_scans, 0U) << "no damaged segment was answered from the store";
  for (const char* kind : {"log", "MANIFEST", "CURRENT", "LOWWATER"}) {
    EXPECT_GT(table[kind]["refused"], 0U) << kind << ": no damage was noticed";
  }
  ExpectIndexesUsed(tally_);
}

}  // namespace
}  // namespace leadline::testing
