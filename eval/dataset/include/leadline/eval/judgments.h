#pragma once

/// Reads judgments, TREC runs and exact neighbours.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "leadline/core/file_system.h"
#include "leadline/core/status.h"
#include "leadline/eval/file_format.h"
#include "leadline/eval/metrics.h"

namespace leadline::eval {

/// Told before each line how much of the file is read.
using ReadProgress = std::function<void(uint64_t bytes_read, uint64_t bytes_total)>;

/// Reads judgments: TREC "qid iter docid rel" (blanks or tabs), BEIR "qid<TAB>docid<TAB>rel" with
/// or without its header, or a BEIR folder (qrels/test.tsv, else the only .tsv in qrels/). Under
/// kTrec10 a line that starts with '#' is a comment. Blank lines are skipped.
/// Errors: kInvalidArgument names file, line, field, value and limit; more than `limits`.
Result<Qrels> ReadQrels(FileSystem* fs, const std::string& path, TrecRules rules,
                        const ReadLimits& limits = {}, const ReadProgress& progress = nullptr);

/// Reads a TREC run, "qid Q0 docid rank score tag"; the rank and anything after the tag are
/// ignored. Comments and errors as above; scores are finite.
Result<RankedRun> ReadRun(FileSystem* fs, const std::string& path, TrecRules rules,
                          const ReadLimits& limits = {}, const ReadProgress& progress = nullptr);

/// Exact neighbours of a query set, row-major [queries x k].
struct NeighborTruth {
  size_t queries = 0;
  size_t k = 0;
  std::vector<int64_t> ids;      ///< row numbers of the base, nearest first; -1: no such neighbour
  std::vector<float> distances;  ///< empty where the file has none

  [[nodiscard]] std::span<const int64_t> row(size_t query) const {
    return {ids.data() + query * k, k};
  }
};

/// Reads ivecs, ibin, npy of integers, or `neighbors` (and `distances`) of ann-benchmarks HDF5.
/// Errors: kInvalidArgument for other formats, rows of different length, ids below -1, more than
///         `limits`.
Result<NeighborTruth> ReadTruth(FileSystem* fs, const std::string& path, FileFormat format,
                                const ReadLimits& limits = {});

}  // namespace leadline::eval
