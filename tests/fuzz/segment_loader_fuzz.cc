// Whole segment files through the engine's loader: edits to a sound file, resealed in three of four
// inputs so that they come past the checksums. Whatever is accepted must be safe to read and
// search.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "byte_edits.h"
#include "leadline/core/filter.h"
#include "leadline/core/hash.h"
#include "leadline/core/rng.h"
#include "leadline/leadline.h"
#include "power_cut_file_system.h"
#include "sealed_segment.h"
#include "segment_frame.h"
#include "segment_layout.h"
#include "string_file.h"

namespace leadline::engine {
namespace {

using segment::FileHeader;
using segment::SectionEntry;
using testing::PowerCutFileSystem;

constexpr uint32_t kDim = 4;

/// The segment of a small collection, as a database writes it.
std::string MakeSegment(IndexKind kind) {
  PowerCutFileSystem disk;
  DatabaseOptions options;
  options.create_if_missing = true;
  options.background_maintenance = false;
  options.file_system = &disk;
  const auto database = Database::Open("/db", options).value();
  CollectionOptions collection_options;
  VectorField field;
  field.dim = kDim;
  field.metric = Metric::kL2;
  field.index = kind;
  field.m = 3;
  field.nlist = 3;
  collection_options.vectors.push_back(field);
  const auto collection = database->CreateCollection("c", collection_options).value();
  Rng rng(1);
  std::vector<Record> records(40);
  for (size_t i = 0; i < records.size(); ++i) {
    records[i].id = "id" + std::to_string(i);
    for (uint32_t d = 0; d < kDim; ++d) {
      records[i].vector.push_back(static_cast<float>(rng.Gaussian()));
    }
    records[i].payload = "{\"n\":" + std::to_string(i % 7) + ",\"s\":\"x\"}";
    records[i].expires_at_ms =
        i % 5 == 0 ? std::optional<int64_t>(4'000'000'000'000) : std::nullopt;
  }
  collection->Upsert(std::move(records)).status().IgnoreError();
  collection->Optimize().IgnoreError();
  const auto names = disk.ListDirectory("/db/segments").value();
  return ReadFileToString(&disk, "/db/segments/" + names.at(0), 1 << 20).value();
}

const std::string& SoundSegment(uint8_t which) {
  static const std::string kSegments[] = {
      MakeSegment(IndexKind::kFlat), MakeSegment(IndexKind::kHnsw), MakeSegment(IndexKind::kIvf)};
  return kSegments[which % 3];
}

/// Makes every checksum fit, as far as the table can be followed.
void Reseal(std::string* file) {
  FileHeader header;
  if (file->size() < sizeof header) {
    return;
  }
  file->copy(reinterpret_cast<char*>(&header), sizeof header);
  if (header.table_offset > file->size() ||
      header.section_count > (file->size() - header.table_offset) / sizeof(SectionEntry)) {
    return;
  }
  const size_t table_bytes = header.section_count * sizeof(SectionEntry);
  for (size_t i = 0; i < header.section_count; ++i) {
    SectionEntry entry;
    char* const at = file->data() + header.table_offset + i * sizeof entry;
    std::memcpy(&entry, at, sizeof entry);
    if (entry.offset <= file->size() && entry.size <= file->size() - entry.offset) {
      entry.hash = Hash64(file->data() + entry.offset, entry.size);
      std::memcpy(at, &entry, sizeof entry);
    }
  }
  header.hash =
      segment::HashFrame(header, std::string_view(*file).substr(header.table_offset, table_bytes));
  std::memcpy(file->data(), &header, sizeof header);
}

void Use(const SealedSegment& segment, const SegmentContents& contents) {
  size_t bytes = 0;
  for (size_t row = 0; row < segment.rows(); ++row) {
    bytes += contents.id(row).size();
    if (segment.FindRow(contents.ordinals[row]) != row) {
      std::abort();
    }
  }
  static_cast<void>(bytes);
  static const Filter kFilter = Filter::Parse("n < 3 OR s = 'x'").value();
  const std::vector<uint32_t> rows = contents.columns->Evaluate(kFilter).ToVector();
  if (!rows.empty() && rows.back() >= segment.rows()) {
    std::abort();
  }
  const std::vector<float> query(contents.vectors.dim, 0.5F);
  index::SearchParams params;
  params.k = 5;
  params.ef_search = 5;
  index::SearchOutcome outcome;
  contents.index->Search({query.data(), 1, query.size()}, params, {&outcome, 1}).IgnoreError();
  for (const index::Neighbor& neighbor : outcome.neighbors) {
    if (neighbor.row >= segment.rows()) {
      std::abort();
    }
  }
}

void Exercise(uint8_t control, std::string_view edits) {
  std::string file = testing::Edited(SoundSegment(control), edits);
  if ((control & 0xC0U) != 0) {
    Reseal(&file);
  }
  PowerCutFileSystem disk;
  FieldSegment entry;
  const auto frame =
      segment::ReadFrame(testing::StringFile(file), file.size(), "fuzz", std::nullopt);
  if (!frame.ok()) {
    return;
  }
  entry.info = frame->info;
  FileHeader header;
  std::memcpy(&header, file.data(), sizeof header);
  entry.identity = {header.file_bytes, header.hash};
  const std::string path = "/" + SegmentFileName(entry.info.segment_id);
  WriteFileAtomically(&disk, path, file).IgnoreError();
  const auto segment =
      SealedSegment::Open(&disk, "/", entry, {1, std::numeric_limits<uint64_t>::max()});
  if (const SegmentContents* contents = segment->Contents()) {
    Use(*segment, *contents);
  } else if (segment->damage().ok()) {
    std::abort();
  }
}

}  // namespace
}  // namespace leadline::engine

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 0) {
    leadline::engine::Exercise(data[0], {reinterpret_cast<const char*>(data) + 1, size - 1});
  }
  return 0;
}
