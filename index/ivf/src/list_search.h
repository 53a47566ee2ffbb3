#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "ivf_layout.h"
#include "leadline/core/status.h"
#include "leadline/index/candidate_buffer.h"
#include "leadline/index/row_codes.h"
#include "leadline/index/segment_index.h"
#include "leadline/index/top_k.h"
#include "leadline/simd/distance.h"
#include "list_chooser.h"
#include "product_lists.h"

namespace leadline::index {

/// Everything an opened IVF index consists of. Immutable, thread-safe.
struct IvfParts {
  IvfView lists;
  MatrixView vectors;
  Metric metric = Metric::kL2;
  ListChooser chooser;
  std::optional<RowCodes> codes;         ///< rows in the order of the lists
  std::optional<ProductLists> products;  ///< scanned first where there are any; needs codes
};

/// How many rows each stage of a search hands on.
struct StageSizes {
  size_t products = 0;  ///< kept by their product codes
  size_t rescored = 0;  ///< compared in full precision
};

/// The sizes for a call: SearchParams::rescore and candidates, or defaults for the codes there are.
StageSizes SizesFor(const IvfParts& parts, const SearchParams& params);

/// One search of one query through the lists. Thread-compatible; made for a single query.
class ListSearch {
 public:
  /// Working memory of one thread, kept from one query to the next.
  struct Scratch {
    ListChooser::Scratch chooser;
    CandidateBuffer found;
    CandidateBuffer narrowed;
    RowQuery query;
    PqTable table;
    std::vector<int32_t> sums;
    std::vector<float> distances;
    std::vector<uint32_t> positions;
    std::vector<uint32_t> rows;
    std::vector<uint64_t> mask;
    std::vector<uint32_t> lists;
    std::vector<Neighbor> nearest;

    static Scratch& OfThread();
  };

  ListSearch(const IvfParts& parts, const SearchParams& params, const float* query,
             Scratch* scratch);

  /// Fills `out` with the nearest allowed rows of the `nprobe` nearest lists.
  /// Errors: kCancelled, kDeadlineExceeded; those of SearchParams::row_check.
  Status Run(size_t nprobe, SearchOutcome* out);

  /// Allowed rows in the lists visited, and all rows in them.
  [[nodiscard]] uint64_t met() const { return met_; }

  [[nodiscard]] uint64_t visited() const { return visited_; }

 private:
  Status OrderLists();
  Status VisitList(const Neighbor& list);
  void ScanRows(size_t begin, size_t count, const uint64_t* mask);
  void ScanCodes(size_t begin, size_t count, const uint64_t* mask);
  void ScanProducts(uint32_t list, size_t begin, size_t count, const uint64_t* mask);
  const uint64_t* MaskOf(size_t begin, size_t count, size_t* allowed);
  void Narrow();
  Status Rescore();

  const IvfParts& parts_;
  const SearchParams& params_;
  const float* const query_;
  Scratch& scratch_;
  const simd::MetricDistance distance_;
  const simd::CodeKernels& kernels_;
  const StageSizes sizes_;
  TopK top_;
  SearchStats stats_;
  float list_base_ = 0;  ///< of the list being scanned by products
  uint64_t met_ = 0;
  uint64_t visited_ = 0;
};

}  // namespace leadline::index
