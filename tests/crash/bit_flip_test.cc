// Damage at rest: one bit flipped, a page zeroed, or the end cut off, in every kind of file of a
// database, both cleanly closed and copied while it ran. Allowed outcomes: a typed error, or the
// whole truth. Never a wrong answer, a crash, or silent loss.
//
// LEADLINE_BIT_FLIPS sets the number of damaged copies, LEADLINE_TEST_SEED the seed.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "crash_workload.h"
#include "status_matchers.h"
#include "temp_dir.h"

namespace leadline::testing {
namespace {

namespace stdfs = std::filesystem;

constexpr uint64_t kBatches = 60;

uint64_t FromEnvironment(const char* name, uint64_t fallback) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : fallback;
}

/// "log", "sst", "blob", "seg", "MANIFEST" ...: what the name says the file is.
std::string KindOf(const stdfs::path& file) {
  const std::string name = file.filename().string();
  const std::string extension = file.extension().string();
  return extension.size() > 1 ? extension.substr(1) : name.substr(0, name.find('-'));
}

std::vector<stdfs::path> FilesBelow(const std::string& directory) {
  std::vector<stdfs::path> files;
  for (const auto& entry : stdfs::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file() && entry.file_size() > 0) {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

class BitFlipTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(auto database, Database::Open(dir_.file("origin"), Options()));
    ASSERT_OK_AND_ASSIGN(auto collection, database->CreateCollection("c", CrashCollection()));
    for (uint64_t i = 0; i < kBatches; ++i) {
      const CrashBatch batch = MakeCrashBatch(1, 0, i);
      ASSERT_OK(collection->Write(ToWriteBatch(batch)));
      Apply(batch, &records_);
      if (i == kBatches / 2) {
        ASSERT_OK(collection->Optimize());
      }
    }
    // As a crash would leave it: with a log.
    stdfs::copy(dir_.file("origin"), dir_.file("live"), stdfs::copy_options::recursive);
    collection.reset();
    ASSERT_OK(database->Close());
    stdfs::rename(dir_.file("origin"), dir_.file("closed"));
  }

  static DatabaseOptions Options() {
    DatabaseOptions options = CrashDatabase();
    options.background_maintenance = false;
    return options;
  }

  enum class Damage { kFlip, kZeroPage, kTruncate };

  std::string DamageFile(const stdfs::path& file, Damage damage) {
    const uint64_t size = stdfs::file_size(file);
    const uint64_t at = rng_.Uniform(size);
    if (damage == Damage::kTruncate) {
      stdfs::resize_file(file, at);
      return "truncated to " + std::to_string(at) + " of " + std::to_string(size);
    }
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    if (damage == Damage::kFlip) {
      stream.seekg(static_cast<std::streamoff>(at));
      const int byte = stream.get() ^ (1 << rng_.Uniform(8));
      stream.seekp(static_cast<std::streamoff>(at));
      stream.put(static_cast<char>(byte));
      return "bit flipped at " + std::to_string(at) + " of " + std::to_string(size);
    }
    const uint64_t length = std::min<uint64_t>(4096, size - at);
    stream.seekp(static_cast<std::streamoff>(at));
    stream << std::string(length, '\0');
    return std::to_string(length) + " bytes zeroed at " + std::to_string(at);
  }

  /// Returns "error", "whole" or "prefix"; fails the test on anything wrong.
  std::string Judge(const std::string& path, bool prefix_allowed) {
    Result<std::unique_ptr<Database>> database = Database::Open(path, Options());
    if (!database.ok()) {
      EXPECT_NE(database.status().code(), StatusCode::kInternal) << database.status().ToString();
      return "error";
    }
    Result<std::shared_ptr<Collection>> collection = (*database)->OpenCollection("c");
    if (!collection.ok()) {
      ADD_FAILURE() << "the collection is gone without an error";
      return "lost";
    }
    const Result<CrashImage> found = ReadImage(collection->get(), "");
    if (!found.ok()) {
      return "error";
    }
    CrashRecords records = records_;
    std::string verdict = "whole";
    if (*found != ImageOf(records) && prefix_allowed) {
      records.clear();
      verdict = "prefix";
      for (uint64_t i = 0; i < kBatches && *found != ImageOf(records); ++i) {
        Apply(MakeCrashBatch(1, 0, i), &records);
      }
    }
    if (*found != ImageOf(records)) {
      ADD_FAILURE() << "records are wrong or silently lost: " << found->size() << " of "
                    << records.size();
      return "lost";
    }
    for (const std::string& problem :
         Disagreements(database->get(), collection->get(), records, 1)) {
      // A damaged file that check names, or that a read reports, is an honest answer.
      if (problem.rfind("check: I5", 0) != 0 && problem.find("DATA_LOSS") == std::string::npos &&
          problem.rfind("check: IO", 0) != 0) {
        ADD_FAILURE() << problem;
      }
    }
    return verdict;
  }

  TempDir dir_;
  Rng rng_{FromEnvironment("LEADLINE_TEST_SEED", 3)};
  CrashRecords records_;
};

TEST_F(BitFlipTest, DamageIsReportedOrHarmless) {
  const uint64_t wanted = FromEnvironment("LEADLINE_BIT_FLIPS", 500);
  std::map<std::string, std::map<std::string, int>> table;
  for (uint64_t i = 0; i < wanted && !HasFailure(); ++i) {
    const bool live = i % 2 == 0;
    const std::string copy = dir_.file("copy");
    stdfs::copy(dir_.file(live ? "live" : "closed"), copy, stdfs::copy_options::recursive);
    // Every third copy has a segment flipped: there the checksums are ours.
    const bool in_segment = i % 3 == 0;
    const std::vector<stdfs::path> files = FilesBelow(in_segment ? copy + "/segments" : copy);
    const stdfs::path& file = files[rng_.Uniform(files.size())];
    const auto damage = in_segment ? Damage::kFlip : static_cast<Damage>(rng_.Uniform(3));
    const std::string what = DamageFile(file, damage);
    SCOPED_TRACE((live ? "live copy, " : "closed copy, ") + stdfs::relative(file, copy).string() +
                 ": " + what);
    // The end of a log that was not yet moved into tables looks like writes that never happened.
    const bool prefix_allowed = live && KindOf(file) == "log" && damage != Damage::kFlip;
    ++table[KindOf(file)][Judge(copy, prefix_allowed)];
    stdfs::remove_all(copy);
  }
  for (const auto& [kind, verdicts] : table) {
    for (const auto& [verdict, count] : verdicts) {
      std::printf("[ flips ] %-10s %-7s %d\n", kind.c_str(), verdict.c_str(), count);
    }
  }
}

}  // namespace
}  // namespace leadline::testing
