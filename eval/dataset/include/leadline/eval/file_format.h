#pragma once

/// File formats the evaluator and the importer read, and how they are told apart.

#include <cstdint>
#include <string>
#include <string_view>

#include "leadline/core/file_system.h"
#include "leadline/core/status.h"

namespace leadline::eval {

enum class FileFormat : uint8_t {
  kAuto,   ///< by name and first bytes
  kJsonl,  ///< one JSON object a line
  kCsv,    ///< RFC 4180 with a header row
  kBeir,   ///< folder with corpus.jsonl, queries.jsonl, qrels/*.tsv; or one of its .jsonl files
  kFvecs,  ///< per row: i32 dim, dim x f32
  kIvecs,  ///< per row: i32 dim, dim x i32
  kBvecs,  ///< per row: i32 dim, dim x u8
  kFbin,   ///< u32 rows, u32 dim, then rows x dim f32 (big-ann-benchmarks)
  kIbin,   ///< the same with i32
  kU8bin,  ///< the same with u8
  kI8bin,  ///< the same with i8
  kNpy,    ///< NumPy 1.0-3.0, two dimensions, C order, little-endian
  kHdf5,   ///< ann-benchmarks: datasets train, test, neighbors, distances
};

/// Hard caps of every reader. Input beyond them is refused with kInvalidArgument.
inline constexpr size_t kMaxLineBytes = size_t{16} << 20;
inline constexpr size_t kMaxJsonDepth = 64;
inline constexpr size_t kMaxNpyHeaderBytes = size_t{64} << 10;
/// Entries of a record's `vectors`.
inline constexpr size_t kMaxNamedVectors = 16;

/// What the readers that keep a whole file in memory (queries, judgments, runs, exact neighbours)
/// take at most; more is refused with kInvalidArgument. A small compressed file can hold far more
/// than its size says.
struct ReadLimits {
  uint64_t rows = 50'000'000;  ///< queries, judged or returned documents, rows of neighbours
  uint64_t bytes = uint64_t{4} << 30;  ///< of memory for what is kept
};

/// "jsonl", "fvecs", ...
std::string_view FileFormatName(FileFormat format);
/// kInvalidArgument names the accepted words.
Result<FileFormat> ParseFileFormat(std::string_view name);
/// Tells the format of `path`: a folder is BEIR; the magic of npy and HDF5 comes before the name's
/// ending; a file that starts with '{' is JSONL. Never returns kAuto.
/// Errors: kInvalidArgument (unknown, or a pipe or device), kNotFound.
Result<FileFormat> DetectFileFormat(FileSystem* fs, const std::string& path);

}  // namespace leadline::eval
