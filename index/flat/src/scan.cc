#include <algorithm>
#include <array>
#include <string>

#include "flat_scan.h"
#include "leadline/index/flat.h"

namespace leadline::index {
namespace {

Status CheckQuery(MatrixView vectors, VectorView query) {
  if (query.size() != vectors.dim) {
    return InvalidFieldError("query dimension differs from the rows", "query.dim",
                             std::to_string(query.size()), std::to_string(vectors.dim));
  }
  return {};
}

void OfferAll(const float* distances, const uint32_t* rows, uint32_t first_row_number, size_t count,
              TopK* top) {
  float threshold = top->threshold();
  for (size_t i = 0; i < count; ++i) {
    // Equal distances may still win by row number.
    if (distances[i] <= threshold) {
      top->Offer(distances[i], first_row_number + rows[i]);
      threshold = top->threshold();
    }
  }
}

/// Row numbers of the set bits of `word`, counted from `base`; returns how many.
size_t ListBits(uint64_t word, uint32_t base, uint32_t* rows) {
  size_t count = 0;
  for (; word != 0; word &= word - 1) {
    rows[count++] = base + static_cast<uint32_t>(__builtin_ctzll(word));
  }
  return count;
}

}  // namespace

void ScanTile(const simd::MetricDistance& distance, MatrixView vectors, const float* query,
              const uint64_t* allowed, uint32_t first_row_number, size_t begin, size_t end,
              TopK* top, SearchStats* stats) {
  std::array<uint32_t, kScanBlockRows> rows;    // NOLINT(cppcoreguidelines-pro-type-member-init)
  std::array<float, kScanBlockRows> distances;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  for (size_t block = begin; block < end; block += kScanBlockRows) {
    const size_t in_block = std::min(kScanBlockRows, end - block);
    const uint64_t present =
        in_block == kScanBlockRows ? ~uint64_t{0} : (uint64_t{1} << in_block) - 1;
    const uint64_t wanted =
        allowed == nullptr ? present : allowed[block / kScanBlockRows] & present;
    const size_t count = ListBits(wanted, static_cast<uint32_t>(block), rows.data());
    if (count == in_block) {
      distance.Rows(query, vectors.data + block * vectors.dim, count, distances.data());
    } else {
      distance.Gather(query, vectors.data, rows.data(), count, distances.data());
    }
    OfferAll(distances.data(), rows.data(), first_row_number, count, top);
    stats->distances += count;
  }
}

size_t ScanTileRows(size_t dim) {
  // A tile stays in the second-level cache while all queries of a call pass over it; never more
  // rows than may go by between two looks at the control.
  constexpr size_t kTileFloats = (size_t{256} << 10) / sizeof(float);
  const size_t rows = kTileFloats / dim / kScanBlockRows * kScanBlockRows;
  return std::clamp(rows, kScanBlockRows, CallControl::kCheckInterval);
}

Status ScanRows(MatrixView vectors, VectorView query, Metric metric, const uint64_t* allowed,
                uint32_t first_row_number, const CallControl& control, TopK* top,
                SearchStats* stats) {
  LEADLINE_RETURN_IF_ERROR(CheckQuery(vectors, query));
  const simd::MetricDistance distance(metric, vectors.dim);
  SearchStats ignored;
  SearchStats* counted = stats != nullptr ? stats : &ignored;
  for (size_t begin = 0; begin < vectors.rows; begin += CallControl::kCheckInterval) {
    LEADLINE_RETURN_IF_ERROR(control.Check());
    ScanTile(distance, vectors, query.data(), allowed, first_row_number, begin,
             std::min(vectors.rows, begin + CallControl::kCheckInterval), top, counted);
  }
  return {};
}

Status ScanList(MatrixView vectors, VectorView query, Metric metric, std::span<const uint32_t> rows,
                const CallControl& control, TopK* top, SearchStats* stats) {
  LEADLINE_RETURN_IF_ERROR(CheckQuery(vectors, query));
  for (const uint32_t row : rows) {
    if (row >= vectors.rows) {
      return InvalidFieldError("row beyond the matrix", "rows", std::to_string(row),
                               std::to_string(vectors.rows));
    }
  }
  const simd::MetricDistance distance(metric, vectors.dim);
  std::array<float, kScanBlockRows> distances;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  for (size_t begin = 0; begin < rows.size(); begin += kScanBlockRows) {
    if (begin % CallControl::kCheckInterval == 0) {
      LEADLINE_RETURN_IF_ERROR(control.Check());
    }
    const size_t count = std::min(kScanBlockRows, rows.size() - begin);
    distance.Gather(query.data(), vectors.data, rows.data() + begin, count, distances.data());
    OfferAll(distances.data(), rows.data() + begin, 0, count, top);
  }
  if (stats != nullptr) {
    stats->distances += rows.size();
  }
  return {};
}

}  // namespace leadline::index
