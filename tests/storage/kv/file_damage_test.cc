/// Bit flips in every other kind of file: wrong values must never come out.

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "status_matchers.h"
#include "store_testing.h"
#include "temp_dir.h"

namespace leadline::kv {
namespace {

using leadline::testing::StatusIs;
using leadline::testing::TempDir;

constexpr uint64_t kBatches = 60;

StoreOptions Options() {
  StoreOptions options = Creating();
  options.fs = UnsyncedFiles();
  return options;
}

struct Outcomes {
  int refused = 0;
  int read_error = 0;
  int harmless = 0;
};

/// Reads every row and compares it with what was written.
void ReadAll(Store* store, const TableContents& expected, Outcomes* outcomes) {
  Status status;
  const TableContents rows = ReadTable(store, Table::kVectors, &status);
  if (!status.ok()) {
    ++outcomes->read_error;
    ASSERT_THAT(status, StatusIs(StatusCode::kDataLoss));
    for (const auto& [key, value] : rows) {
      ASSERT_TRUE(value == expected.at(key)) << key;
    }
    return;
  }
  ASSERT_TRUE(rows == expected) << rows.size() << " rows";
  ++outcomes->harmless;
}

class FileDamage : public ::testing::Test {
 protected:
  void SetUp() override {
    {
      const auto store = OpenOrDie(dir_.file("work"), Options());
      Rng rng(31);
      WriteBatch batch;
      for (uint64_t i = 1; i <= kBatches; ++i) {
        MakeNumberedBatch(i, i % 3 == 0 ? 20 : 900, &rng, &batch);
        ASSERT_OK(store->Write(batch, false));
        if (i % 20 == 0) {
          ASSERT_OK(store->Flush());
        }
      }
      expected_ = Contents(store.get(), Table::kVectors);
      ASSERT_OK(store->Close());
    }
    CopyDirectory(dir_.file("work"), dir_.file("image"));
  }

  /// Flips one bit in `rounds` copies of the files whose name matches.
  Outcomes FlipIn(const std::string& suffix, const std::string& prefix, int rounds) {
    Outcomes outcomes;
    const uint64_t seed = 99;
    Rng rng(seed);
    for (int round = 0; round < rounds; ++round) {
      CopyDirectory(dir_.file("image"), dir_.file("copy"));
      const std::vector<std::string> paths = FilesLike(dir_.file("copy"), suffix, prefix);
      EXPECT_FALSE(paths.empty());
      const std::string path = paths[rng.Uniform(paths.size())];
      std::string bytes = ReadFile(path);
      const size_t bit = rng.Uniform(bytes.size() * 8);
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
      WriteFile(path, bytes);
      SCOPED_TRACE(::testing::Message()
                   << "seed=" << seed << " round=" << round << " path=" << path << " bit=" << bit);
      Result<std::unique_ptr<Store>> store = Store::Open(dir_.file("copy"), Options());
      if (!store.ok()) {
        ++outcomes.refused;
        EXPECT_THAT(store, StatusIs(StatusCode::kDataLoss));
        continue;
      }
      ReadAll(store->get(), expected_, &outcomes);
      if (suffix == ".sst" || suffix == ".blob") {
        EXPECT_THAT((*store)->VerifyChecksums(), StatusIs(StatusCode::kDataLoss));
      }
    }
    return outcomes;
  }

  TempDir dir_;
  TableContents expected_;
};

TEST_F(FileDamage, TableFileFlipsAreFound) {
  const Outcomes outcomes = FlipIn(".sst", "", 80);
  EXPECT_EQ(outcomes.refused + outcomes.read_error + outcomes.harmless, 80);
}

TEST_F(FileDamage, WritesAnswerDataLossOnceACompactionMetDamage) {
  const std::vector<std::string> paths = FilesLike(dir_.file("work"), ".sst", "");
  // The small ones hold the sequence, without which nothing opens.
  const std::string largest =
      *std::max_element(paths.begin(), paths.end(), [](const auto& a, const auto& b) {
        return std::filesystem::file_size(a) < std::filesystem::file_size(b);
      });
  std::string bytes = ReadFile(largest);
  bytes[10] = static_cast<char>(bytes[10] ^ 1);
  WriteFile(largest, bytes);
  const auto store = OpenOrDie(dir_.file("work"), Options());
  EXPECT_THAT(store->Compact(Table::kVectors), StatusIs(StatusCode::kDataLoss));
  WriteBatch batch;
  batch.Put(Table::kVectors, "a", "b");
  // Opening the store again, as after a failed write, would mend nothing.
  EXPECT_THAT(store->Write(batch, true),
              StatusIs(StatusCode::kDataLoss, "read-only since it met damage"));
  EXPECT_THAT(store->Close(), StatusIs(StatusCode::kDataLoss));
}

TEST_F(FileDamage, BlobFileFlipsAreFound) {
  const Outcomes outcomes = FlipIn(".blob", "", 60);
  EXPECT_GE(outcomes.refused + outcomes.read_error, 40);
}

TEST_F(FileDamage, ManifestFlipsAreFound) {
  const Outcomes outcomes = FlipIn("", "MANIFEST-", 60);
  EXPECT_GE(outcomes.refused, 50);
}

TEST_F(FileDamage, CurrentFlipsAreFound) {
  const Outcomes outcomes = FlipIn("CURRENT", "CURRENT", 30);
  EXPECT_GE(outcomes.refused, 25);
}

TEST_F(FileDamage, MissingFilesAreDataLossAndNothingIsDeleted) {
  for (const char* name : {"CURRENT", ".blob", ".sst"}) {
    SCOPED_TRACE(name);
    CopyDirectory(dir_.file("image"), dir_.file("copy"));
    for (const std::string& path : FilesLike(dir_.file("copy"), name)) {
      std::filesystem::remove(path);
    }
    const size_t left = FilesLike(dir_.file("copy"), ".sst").size();
    Result<std::unique_ptr<Store>> store = Store::Open(dir_.file("copy"), Options());
    EXPECT_THAT(store, StatusIs(StatusCode::kDataLoss));
    EXPECT_EQ(FilesLike(dir_.file("copy"), ".sst").size(), left);
  }
}

}  // namespace
}  // namespace leadline::kv
