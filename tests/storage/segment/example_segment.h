#pragma once

#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "leadline/core/file_system.h"
#include "leadline/storage/segment_file.h"
#include "status_matchers.h"

namespace leadline::segment {

/// The worked example of storage/FORMAT.md: two rows of three dimensions.
inline SegmentInfo ExampleInfo() {
  SegmentInfo info;
  for (size_t i = 0; i < info.database.size(); ++i) {
    info.database[i] = static_cast<uint8_t>(0xA0 + i);
  }
  info.segment_id = 7;
  info.collection_id = 1;
  info.field_id = 2;
  info.metric = Metric::kL2;
  info.kind = IndexKind::kFlat;
  info.codes = CodeType::kF32;
  info.dim = 3;
  info.rows = 2;
  info.min_sequence = 5;
  info.max_sequence = 9;
  info.m = 16;
  info.ef_construction = 200;
  info.seed = 42;
  info.self_recall = 1.0;
  return info;
}

template <typename T>
std::string Bytes(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

inline std::string ExampleOrdinals() {
  return Bytes<uint64_t>({10, 12});
}

inline std::string ExampleVectors() {
  return Bytes<float>({1.0F, -2.0F, 0.5F, 0.0F, 3.0F, 4.0F});
}

/// Writes the example as `directory`/seven.seg.
inline Result<FileIdentity> WriteExample(FileSystem* fs, const std::string& directory) {
  LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<SegmentWriter> writer,
                            SegmentWriter::Create(fs, directory, "seven.seg", ExampleInfo()));
  const auto type = [](SectionType t) { return static_cast<uint32_t>(t); };
  LEADLINE_RETURN_IF_ERROR(writer->AddSection(type(SectionType::kOrdinals), ExampleOrdinals()));
  LEADLINE_RETURN_IF_ERROR(
      writer->AddSection(type(SectionType::kIdOffsets), Bytes<uint64_t>({0, 1, 3})));
  LEADLINE_RETURN_IF_ERROR(writer->AddSection(type(SectionType::kIdBytes), "abc"));
  LEADLINE_RETURN_IF_ERROR(writer->BeginSection(type(SectionType::kVectors)));
  LEADLINE_RETURN_IF_ERROR(writer->Append(ExampleVectors().substr(0, 5)));
  LEADLINE_RETURN_IF_ERROR(writer->Append(ExampleVectors().substr(5)));
  return writer->Finish();
}

}  // namespace leadline::segment
