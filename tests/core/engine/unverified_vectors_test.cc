// A segment whose index searches by codes answers before its vectors were read as a whole. A row
// that is not what was written is never returned for it, whoever meets it first.

#include "unverified_vectors.h"

#include <atomic>
#include <cstring>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine_fixture.h"
#include "forwarding_file_system.h"
#include "leadline/storage/segment_file.h"
#include "store_forge.h"

namespace leadline::testing {
namespace {

constexpr size_t kRows = 3000;
constexpr size_t kDim = 64;
constexpr auto kVectors = static_cast<uint32_t>(segment::SectionType::kVectors);
constexpr auto kHashes = static_cast<uint32_t>(segment::SectionType::kVectorHashes);

/// A sealed segment of lists with product codes, reopened, that nobody has searched yet.
class UnverifiedVectorsTest : public EngineTest {
 protected:
  void SetUp() override {
    options_.background_maintenance = false;
    Open();
    VectorField field;
    field.dim = kDim;
    field.metric = Metric::kL2;
    field.index = IndexKind::kIvf;
    field.codes = CodeType::kPq4;
    field.nlist = 20;
    Create(field);
    Fill(0, kRows);
    ASSERT_OK(collection_->Optimize());
    Close();
    file_ = path() + "/segments/" + SegmentFiles().at(0);
  }

  /// Where a section starts in the file.
  [[nodiscard]] size_t StartOf(uint32_t type) const {
    const auto file = segment::SegmentFile::Open(FileSystem::Posix(), file_, std::nullopt).value();
    return static_cast<size_t>(file->section(type).data() - file->bytes().data());
  }

  void Overwrite(size_t at, float value) const {
    std::fstream file(file_, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(at))
        .write(reinterpret_cast<const char*>(&value), sizeof(value));
  }

  /// Makes one value of row `row` another one, which no rule but its hash finds wrong.
  void DamageRow(size_t row) const { Overwrite(StartOf(kVectors) + row * kDim * 4, 0.125F); }

  void OpenAgain() {
    Open();
    ASSERT_OK_AND_ASSIGN(collection_, database_->OpenCollection("c"));
  }

  /// The hit for the vector of record `i`: itself, at distance 0.
  void ExpectFindsItself(size_t i, const std::shared_ptr<const Snapshot>& snapshot = nullptr) {
    SearchOptions options;
    options.limit = 3;
    options.snapshot = snapshot;
    ASSERT_OK_AND_ASSIGN(const SearchResponse found,
                         collection_->Search(MakeRecord(i).vector, options));
    ASSERT_EQ(found.hits.size(), 3U);
    EXPECT_EQ(found.hits[0].id, "r" + std::to_string(i));
    EXPECT_EQ(found.hits[0].score, 0.0F);
  }

  [[nodiscard]] size_t Damaged() const { return collection_->Stats()->damaged_segments; }

  std::string file_;
};

TEST_F(UnverifiedVectorsTest, ADamagedRowThatASearchMeetsIsAnsweredFromTheStore) {
  DamageRow(700);
  OpenAgain();
  ExpectFindsItself(700);
  EXPECT_EQ(Damaged(), 1U);
  ExpectFindsItself(11);
  EXPECT_EQ(Everything().size(), kRows);
}

TEST_F(UnverifiedVectorsTest, SoDoesASearchOfASnapshot) {
  DamageRow(700);
  OpenAgain();
  ASSERT_OK_AND_ASSIGN(const auto snapshot, database_->TakeSnapshot());
  ASSERT_OK(collection_->Delete({"r700"}));
  ExpectFindsItself(700, snapshot);
  EXPECT_EQ(Damaged(), 1U);
}

TEST_F(UnverifiedVectorsTest, ARowThatNoSearchMeetsIsFoundByWhoReadsAll) {
  DamageRow(700);
  OpenAgain();
  ExpectFindsItself(11);
  ASSERT_EQ(Damaged(), 0U) << "the search had to read a few rows only";
  EXPECT_EQ(Everything().size(), kRows);
  EXPECT_EQ(Damaged(), 1U);
}

TEST_F(UnverifiedVectorsTest, ACheckReadsAll) {
  DamageRow(700);
  OpenAgain();
  ExpectFindsItself(11);
  ASSERT_OK_AND_ASSIGN(const CheckReport report, database_->Check());
  ASSERT_EQ(report.problems.size(), 1U);
  EXPECT_EQ(report.problems[0].invariant, "I5");
  ASSERT_OK(collection_->Optimize());
  EXPECT_EQ(Damaged(), 0U);
  ExpectFindsItself(700);
  ExpectSound();
}

TEST_F(UnverifiedVectorsTest, MaintenanceVerifiesWhatSearchesUseAndMendsIt) {
  DamageRow(700);
  options_.background_maintenance = true;
  OpenAgain();
  ExpectFindsItself(11);
  const std::string damaged = file_;
  EXPECT_TRUE(Eventually([&] { return !std::filesystem::exists(damaged); }));
  EXPECT_EQ(Damaged(), 0U);
  ExpectFindsItself(700);
}

TEST_F(UnverifiedVectorsTest, AReaderVerifiesInTheBackgroundToo) {
  ForwardingFileSystem files(FileSystem::Posix());
  options_.file_system = &files;
  options_.background_maintenance = true;
  options_.read_only = true;
  options_.create_if_missing = false;
  ASSERT_OK_AND_ASSIGN(database_, Database::Open(path(), options_));
  ASSERT_OK_AND_ASSIGN(collection_, database_->OpenCollection("c"));
  std::atomic<size_t> reads{0};
  files.set_before([&](FileCall call, const std::string& path) {
    reads += call == FileCall::kReadBytes && path == file_ ? 1 : 0;
    return OkStatus();
  });
  ExpectFindsItself(11);
  EXPECT_TRUE(Eventually([&, next = size_t{12}]() mutable {
    reads = 0;
    ExpectFindsItself(next++ % kRows);  // one that compares other rows again
    return reads == 0;
  }));
  TearDown();
}

TEST_F(UnverifiedVectorsTest, AValueThatIsNotANumberIsDamageThoughItsHashIsRight) {
  StoreForge forge(path());
  forge.Reseal(0, [](segment::SegmentInfo* /*info*/, Sections* sections) {
    constexpr float kBad = std::numeric_limits<float>::quiet_NaN();
    char* const row = (*sections)[kVectors].data() + size_t{700} * kDim * sizeof(float);
    std::memcpy(row, &kBad, sizeof(kBad));
    std::vector<float> vector(kDim);
    std::memcpy(vector.data(), row, kDim * sizeof(float));
    const uint32_t hash = engine::VectorHash(vector);
    std::memcpy((*sections)[kHashes].data() + size_t{700} * sizeof(hash), &hash, sizeof(hash));
  });
  forge.Close();
  OpenAgain();
  ExpectFindsItself(700);
  EXPECT_EQ(Damaged(), 1U);
}

TEST_F(UnverifiedVectorsTest, DamagedHashesAreFoundBeforeAnyRow) {
  Overwrite(StartOf(kHashes) + size_t{4} * 5, 1.0F);
  OpenAgain();
  ExpectFindsItself(11);
  EXPECT_EQ(Damaged(), 1U);
}

TEST_F(UnverifiedVectorsTest, ARowThatCannotBeReadNowIsTriedAgain) {
  ForwardingFileSystem files(FileSystem::Posix());
  options_.file_system = &files;
  OpenAgain();
  ExpectFindsItself(11);
  files.set_before([&](FileCall call, const std::string& path) {
    return call == FileCall::kReadBytes && path == file_ ? UnavailableError("bad sector")
                                                         : OkStatus();
  });
  ExpectFindsItself(700);
  EXPECT_EQ(Damaged(), 0U) << "an error of the disk says nothing about the bytes";
  EXPECT_TRUE(collection_->Stats()->degraded);
  files.set_before(nullptr);
  EXPECT_TRUE(
      Eventually([&] { return Everything().size() == kRows && !collection_->Stats()->degraded; }));
  ExpectFindsItself(700);
  TearDown();
}

TEST_F(UnverifiedVectorsTest, TheFirstSearchReadsAFractionOfTheVectors) {
  ForwardingFileSystem files(FileSystem::Posix());
  options_.file_system = &files;
  OpenAgain();
  ExpectFindsItself(11);  // reads all sections but the vectors
  std::atomic<size_t> reads{0};
  files.set_before([&](FileCall call, const std::string& path) {
    reads += call == FileCall::kReadBytes && path == file_ ? 1 : 0;
    return OkStatus();
  });
  ExpectFindsItself(12);
  EXPECT_GE(reads, 3U);
  EXPECT_LE(reads, 30U) << "a read for each row compared in full precision";
  reads = 0;
  ExpectFindsItself(12);
  EXPECT_EQ(reads, 0U) << "rows that are known to be good";
  EXPECT_EQ(Everything().size(), kRows);
  reads = 0;
  ExpectFindsItself(13);
  EXPECT_EQ(reads, 0U) << "all vectors are verified now";
  TearDown();
}

}  // namespace
}  // namespace leadline::testing
