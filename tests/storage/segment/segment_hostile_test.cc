// Damaged and hostile files: truncated, flipped, and with a valid hash but impossible contents.

#include <cstring>
#include <functional>
#include <limits>

#include <gtest/gtest.h>

#include "example_segment.h"
#include "segment_frame.h"
#include "segment_layout.h"
#include "status_matchers.h"
#include "string_file.h"
#include "temp_dir.h"

namespace leadline::segment {
namespace {

using testing::StatusIs;
using testing::StringFile;
using testing::TempDir;

class HostileSegment : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(identity_, WriteExample(FileSystem::Posix(), dir_.path()));
    ASSERT_OK_AND_ASSIGN(example_,
                         ReadFileToString(FileSystem::Posix(), dir_.file("seven.seg"), 1 << 20));
  }

  /// Opens a file with these bytes and verifies every section.
  Status Check(const std::string& bytes) {
    FileSystem* fs = FileSystem::Posix();
    LEADLINE_ASSIGN_OR_RETURN(auto out, fs->NewWritableFile(dir_.file("hostile")));
    LEADLINE_RETURN_IF_ERROR(out->Append(bytes));
    LEADLINE_RETURN_IF_ERROR(out->Close());
    LEADLINE_ASSIGN_OR_RETURN(const auto file,
                              SegmentFile::Open(fs, dir_.file("hostile"), std::nullopt));
    return file->VerifySections({});
  }

  /// The example with header and table changed and hashed again, as an attacker would.
  std::string Forge(const std::function<void(FileHeader&, std::vector<SectionEntry>&)>& change) {
    FileHeader header;
    std::memcpy(&header, example_.data(), sizeof header);
    std::vector<SectionEntry> table(header.section_count);
    const size_t table_offset = header.table_offset;
    std::memcpy(table.data(), example_.data() + table_offset, table.size() * sizeof(SectionEntry));
    change(header, table);
    const std::string tail = Bytes(table);
    header.hash = HashFrame(header, tail);
    std::string bytes = example_.substr(0, table_offset) + tail;
    std::memcpy(bytes.data(), &header, sizeof header);
    return bytes;
  }

  const TempDir dir_;
  FileIdentity identity_;
  std::string example_;
};

TEST_F(HostileSegment, TruncatedAtEachByteIsDataLoss) {
  for (size_t n = 0; n < example_.size(); ++n) {
    EXPECT_THAT(Check(example_.substr(0, n)), StatusIs(StatusCode::kDataLoss)) << n;
  }
  EXPECT_THAT(Check(example_ + '\0'), StatusIs(StatusCode::kDataLoss));
}

TEST_F(HostileSegment, EverySingleBitFlipIsDataLoss) {
  // Flipped in place: rewriting the file for each of thousands of bits would take seconds.
  FileSystem* fs = FileSystem::Posix();
  ASSERT_OK_AND_ASSIGN(const auto file, fs->NewRandomRwFile(dir_.file("seven.seg")));
  for (size_t bit = 0; bit < example_.size() * 8; ++bit) {
    const char good = example_[bit / 8];
    const char bad = static_cast<char>(good ^ (1 << (bit % 8)));
    ASSERT_OK(file->Write(bit / 8, {&bad, 1}));
    const auto opened = SegmentFile::Open(fs, dir_.file("seven.seg"), std::nullopt);
    const Status found = opened.ok() ? (*opened)->VerifySections({}) : opened.status();
    EXPECT_THAT(found, StatusIs(StatusCode::kDataLoss)) << "bit " << bit;
    ASSERT_OK(file->Write(bit / 8, {&good, 1}));
  }
}

TEST_F(HostileSegment, FrameAloneCatchesEveryFlipOfHeaderAndTable) {
  FileHeader header;
  std::memcpy(&header, example_.data(), sizeof header);
  for (size_t i = 0; i < example_.size(); ++i) {
    const bool in_frame = i < sizeof(FileHeader) || i >= header.table_offset;
    for (int bit = 0; bit < 8; ++bit) {
      std::string bytes = example_;
      bytes[i] = static_cast<char>(bytes[i] ^ (1 << bit));
      const auto frame = ReadFrame(StringFile(bytes), bytes.size(), "p", identity_);
      EXPECT_EQ(frame.ok(), !in_frame) << i;
    }
  }
}

TEST_F(HostileSegment, ForgedCopyWithoutChangesIsAccepted) {
  EXPECT_OK(Check(Forge([](FileHeader&, auto&) {})));
}

TEST_F(HostileSegment, NewerFileIsUnimplementedNotDamaged) {
  EXPECT_THAT(Check(Forge([](FileHeader& h, auto&) { h.version = 2; })),
              StatusIs(StatusCode::kUnimplemented, "version=2"));
  EXPECT_THAT(Check(Forge([](FileHeader& h, auto&) { h.required_features = 4; })),
              StatusIs(StatusCode::kUnimplemented, "required_features=4"));
  EXPECT_OK(Check(Forge([](FileHeader& h, auto&) { h.optional_features = ~uint64_t{0}; })));
}

TEST_F(HostileSegment, ImpossibleHeadersAreDataLoss) {
  const auto rejected = [&](const char* text, const std::function<void(FileHeader&)>& change) {
    EXPECT_THAT(Check(Forge([&](FileHeader& h, auto&) { change(h); })),
                StatusIs(StatusCode::kDataLoss, text));
  };
  constexpr uint64_t kHuge = std::numeric_limits<uint64_t>::max();
  rejected("version", [](FileHeader& h) { h.version = 0; });
  rejected("header_bytes", [](FileHeader& h) { h.header_bytes = 255; });
  rejected("file_bytes", [](FileHeader& h) { h.file_bytes = kHuge; });
  rejected("sections", [](FileHeader& h) { h.section_count = 0xFFFFFFFF; });
  rejected("section table", [](FileHeader& h) { h.section_count = 3; });
  rejected("entry_bytes", [](FileHeader& h) { h.entry_bytes = 0; });
  rejected("entry_bytes", [](FileHeader& h) { h.entry_bytes = 0x80000000; });
  rejected("table_offset", [](FileHeader& h) { h.table_offset = kHuge - 63; });
  rejected("table_offset", [](FileHeader& h) { h.table_offset = 0; });
  rejected("table_offset", [](FileHeader& h) { h.table_offset += 1; });
  rejected("metric", [](FileHeader& h) { h.metric = 9; });
  rejected("kind", [](FileHeader& h) { h.kind = 1; });
  rejected("codes", [](FileHeader& h) { h.codes = 0; });
  rejected("dim", [](FileHeader& h) { h.dim = 0xFFFFFFFF; });
  rejected("dim", [](FileHeader& h) { h.dim = 0; });
  rejected("rows", [](FileHeader& h) { h.rows = kHuge; });
  rejected("rows", [](FileHeader& h) { h.rows = uint64_t{1} << 32; });
  rejected("V3", [](FileHeader& h) { h.rows = 3; });
  rejected("V3", [](FileHeader& h) { h.rows = 0; });
  rejected("V3", [](FileHeader& h) { h.dim = 4; });
  rejected("min_sequence", [](FileHeader& h) { h.min_sequence = 10; });
  rejected("m", [](FileHeader& h) { h.m = 0x7FFFFFFF; });
  rejected("ef_construction", [](FileHeader& h) { h.ef_construction = 0x7FFFFFFF; });
  rejected("nlist", [](FileHeader& h) { h.nlist = kMaxNlist + 1; });
  rejected("self_recall", [](FileHeader& h) { h.self_recall = -1; });
}

TEST_F(HostileSegment, ImpossibleTablesAreDataLoss) {
  using Table = std::vector<SectionEntry>;
  const auto rejected = [&](const char* text, const std::function<void(Table&)>& change) {
    EXPECT_THAT(Check(Forge([&](FileHeader&, Table& t) { change(t); })),
                StatusIs(StatusCode::kDataLoss, text));
  };
  constexpr uint64_t kHuge = std::numeric_limits<uint64_t>::max();
  rejected("type=0", [](Table& t) { t[1].type = 0; });
  rejected("flags=1", [](Table& t) { t[1].flags = 1; });
  rejected("twice", [](Table& t) { t[1].type = t[0].type; });
  rejected("out of place", [](Table& t) { t[0].offset = 0; });
  rejected("out of place", [](Table& t) { t[1].offset = t[0].offset; });
  rejected("out of place", [](Table& t) { t[1].offset += 1; });
  rejected("out of place", [](Table& t) { t[3].offset = kHuge - 63; });
  rejected("out of place", [](Table& t) { t[3].size = kHuge; });
  rejected("out of place", [](Table& t) { t[3].size = kHuge - t[3].offset + 1; });
  rejected("out of place", [](Table& t) { std::swap(t[0], t[1]); });
  rejected("between sections", [](Table& t) {
    t[3].type = 200;  // a type of free size
    t[3].size = 0;
  });
  rejected("V3", [](Table& t) { t[0].size = 8; });
  rejected("does not match its hash", [](Table& t) { t[2].hash ^= 1; });
}

}  // namespace
}  // namespace leadline::segment
