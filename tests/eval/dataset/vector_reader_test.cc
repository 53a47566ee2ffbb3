#include <cmath>
#include <filesystem>
#include <limits>
#include <sys/stat.h>

#include "dataset_files.h"
#include "leadline/core/types.h"

namespace leadline::eval {
namespace {

using ::testing::HasSubstr;
using testing::StatusIs;

class VectorReader : public ::testing::Test {
 protected:
  ReadOutcome Read(const std::string& name, const std::string& contents) {
    return ReadAll(files_.Write(name, contents));
  }

  DatasetFiles files_;
};

std::string MakeBin(uint32_t rows, uint32_t dim, const std::string& data) {
  std::string bytes;
  AppendBytes(rows, &bytes);
  AppendBytes(dim, &bytes);
  return bytes + data;
}

template <typename T>
std::string Data(const std::vector<T>& values) {
  std::string bytes;
  for (const T value : values) {
    AppendBytes(value, &bytes);
  }
  return bytes;
}

std::string NpyDict(const std::string& descr, const std::string& shape) {
  return "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }";
}

TEST_F(VectorReader, FvecsRowsAreNumberedFromTheOffset) {
  RecordReaderOptions options;
  options.id_offset = 100;
  const std::string path = files_.Write("v.fvecs", MakeVecs<float>({{1, 2}, {3, 4}, {5, -6.5F}}));
  const ReadOutcome outcome = ReadAll(path, FileFormat::kAuto, options);
  ASSERT_OK(outcome.fatal);
  ASSERT_EQ(outcome.records.size(), 3U);
  EXPECT_EQ(outcome.records[0].id, "100");
  EXPECT_EQ(outcome.records[2].id, "102");
  EXPECT_EQ(outcome.records[2].vector, (std::vector<float>{5, -6.5F}));
  EXPECT_EQ(outcome.records[2].row, 3U);
  EXPECT_EQ(outcome.records[2].payload_json, "{}");

  ASSERT_OK_AND_ASSIGN(auto reader, OpenRecords(FileSystem::Posix(), path, FileFormat::kFvecs, {}));
  EXPECT_EQ(reader->bytes_total(), 36U);
}

TEST_F(VectorReader, IntegerFormatsBecomeFloats) {
  EXPECT_EQ(Read("v.bvecs", MakeVecs<uint8_t>({{0, 255}})).records.at(0).vector,
            (std::vector<float>{0, 255}));
  EXPECT_EQ(Read("v.ivecs", MakeVecs<int32_t>({{-1, 70000}})).records.at(0).vector,
            (std::vector<float>{-1, 70000}));
  EXPECT_EQ(Read("v.ibin", MakeBin(1, 2, Data<int32_t>({7, -8}))).records.at(0).vector,
            (std::vector<float>{7, -8}));
  EXPECT_EQ(Read("v.u8bin", MakeBin(1, 2, Data<uint8_t>({7, 200}))).records.at(0).vector,
            (std::vector<float>{7, 200}));
  EXPECT_EQ(Read("v.i8bin", MakeBin(1, 2, Data<int8_t>({7, -8}))).records.at(0).vector,
            (std::vector<float>{7, -8}));
}

TEST_F(VectorReader, FbinReadsRowsAndRefusesWrongCounts) {
  const std::string data = Data<float>({1, 2, 3, 4, 5, 6});
  const ReadOutcome outcome = Read("v.fbin", MakeBin(2, 3, data));
  ASSERT_EQ(outcome.records.size(), 2U);
  EXPECT_EQ(outcome.records[1].vector, (std::vector<float>{4, 5, 6}));
  for (const auto& [rows, dim] : {std::pair<uint32_t, uint32_t>{3, 3},
                                  {1, 3},
                                  {2, 4},
                                  {2, 0},
                                  {0, 3},
                                  {UINT32_MAX, 3},
                                  {2, UINT32_MAX},
                                  {UINT32_MAX, UINT32_MAX},
                                  {0, 65537}}) {
    EXPECT_THAT(Read("v.fbin", MakeBin(rows, dim, data)).fatal,
                StatusIs(StatusCode::kInvalidArgument))
        << rows << " x " << dim;
  }
}

TEST_F(VectorReader, NpyReadsEveryElementType) {
  const std::vector<float> expected = {1, 2, 3, 4};
  const std::pair<const char*, std::string> cases[] = {
      {"<f4", Data<float>({1, 2, 3, 4})},
      {"<f8", Data<double>({1, 2, 3, 4})},
      {"<f2", Data<uint16_t>({0x3c00, 0x4000, 0x4200, 0x4400})},
      {"|i1", Data<int8_t>({1, 2, 3, 4})},
      {"|u1", Data<uint8_t>({1, 2, 3, 4})},
      {"<i4", Data<int32_t>({1, 2, 3, 4})},
      {"<i8", Data<int64_t>({1, 2, 3, 4})},
  };
  for (const auto& [descr, data] : cases) {
    const ReadOutcome outcome = Read("v.npy", MakeNpy(NpyDict(descr, "(2, 2)"), data));
    ASSERT_OK(outcome.fatal) << descr;
    ASSERT_EQ(outcome.records.size(), 2U) << descr;
    EXPECT_EQ(outcome.records[0].vector, (std::vector<float>{1, 2})) << descr;
    EXPECT_EQ(outcome.records[1].vector, (std::vector<float>{3, 4})) << descr;
  }
}

TEST_F(VectorReader, NpyHalfPrecisionIsExact) {
  // Largest, smallest subnormal, smallest normal, minus zero.
  const ReadOutcome outcome = Read(
      "v.npy", MakeNpy(NpyDict("<f2", "(1, 4)"), Data<uint16_t>({0x7bff, 0x0001, 0x0400, 0x8000})));
  ASSERT_EQ(outcome.records.size(), 1U);
  EXPECT_EQ(outcome.records[0].vector, (std::vector<float>{65504.0F, 0x1p-24F, 0x1p-14F, -0.0F}));
  EXPECT_TRUE(std::signbit(outcome.records[0].vector[3]));
}

TEST_F(VectorReader, NpyVersionsTwoAndThreeAreRead) {
  for (const char version : {'\x02', '\x03'}) {
    const std::string dict = NpyDict("<f4", "(1, 1)") + "\n";
    std::string bytes = std::string("\x93NUMPY") + version + '\0';
    AppendBytes(static_cast<uint32_t>(dict.size()), &bytes);
    const ReadOutcome outcome = Read("v.npy", bytes + dict + Data<float>({5}));
    ASSERT_OK(outcome.fatal);
    EXPECT_EQ(outcome.records.at(0).vector, (std::vector<float>{5}));
  }
}

TEST_F(VectorReader, NpyHeadersOutsideTheSubsetAreRefused) {
  const std::string data = Data<float>({1, 2, 3, 4});
  for (const std::string& dict : {
           NpyDict(">f4", "(2, 2)"),
           NpyDict("<c8", "(2, 1)"),
           NpyDict("|O", "(2, 2)"),
           NpyDict("<f4", "(4,)"),
           NpyDict("<f4", "()"),
           NpyDict("<f4", "(2, 2, 1)"),
           NpyDict("<f4", "(3, 2)"),
           NpyDict("<f4", "(1, 2)"),
           NpyDict("<f4", "(2, 0)"),
           NpyDict("<f4", "(18446744073709551615, 2)"),
           NpyDict("<f4", "(2, 18446744073709551615)"),
           NpyDict("<f4", "(99999999999999999999, 2)"),
           NpyDict("<f4", "(-2, 2)"),
           NpyDict("<f4", "(4611686018427387905, 4)"),
           NpyDict("<f4", "(2 2)"),
           std::string("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }"),
           std::string("{'descr': '<f4', 'shape': (2, 2), }"),
           std::string("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)}"),
           std::string("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2, 2)}"),
           std::string("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), 'x': 1}"),
           std::string("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)} + 1"),
           std::string("__import__('os').system('true')"),
           std::string(),
       }) {
    EXPECT_THAT(Read("v.npy", MakeNpy(dict, data)).fatal, StatusIs(StatusCode::kInvalidArgument))
        << dict;
  }
  std::string huge("\x93NUMPY\x02\x00", 8);
  AppendBytes(UINT32_MAX, &huge);
  EXPECT_THAT(Read("v.npy", huge).fatal, StatusIs(StatusCode::kInvalidArgument, "65536"));
  EXPECT_THAT(Read("v.npy", std::string("\x93NUMPY\x04\x00\x00\x00\x00\x00", 12)).fatal,
              StatusIs(StatusCode::kInvalidArgument, "version"));
}

TEST_F(VectorReader, NonFiniteRowsAreSkippedAlone) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  const ReadOutcome outcome =
      Read("v.fvecs", MakeVecs<float>({{1, 2}, {nan, 0}, {3, 4}, {0, inf}, {0, -inf}, {5, 6}}));
  ASSERT_OK(outcome.fatal);
  ASSERT_EQ(outcome.records.size(), 3U);
  EXPECT_EQ(outcome.records[2].id, "5");
  ASSERT_EQ(outcome.bad_rows.size(), 3U);
  EXPECT_THAT(outcome.bad_rows[1].message(), HasSubstr("row=4 field=vector[1] value=inf"));

  const ReadOutcome wide =
      Read("v.npy", MakeNpy(NpyDict("<f8", "(2, 1)"), Data<double>({1e39, 1})));
  EXPECT_EQ(wide.records.size(), 1U);
  EXPECT_EQ(wide.bad_rows.size(), 1U);
}

TEST_F(VectorReader, BrokenRowBoundsEndTheFile) {
  std::string two_dims = MakeVecs<float>({{1, 2}});
  two_dims += MakeVecs<float>({{1, 2, 3}});
  const ReadOutcome outcome = Read("v.fvecs", two_dims);
  EXPECT_EQ(outcome.records.size(), 1U);
  EXPECT_TRUE(outcome.bad_rows.empty());
  EXPECT_THAT(outcome.fatal, StatusIs(StatusCode::kInvalidArgument, "row=2 field=dim value=3"));

  // A shorter row is told as such, though the file ends before the bytes of the first row's width.
  const std::string shorter = MakeVecs<float>({{1, 2}, {1}});
  EXPECT_THAT(Read("v.fvecs", shorter).fatal,
              StatusIs(StatusCode::kInvalidArgument, "row=2 field=dim value=1 limit=2"));

  const std::string whole = MakeVecs<float>({{1, 2}, {3, 4}});
  const ReadOutcome cut = Read("v.fvecs", whole.substr(0, whole.size() - 1));
  EXPECT_EQ(cut.records.size(), 1U);
  EXPECT_THAT(cut.fatal, StatusIs(StatusCode::kInvalidArgument, "file ends inside a row"));
}

TEST_F(VectorReader, DimensionsBeyondTheCapAreRefused) {
  for (const int32_t dim : {0, -1, INT32_MIN, INT32_MAX, static_cast<int32_t>(kMaxDim) + 1}) {
    std::string bytes;
    AppendBytes(dim, &bytes);
    bytes += std::string(1000, '\0');
    for (const char* name : {"v.fvecs", "v.bvecs", "v.ivecs"}) {
      EXPECT_THAT(Read(name, bytes).fatal, StatusIs(StatusCode::kInvalidArgument, "field=dim"));
    }
  }
}

TEST_F(VectorReader, EmptyFilesHaveNoRowsWhereTheFormatHasNoHeader) {
  EXPECT_OK(Read("v.fvecs", "").fatal);
  EXPECT_TRUE(Read("v.fvecs", "").records.empty());
  EXPECT_THAT(Read("v.fbin", "").fatal, StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(ReadAll(files_.Write("v", ""), FileFormat::kNpy).fatal,
              StatusIs(StatusCode::kInvalidArgument));
}

TEST_F(VectorReader, FormatIsFoundByMagicBeforeName) {
  const std::string npy = MakeNpy(NpyDict("<f4", "(1, 1)"), Data<float>({5}));
  const std::string path = files_.Write("misnamed.fvecs", npy);
  ASSERT_OK_AND_ASSIGN(const FileFormat format, DetectFileFormat(FileSystem::Posix(), path));
  EXPECT_EQ(format, FileFormat::kNpy);
  ASSERT_OK_AND_ASSIGN(const FileFormat jsonl,
                       DetectFileFormat(FileSystem::Posix(), files_.Write("x", "  {}")));
  EXPECT_EQ(jsonl, FileFormat::kJsonl);
  EXPECT_THAT(DetectFileFormat(FileSystem::Posix(), files_.Write("x", "abc")),
              StatusIs(StatusCode::kInvalidArgument));
  ASSERT_OK_AND_ASSIGN(const FileFormat folder,
                       DetectFileFormat(FileSystem::Posix(), files_.folder()));
  EXPECT_EQ(folder, FileFormat::kBeir);
}

TEST_F(VectorReader, PipesDevicesFoldersAndMissingFilesAreRefused) {
  const std::string pipe = files_.path("pipe.fvecs");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  std::filesystem::create_directory(files_.path("folder.fvecs"));
  for (const FileFormat format : {FileFormat::kAuto, FileFormat::kFvecs, FileFormat::kJsonl,
                                  FileFormat::kCsv, FileFormat::kHdf5}) {
    EXPECT_THAT(ReadAll(pipe, format).fatal, StatusIs(StatusCode::kInvalidArgument, "regular"));
    EXPECT_THAT(ReadAll("/dev/zero", format).fatal,
                StatusIs(StatusCode::kInvalidArgument, "regular"));
    EXPECT_THAT(ReadAll(files_.path("absent"), format).fatal, StatusIs(StatusCode::kNotFound));
  }
  EXPECT_THAT(ReadAll(files_.path("folder.fvecs"), FileFormat::kFvecs).fatal,
              StatusIs(StatusCode::kInvalidArgument, "regular"));
}

void ExpectCleanOutcome(const ReadOutcome& outcome) {
  if (!outcome.fatal.ok()) {
    EXPECT_THAT(outcome.fatal, StatusIs(StatusCode::kInvalidArgument));
  }
  for (const InputRecord& record : outcome.records) {
    for (const float v : record.vector) {
      EXPECT_TRUE(std::isfinite(v));
    }
  }
}

TEST_F(VectorReader, SurvivesEveryTruncationAndFlippedBit) {
  const std::pair<const char*, std::string> cases[] = {
      {"v.fvecs", MakeVecs<float>({{1, 2}, {3, 4}})},
      {"v.ivecs", MakeVecs<int32_t>({{1, 2}, {3, 4}})},
      {"v.bvecs", MakeVecs<uint8_t>({{1, 2}, {3, 4}})},
      {"v.ibin", MakeBin(2, 2, Data<int32_t>({1, 2, 3, 4}))},
      {"v.u8bin", MakeBin(2, 2, Data<uint8_t>({1, 2, 3, 4}))},
      {"v.i8bin", MakeBin(2, 2, Data<int8_t>({1, -2, 3, 4}))},
      {"v.fbin", MakeBin(2, 2, Data<float>({1, 2, 3, 4}))},
      {"v.npy", MakeNpy(NpyDict("<f4", "(2, 2)"), Data<float>({1, 2, 3, 4}))},
  };
  for (const auto& [name, contents] : cases) {
    SCOPED_TRACE(name);
    ASSERT_EQ(Read(name, contents).records.size(), 2U);
    ExpectSurvivesDamage(contents, 1, [&, n = name](const std::string& damaged) {
      ExpectCleanOutcome(ReadAll(files_.Write(n, damaged), *ParseFileFormat(n + 2)));
    });
  }
}

TEST_F(VectorReader, ReadsGlove) {
  const std::string path = LEADLINE_SOURCE_DIR "/../shared/data/glove-wink-100k/query.fvecs";
  if (!std::filesystem::exists(path)) {
    GTEST_SKIP() << "data set glove-wink-100k is not present";
  }
  const ReadOutcome outcome = ReadAll(path);
  ASSERT_OK(outcome.fatal);
  ASSERT_EQ(outcome.records.size(), 1000U);
  EXPECT_EQ(outcome.records[999].vector.size(), 100U);
}

}  // namespace
}  // namespace leadline::eval
