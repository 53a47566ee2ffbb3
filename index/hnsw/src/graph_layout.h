#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "leadline/core/status.h"
#include "leadline/core/types.h"

namespace leadline::index::hnsw {

/// Ends a neighbour list that is not full; never a node.
inline constexpr uint32_t kNoNode = 0xFFFFFFFF;
/// Row numbers leave one bit of a pool key free.
inline constexpr size_t kMaxRows = 0x7FFFFFFF;
/// Layers above layer 0.
inline constexpr uint32_t kMaxUpperLayers = 16;

/// Version of a graph that is searched in full precision, and of one searched on row codes (section
/// 48), which the older version's readers would not find their way on.
inline constexpr uint32_t kFullVersion = 1;
inline constexpr uint32_t kCodesVersion = 2;

/// Section 32, byte for byte (little-endian):
///
///   0    header, 128 bytes
///   128  layer 0: rows x 2m u32, neighbours as row numbers, list ends at kNoNode or when full
///   ...  upper_rows: layer_counts[0] u32, row of each upper node
///   ...  layer 1: layer_counts[0] x m u32; layer 2: layer_counts[1] x m u32; and so on. Neighbours
///        are upper node numbers. Upper nodes are numbered by falling layer, so layer l holds
///        exactly the nodes below layer_counts[l - 1].
///   ...  duplicate_rows: duplicate_count u32, every row whose vector equals that of an earlier
///        row, ordered by node, then by row
///   ...  duplicate_nodes: duplicate_count u32, ascending: the row that stands for each in layer 0
///
/// The entry point is upper node 0, or `entry_row` where there are no upper layers. Rows in
/// duplicate_rows have empty lists.
struct GraphHeader {
  uint32_t version = kFullVersion;
  uint32_t m = 0;
  uint64_t rows = 0;
  uint32_t entry_row = kNoNode;  ///< kNoNode when there are no rows
  uint32_t upper_layers = 0;
  uint32_t ef_construction = 0;  ///< informational
  uint32_t duplicate_count = 0;
  std::array<uint32_t, kMaxUpperLayers> layer_counts{};  ///< falling; 0 from upper_layers on
  uint32_t codes = 0;                  ///< version 2: CodeType of the row codes to search on
  std::array<uint32_t, 7> reserved{};  ///< 0
};

static_assert(sizeof(GraphHeader) == 128);

/// Offsets of the parts of a section, in bytes, and its whole size. All of them follow from the
/// header.
struct GraphOffsets {
  size_t layer0 = 0;
  size_t upper_rows = 0;
  std::array<size_t, kMaxUpperLayers> layers{};
  size_t duplicate_rows = 0;
  size_t duplicate_nodes = 0;
  size_t end = 0;
};

/// REQUIRES: m and the counts of `header` inside their caps (no overflow is possible then).
GraphOffsets OffsetsOf(const GraphHeader& header);

/// A graph as the search reads it. Borrows the section; trivially copyable.
struct GraphView {
  uint32_t m = 0;
  size_t rows = 0;
  uint32_t entry_row = kNoNode;
  uint32_t entry_node = 0;  ///< upper node of entry_row; 0 but while a graph grows
  uint32_t upper_layers = 0;
  uint32_t duplicate_count = 0;
  CodeType codes = CodeType::kF32;  ///< of the rows; kF32: there are none
  const uint32_t* layer0 = nullptr;
  const uint32_t* upper_rows = nullptr;
  std::array<const uint32_t*, kMaxUpperLayers> layers{};  ///< [l - 1] is layer l
  const uint32_t* duplicate_rows = nullptr;
  const uint32_t* duplicate_nodes = nullptr;

  /// 2m entries.
  [[nodiscard]] const uint32_t* BaseLinks(uint32_t row) const {
    return layer0 + size_t{row} * 2 * m;
  }

  /// m entries; `layer` >= 1.
  [[nodiscard]] const uint32_t* UpperLinks(uint32_t layer, uint32_t node) const {
    return layers[layer - 1] + size_t{node} * m;
  }
};

/// Points into `bytes` without checking them; for sections made by this program.
GraphView ViewOf(const GraphHeader& header, const char* bytes);

/// Checks every byte of an untrusted section against the rules V4-V6 and V8: header fields inside
/// their caps, size equal to what they imply, every link in range and present on its layer, entry
/// point on the top layer, upper rows distinct; duplicates ordered, distinct, apart from upper
/// nodes, without links from or to them, and equal to the row that stands for them. Errors:
/// kDataLoss, kUnimplemented (newer version). Reads all of it once, and the duplicates' vectors.
Result<GraphView> ParseGraph(std::string_view bytes, MatrixView vectors);

}  // namespace leadline::index::hnsw
