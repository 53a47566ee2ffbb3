#include "leadline/storage/segment_file.h"

#include <limits>

#include <gtest/gtest.h>

#include "example_segment.h"
#include "failing_file_system.h"
#include "leadline/core/rng.h"
#include "status_matchers.h"
#include "temp_dir.h"

namespace leadline::segment {
namespace {

using testing::FailingFileSystem;
using testing::StatusIs;
using testing::TempDir;

constexpr auto kOrdinals = static_cast<uint32_t>(SectionType::kOrdinals);
constexpr auto kVectors = static_cast<uint32_t>(SectionType::kVectors);

TEST(SegmentFile, GivesBackWhatWasWritten) {
  const TempDir dir;
  FileSystem* fs = FileSystem::Posix();
  ASSERT_OK_AND_ASSIGN(const FileIdentity identity, WriteExample(fs, dir.path()));
  ASSERT_OK_AND_ASSIGN(const auto file, SegmentFile::Open(fs, dir.file("seven.seg"), identity));
  const SegmentInfo want = ExampleInfo();
  const SegmentInfo& got = file->info();
  EXPECT_EQ(got.database, want.database);
  EXPECT_EQ(got.segment_id, want.segment_id);
  EXPECT_EQ(got.collection_id, want.collection_id);
  EXPECT_EQ(got.field_id, want.field_id);
  EXPECT_EQ(got.metric, want.metric);
  EXPECT_EQ(got.kind, want.kind);
  EXPECT_EQ(got.codes, want.codes);
  EXPECT_EQ(got.dim, want.dim);
  EXPECT_EQ(got.rows, want.rows);
  EXPECT_EQ(got.min_sequence, want.min_sequence);
  EXPECT_EQ(got.max_sequence, want.max_sequence);
  EXPECT_EQ(got.m, want.m);
  EXPECT_EQ(got.ef_construction, want.ef_construction);
  EXPECT_EQ(got.nlist, want.nlist);
  EXPECT_EQ(got.seed, want.seed);
  EXPECT_EQ(got.self_recall, want.self_recall);
  EXPECT_EQ(file->section_types(), (std::vector<uint32_t>{1, 2, 3, 4}));
  EXPECT_EQ(file->section(kOrdinals), ExampleOrdinals());
  EXPECT_EQ(file->section(3), "abc");
  EXPECT_EQ(file->section(kVectors), ExampleVectors());
  EXPECT_EQ(file->section(99), "");
  EXPECT_OK(file->VerifySections({}));
  EXPECT_OK(file->VerifySections({kVectors}));
  EXPECT_THAT(file->VerifySections({99}), StatusIs(StatusCode::kDataLoss, "section=99"));
  EXPECT_EQ(file->identity().size, identity.size);
  EXPECT_EQ(file->identity().hash, identity.hash);
}

TEST(SegmentFile, SectionsStartOnAlignedAddresses) {
  const TempDir dir;
  FileSystem* fs = FileSystem::Posix();
  ASSERT_OK(WriteExample(fs, dir.path()));
  ASSERT_OK_AND_ASSIGN(const auto file, SegmentFile::Open(fs, dir.file("seven.seg"), std::nullopt));
  for (const uint32_t type : file->section_types()) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(file->section(type).data()) % 64, 0U) << type;
  }
}

TEST(SegmentFile, RandomSectionsSurviveAnySplitOfAppends) {
  const uint64_t seed = 20240611;
  SCOPED_TRACE(seed);
  Rng rng(seed);
  FileSystem* fs = FileSystem::Posix();
  for (int round = 0; round < 20; ++round) {
    const TempDir dir;
    ASSERT_OK_AND_ASSIGN(auto writer, SegmentWriter::Create(fs, dir.path(), "s", ExampleInfo()));
    std::vector<std::string> sections(rng.Next() % 6);
    for (size_t i = 0; i < sections.size(); ++i) {
      // Sizes around the writer's buffer, and empty ones.
      sections[i].resize(rng.Next() % 4 == 0 ? 0 : rng.Next() % 700'000);
      for (char& c : sections[i]) {
        c = static_cast<char>(rng.Next());
      }
      ASSERT_OK(writer->BeginSection(static_cast<uint32_t>(100 + i)));
      std::string_view rest = sections[i];
      while (!rest.empty()) {
        const size_t n = std::min<size_t>(rest.size(), 1 + rng.Next() % 300'000);
        ASSERT_OK(writer->Append(rest.substr(0, n)));
        rest.remove_prefix(n);
      }
    }
    ASSERT_OK_AND_ASSIGN(const FileIdentity identity, writer->Finish());
    ASSERT_OK_AND_ASSIGN(const auto file, SegmentFile::Open(fs, dir.file("s"), identity));
    EXPECT_OK(file->VerifySections({}));
    for (size_t i = 0; i < sections.size(); ++i) {
      EXPECT_EQ(file->section(static_cast<uint32_t>(100 + i)), sections[i]);
    }
  }
}

TEST(SegmentFile, MissingFileIsNotFound) {
  const TempDir dir;
  EXPECT_THAT(SegmentFile::Open(FileSystem::Posix(), dir.file("none"), std::nullopt),
              StatusIs(StatusCode::kNotFound, dir.file("none")));
}

TEST(SegmentFile, RefusesAnotherFileThanThePublishedOne) {
  const TempDir dir;
  FileSystem* fs = FileSystem::Posix();
  ASSERT_OK_AND_ASSIGN(FileIdentity identity, WriteExample(fs, dir.path()));
  ++identity.hash;
  EXPECT_THAT(SegmentFile::Open(fs, dir.file("seven.seg"), identity),
              StatusIs(StatusCode::kDataLoss, "published"));
  --identity.hash;
  ++identity.size;
  EXPECT_THAT(SegmentFile::Open(fs, dir.file("seven.seg"), identity),
              StatusIs(StatusCode::kDataLoss, "published"));
}

TEST(SegmentWriter, RefusesInfoOutOfRange) {
  const TempDir dir;
  FileSystem* fs = FileSystem::Posix();
  const auto refused = [&](const char* field, auto change) {
    SegmentInfo info = ExampleInfo();
    change(info);
    const auto writer = SegmentWriter::Create(fs, dir.path(), "s", info);
    EXPECT_THAT(writer, StatusIs(StatusCode::kInvalidArgument, field));
    EXPECT_THAT(fs->FileExists(dir.file("s.tmp")), StatusIs(StatusCode::kNotFound));
  };
  refused("kind", [](SegmentInfo& i) { i.kind = IndexKind::kAuto; });
  refused("codes", [](SegmentInfo& i) { i.codes = CodeType::kAuto; });
  refused("metric", [](SegmentInfo& i) { i.metric = static_cast<Metric>(0); });
  refused("dim", [](SegmentInfo& i) { i.dim = 0; });
  refused("dim", [](SegmentInfo& i) { i.dim = kMaxDim + 1; });
  refused("rows", [](SegmentInfo& i) { i.rows = kMaxSegmentRows + 1; });
  refused("min_sequence", [](SegmentInfo& i) { i.min_sequence = 10; });
  refused("m", [](SegmentInfo& i) { i.m = kMaxM + 1; });
  refused("ef_construction", [](SegmentInfo& i) { i.ef_construction = kMaxEfConstruction + 1; });
  refused("nlist", [](SegmentInfo& i) { i.nlist = kMaxNlist + 1; });
  refused("self_recall", [](SegmentInfo& i) { i.self_recall = 1.5; });
  refused("self_recall",
          [](SegmentInfo& i) { i.self_recall = std::numeric_limits<double>::quiet_NaN(); });
}

TEST(SegmentWriter, RefusesMisuse) {
  const TempDir dir;
  FileSystem* fs = FileSystem::Posix();
  ASSERT_OK_AND_ASSIGN(auto writer, SegmentWriter::Create(fs, dir.path(), "s", ExampleInfo()));
  EXPECT_THAT(writer->Append("x"), StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_THAT(writer->BeginSection(0), StatusIs(StatusCode::kInvalidArgument, "type"));
  ASSERT_OK(writer->AddSection(50, "x"));
  EXPECT_THAT(writer->BeginSection(50), StatusIs(StatusCode::kInvalidArgument, "50"));
  ASSERT_OK(writer->Finish());
  EXPECT_THAT(writer->Finish(), StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_THAT(writer->AddSection(51, "x"), StatusIs(StatusCode::kFailedPrecondition));
}

TEST(SegmentWriter, SaysOfAnIndexWhatIsKnownWhenItIsBuilt) {
  const TempDir dir;
  FileSystem* fs = FileSystem::Posix();
  ASSERT_OK_AND_ASSIGN(auto writer, SegmentWriter::Create(fs, dir.path(), "s", ExampleInfo()));
  ASSERT_OK(writer->AddSection(50, std::string(3'000'001, 'y')));
  SegmentInfo info = ExampleInfo();
  info.rows += 1;
  EXPECT_THAT(writer->Describe(info), StatusIs(StatusCode::kInvalidArgument, "rows=2"));
  info = ExampleInfo();
  info.self_recall = 2;
  EXPECT_THAT(writer->Describe(info), StatusIs(StatusCode::kInvalidArgument, "self_recall"));
  info.self_recall = 0.75;
  info.seed = 43;
  ASSERT_OK(writer->Describe(info));
  ASSERT_OK_AND_ASSIGN(const FileIdentity identity, writer->Finish());
  ASSERT_OK_AND_ASSIGN(const auto file, SegmentFile::Open(fs, dir.file("s"), identity));
  EXPECT_EQ(file->info().self_recall, 0.75);
  EXPECT_EQ(file->info().seed, 43U);
  EXPECT_EQ(file->section(50), std::string(3'000'001, 'y'));
  EXPECT_OK(file->VerifySections({}));
}

TEST(SegmentWriter, RefusesASectionOfTheWrongSize) {
  const TempDir dir;
  FileSystem* fs = FileSystem::Posix();
  ASSERT_OK_AND_ASSIGN(auto writer, SegmentWriter::Create(fs, dir.path(), "s", ExampleInfo()));
  ASSERT_OK(writer->AddSection(kVectors, ExampleVectors().substr(1)));
  EXPECT_THAT(writer->Finish(), StatusIs(StatusCode::kInvalidArgument, "section 4"));
  EXPECT_THAT(writer->Finish(), StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_THAT(fs->FileExists(dir.file("s")), StatusIs(StatusCode::kNotFound));
}

TEST(SegmentWriter, RefusesMoreSectionsThanTheCap) {
  const TempDir dir;
  ASSERT_OK_AND_ASSIGN(auto writer,
                       SegmentWriter::Create(FileSystem::Posix(), dir.path(), "s", ExampleInfo()));
  for (uint32_t i = 0; i < 256; ++i) {
    ASSERT_OK(writer->BeginSection(100 + i));
  }
  EXPECT_THAT(writer->BeginSection(99), StatusIs(StatusCode::kInvalidArgument, "limit=256"));
}

TEST(SegmentWriter, LeavesNothingWhenAbandoned) {
  const TempDir dir;
  FileSystem* fs = FileSystem::Posix();
  {
    ASSERT_OK_AND_ASSIGN(auto writer, SegmentWriter::Create(fs, dir.path(), "s", ExampleInfo()));
    ASSERT_OK(writer->AddSection(50, "x"));
  }
  ASSERT_OK_AND_ASSIGN(const auto names, fs->ListDirectory(dir.path()));
  EXPECT_TRUE(names.empty());
}

TEST(SegmentWriter, OverwritesTheLeftoverOfACrash) {
  const TempDir dir;
  FileSystem* fs = FileSystem::Posix();
  ASSERT_OK(WriteFileAtomically(fs, dir.file("seven.seg.tmp"), std::string(100'000, 'x')));
  EXPECT_THAT(SegmentFile::Open(fs, dir.file("seven.seg.tmp"), std::nullopt),
              StatusIs(StatusCode::kDataLoss));
  ASSERT_OK_AND_ASSIGN(const FileIdentity identity, WriteExample(fs, dir.path()));
  ASSERT_OK_AND_ASSIGN(const auto file, SegmentFile::Open(fs, dir.file("seven.seg"), identity));
  EXPECT_OK(file->VerifySections({}));
}

TEST(SegmentWriter, UnfinishedFileIsNoSegment) {
  const TempDir dir;
  FileSystem* fs = FileSystem::Posix();
  ASSERT_OK_AND_ASSIGN(auto writer, SegmentWriter::Create(fs, dir.path(), "s", ExampleInfo()));
  ASSERT_OK(writer->AddSection(50, std::string(1'000'000, 'y')));
  EXPECT_THAT(SegmentFile::Open(fs, dir.file("s.tmp"), std::nullopt),
              StatusIs(StatusCode::kDataLoss));
}

TEST(SegmentWriter, EveryIoErrorIsReportedAndPublishesNothing) {
  for (const bool sticky : {false, true}) {
    FailingFileSystem fs(FileSystem::Posix());
    int n = 1;
    for (;; ++n) {
      const TempDir dir;
      fs.FailAt(n, sticky);
      const Result<FileIdentity> identity = WriteExample(&fs, dir.path());
      if (!fs.failed()) {
        EXPECT_OK(identity);
        break;
      }
      EXPECT_THAT(identity, StatusIs(StatusCode::kUnavailable)) << "operation " << n;
      fs.FailAt(0, false);
      // A name that appeared although the directory sync failed must hold the whole segment.
      if (fs.FileExists(dir.file("seven.seg")).ok()) {
        ASSERT_OK_AND_ASSIGN(const auto file,
                             SegmentFile::Open(&fs, dir.file("seven.seg"), std::nullopt));
        EXPECT_OK(file->VerifySections({}));
      }
    }
    EXPECT_EQ(n, 9) << "create, append, header, sync, close, rename, open directory, sync, none";
  }
}

}  // namespace
}  // namespace leadline::segment
