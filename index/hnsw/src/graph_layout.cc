#include "graph_layout.h"

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
  if (header.version != 1) {
    return UnimplementedError(
        "hnsw graph has a newer version: value=" + std::to_string(header.version) + " limit=1");
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

/// Rows of upper nodes and of duplicates: in range, none twice, none in both.
Status CheckRowLists(const GraphView& view, uint32_t upper_count) {
  std::vector<bool> seen(view.rows);
  const auto claim = [&](uint32_t row) {
    if (row >= view.rows || seen[row]) {
      return false;
    }
    seen[row] = true;
    return true;
  };
  for (uint32_t i = 0; i < upper_count; ++i) {
    if (!claim(view.upper_rows[i])) {
      return Bad("upper rows in range and distinct", view.upper_rows[i]);
    }
  }
  if (upper_count != 0 && view.upper_rows[0] != view.entry_row) {
    return Bad("entry point on the top layer", view.entry_row);
  }
  for (uint32_t i = 0; i < view.duplicate_count; ++i) {
    if (!claim(view.duplicate_rows[i])) {
      return Bad("duplicate rows in range and distinct", view.duplicate_rows[i]);
    }
    const bool same_node = i > 0 && view.duplicate_nodes[i] == view.duplicate_nodes[i - 1];
    if (i > 0 && (view.duplicate_nodes[i] < view.duplicate_nodes[i - 1] ||
                  (same_node && view.duplicate_rows[i] <= view.duplicate_rows[i - 1]))) {
      return Bad("duplicates ordered by node, then by row", view.duplicate_nodes[i]);
    }
  }
  for (uint32_t i = 0; i < view.duplicate_count; ++i) {
    if (view.duplicate_nodes[i] >= view.rows) {
      return Bad("duplicate nodes in range", view.duplicate_nodes[i]);
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
  view.layer0 = words(offsets.layer0);
  view.upper_rows = words(offsets.upper_rows);
  for (uint32_t i = 0; i < header.upper_layers; ++i) {
    view.layers[i] = words(offsets.layers[i]);
  }
  view.duplicate_rows = words(offsets.duplicate_rows);
  view.duplicate_nodes = words(offsets.duplicate_nodes);
  return view;
}

Result<GraphView> ParseGraph(std::string_view bytes, size_t rows) {
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
  LEADLINE_RETURN_IF_ERROR(CheckRowLists(view, header.layer_counts[0]));
  return view;
}

}  // namespace leadline::index::hnsw
