#include "graph_layout.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

namespace leadline::index::hnsw {
namespace {

Status Bad(const char* rule, uint64_t value) {
  return DataLossError(std::string("hnsw graph breaks a structural rule: ") + rule +
                       " value=" + std::to_string(value));
}

Status CheckHeader(const GraphHeader& header, size_t rows) {
  if (header.version == 0) {
    return Bad("version is at least 1", header.version);
  }
  if (header.version > kCodesVersion) {
    return UnimplementedError(
        "hnsw graph has a newer version: value=" + std::to_string(header.version) +
        " limit=" + std::to_string(kCodesVersion));
  }
  constexpr std::array kCodes = {CodeType::kBf16, CodeType::kSq8, CodeType::kSq4, CodeType::kPca8};
  const bool coded = std::any_of(kCodes.begin(), kCodes.end(), [&](CodeType codes) {
    return header.codes == static_cast<uint32_t>(codes);
  });
  if (header.version == kCodesVersion ? !coded : header.codes != 0) {
    return Bad("version 2 names the codes of rows and version 1 has none", header.codes);
  }
  if (header.m < kMinM || header.m > kMaxM) {
    return Bad("m in [2, 256]", header.m);
  }
  if (header.rows != rows) {
    return Bad("rows equal the segment's rows", header.rows);
  }
  if (header.upper_layers > kMaxUpperLayers) {
    return Bad("at most 16 upper layers", header.upper_layers);
  }
  uint64_t above = rows;
  for (uint32_t i = 0; i < kMaxUpperLayers; ++i) {
    const uint64_t count = header.layer_counts[i];
    if (count > above || (count == 0) != (i >= header.upper_layers)) {
      return Bad("layer counts fall and are set for upper layers only", count);
    }
    above = count;
  }
  if (rows == 0 ? header.entry_row != kNoNode : header.entry_row >= rows) {
    return Bad("entry point in range", header.entry_row);
  }
  if (header.duplicate_count > rows) {
    return Bad("no more duplicates than rows", header.duplicate_count);
  }
  for (const uint32_t word : header.reserved) {
    if (word != 0) {
      return Bad("reserved bytes are 0", word);
    }
  }
  return {};
}

/// Lists of `width` entries: nodes below `limit`, then kNoNode to the end of the list.
bool ListsAreSound(const uint32_t* links, size_t lists, size_t width, uint32_t limit) {
  uint32_t bad = 0;
  for (size_t list = 0; list < lists; ++list, links += width) {
    uint32_t open = links[0] == kNoNode ? 0U : 1U;
    bad |= static_cast<uint32_t>(links[0] >= limit) & open;
    for (size_t j = 1; j < width; ++j) {
      const uint32_t present = links[j] == kNoNode ? 0U : 1U;
      bad |= present & (static_cast<uint32_t>(links[j] >= limit) | (open ^ 1U));
      open = present;
    }
  }
  return bad == 0;
}

/// Rows of upper nodes: in range and distinct, the entry point first. Marks them in `upper`.
Status CheckUpperRows(const GraphView& view, uint32_t count, std::vector<bool>* upper) {
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t row = view.upper_rows[i];
    if (row >= view.rows || (*upper)[row]) {
      return Bad("upper rows in range and distinct", row);
    }
    (*upper)[row] = true;
  }
  if (count != 0 && view.upper_rows[0] != view.entry_row) {
    return Bad("entry point on the top layer", view.entry_row);
  }
  return {};
}

/// Duplicates: in range, distinct, in order, no upper nodes, each behind the node that stands for
/// it. Marks them in `duplicate`.
Status CheckDuplicateRows(const GraphView& view, const std::vector<bool>& upper,
                          std::vector<bool>* duplicate) {
  for (uint32_t i = 0; i < view.duplicate_count; ++i) {
    const uint32_t row = view.duplicate_rows[i];
    const uint32_t node = view.duplicate_nodes[i];
    if (row >= view.rows || upper[row] || (*duplicate)[row]) {
      return Bad("duplicate rows in range and distinct", row);
    }
    (*duplicate)[row] = true;
    if (node >= row) {
      return Bad("duplicates follow their node", node);
    }
    const bool same_node = i > 0 && node == view.duplicate_nodes[i - 1];
    if (i > 0 &&
        (node < view.duplicate_nodes[i - 1] || (same_node && row <= view.duplicate_rows[i - 1]))) {
      return Bad("duplicates ordered by node, then by row", node);
    }
  }
  return {};
}

/// A duplicate is reached through its node only, or a search would find it twice.
Status CheckDuplicateLinks(const GraphView& view, const std::vector<bool>& duplicate) {
  for (uint32_t i = 0; i < view.duplicate_count; ++i) {
    if (duplicate[view.duplicate_nodes[i]]) {
      return Bad("duplicates stand behind nodes", view.duplicate_nodes[i]);
    }
    if (view.BaseLinks(view.duplicate_rows[i])[0] != kNoNode) {
      return Bad("duplicates have no links", view.duplicate_rows[i]);
    }
  }
  if (view.duplicate_count == 0) {
    return {};
  }
  if (duplicate[view.entry_row]) {
    return Bad("the entry point is no duplicate", view.entry_row);
  }
  for (uint32_t row = 0; row < view.rows; ++row) {
    const uint32_t* links = view.BaseLinks(row);
    for (uint32_t j = 0; j < 2 * view.m && links[j] != kNoNode; ++j) {
      if (duplicate[links[j]]) {
        return Bad("no links to duplicates", links[j]);
      }
    }
  }
  return {};
}

/// A duplicate is answered with the distance of its node.
Status CheckDuplicateVectors(const GraphView& view, MatrixView vectors) {
  for (uint32_t i = 0; i < view.duplicate_count; ++i) {
    const VectorView row = vectors.row(view.duplicate_rows[i]);
    const VectorView node = vectors.row(view.duplicate_nodes[i]);
    if (std::memcmp(row.data(), node.data(), row.size_bytes()) != 0) {
      return Bad("duplicates equal their node", view.duplicate_rows[i]);
    }
  }
  return {};
}

}  // namespace

GraphOffsets OffsetsOf(const GraphHeader& header) {
  constexpr size_t kWord = sizeof(uint32_t);
  GraphOffsets offsets;
  offsets.layer0 = sizeof(GraphHeader);
  offsets.upper_rows = offsets.layer0 + header.rows * 2 * header.m * kWord;
  size_t end = offsets.upper_rows + header.layer_counts[0] * kWord;
  for (uint32_t i = 0; i < header.upper_layers; ++i) {
    offsets.layers[i] = end;
    end += size_t{header.layer_counts[i]} * header.m * kWord;
  }
  offsets.duplicate_rows = end;
  offsets.duplicate_nodes = end + header.duplicate_count * kWord;
  offsets.end = offsets.duplicate_nodes + header.duplicate_count * kWord;
  return offsets;
}

GraphView ViewOf(const GraphHeader& header, const char* bytes) {
  const GraphOffsets offsets = OffsetsOf(header);
  // Every part is a multiple of four bytes and sections start on 64-byte boundaries.
  const auto words = [bytes](size_t offset) {
    return reinterpret_cast<const uint32_t*>(bytes + offset);
  };
  GraphView view;
  view.m = header.m;
  view.rows = header.rows;
  view.entry_row = header.entry_row;
  view.upper_layers = header.upper_layers;
  view.duplicate_count = header.duplicate_count;
  view.codes =
      header.version == kCodesVersion ? static_cast<CodeType>(header.codes) : CodeType::kF32;
  view.layer0 = words(offsets.layer0);
  view.upper_rows = words(offsets.upper_rows);
  for (uint32_t i = 0; i < header.upper_layers; ++i) {
    view.layers[i] = words(offsets.layers[i]);
  }
  view.duplicate_rows = words(offsets.duplicate_rows);
  view.duplicate_nodes = words(offsets.duplicate_nodes);
  return view;
}

Result<GraphView> ParseGraph(std::string_view bytes, MatrixView vectors) {
  const size_t rows = vectors.rows;
  if (rows > kMaxRows) {
    return Bad("at most 2^31 - 1 rows", rows);
  }
  if (reinterpret_cast<uintptr_t>(bytes.data()) % alignof(uint32_t) != 0) {
    return InvalidArgumentError("hnsw section is not aligned to 4 bytes");
  }
  GraphHeader header;
  if (bytes.size() < sizeof header) {
    return Bad("header is complete", bytes.size());
  }
  std::memcpy(&header, bytes.data(), sizeof header);
  LEADLINE_RETURN_IF_ERROR(CheckHeader(header, rows));
  if (OffsetsOf(header).end != bytes.size()) {
    return Bad("section size follows from the header", bytes.size());
  }
  const GraphView view = ViewOf(header, bytes.data());
  if (!ListsAreSound(view.layer0, rows, size_t{2} * view.m, static_cast<uint32_t>(rows))) {
    return Bad("layer 0 links in range", rows);
  }
  for (uint32_t i = 0; i < header.upper_layers; ++i) {
    if (!ListsAreSound(view.layers[i], header.layer_counts[i], view.m, header.layer_counts[i])) {
      return Bad("upper links in range and on their layer", i + 1);
    }
  }
  std::vector<bool> upper(rows);
  std::vector<bool> duplicate(rows);
  LEADLINE_RETURN_IF_ERROR(CheckUpperRows(view, header.layer_counts[0], &upper));
  LEADLINE_RETURN_IF_ERROR(CheckDuplicateRows(view, upper, &duplicate));
  LEADLINE_RETURN_IF_ERROR(CheckDuplicateLinks(view, duplicate));
  LEADLINE_RETURN_IF_ERROR(CheckDuplicateVectors(view, vectors));
  return view;
}

}  // namespace leadline::index::hnsw
