#pragma once

/// Changes a closed database behind the engine's back: its store, key by key, and its segment
/// files, sealed again so that every hash fits.

#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "catalog.h"
#include "keys.h"
#include "leadline/core/coding.h"
#include "leadline/core/hash.h"
#include "leadline/storage/segment_file.h"
#include "leadline/storage/store.h"
#include "status_matchers.h"
#include "stored_record.h"

namespace leadline::testing {

using Sections = std::map<uint32_t, std::string>;

/// Holds the store open; everything is about collection 1. Failures fail the test.
class StoreForge {
 public:
  explicit StoreForge(std::string path) : path_(std::move(path)) {
    kv::StoreOptions options;
    options.sequence_key = std::string(engine::kSequenceKey);
    Result<std::unique_ptr<kv::Store>> store = kv::Store::Open(path_ + "/store", options);
    EXPECT_OK(store);
    store_ = std::move(store).value();
  }

  [[nodiscard]] std::vector<engine::GroupEntry> Groups() const {
    std::vector<engine::GroupEntry> groups;
    const auto it = store_->NewIterator(kv::Table::kMeta, engine::GroupsPrefix(kCollection));
    for (; it->Valid(); it->Next()) {
      groups.push_back(engine::DecodeGroupEntry(it->value()).value());
    }
    return groups;
  }

  void PutGroup(const engine::GroupEntry& group) {
    Put(kv::Table::kMeta, engine::GroupEntryKey(kCollection, group.first_ordinal),
        engine::EncodeGroupEntry(group));
  }

  void Put(kv::Table table, const std::string& key, const std::string& value) {
    kv::WriteBatch batch;
    batch.Put(table, key, value);
    EXPECT_OK(store_->Write(batch, true));
  }

  void Delete(kv::Table table, const std::string& key) {
    kv::WriteBatch batch;
    batch.Delete(table, key);
    EXPECT_OK(store_->Write(batch, true));
  }

  [[nodiscard]] std::string Get(kv::Table table, const std::string& key) const {
    return store_->Get(table, key).value().value_or("");
  }

  [[nodiscard]] uint64_t OrdinalOf(const std::string& id) const {
    return DecodeFixed64(Get(kv::Table::kLocations, engine::LocationKey(kCollection, id)).data());
  }

  [[nodiscard]] std::string FileOf(const engine::FieldSegment& field) const {
    return path_ + "/segments/" + engine::SegmentFileName(field.info.segment_id);
  }

  /// Writes the first file of group `g` anew, with what `edit` makes of its sections.
  void Reseal(size_t g, const std::function<void(segment::SegmentInfo*, Sections*)>& edit) {
    engine::GroupEntry group = Groups().at(g);
    engine::FieldSegment& field = group.fields[0];
    FileSystem* fs = FileSystem::Posix();
    Sections sections;
    {
      const auto file = segment::SegmentFile::Open(fs, FileOf(field), field.identity).value();
      for (const uint32_t type : file->section_types()) {
        sections[type] = std::string(file->section(type));
      }
    }
    edit(&field.info, &sections);
    const auto writer =
        segment::SegmentWriter::Create(fs, path_ + "/segments",
                                       engine::SegmentFileName(field.info.segment_id), field.info)
            .value();
    for (const auto& [type, bytes] : sections) {
      ASSERT_OK(writer->AddSection(type, bytes));
    }
    ASSERT_OK_AND_ASSIGN(field.identity, writer->Finish());
    PutGroup(group);
  }

  /// Changes bytes of header or section table of the first file of group `g`; the hash is made to
  /// fit, and so is the manifest.
  void ResealRaw(size_t g, const std::function<void(std::string*)>& edit) {
    engine::GroupEntry group = Groups().at(g);
    engine::FieldSegment& field = group.fields[0];
    std::ifstream in(FileOf(field), std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    const uint64_t table = DecodeFixed64(bytes.data() + 40);
    edit(&bytes);
    Hasher hasher;
    hasher.Update(std::string_view(bytes).substr(0, 248));
    hasher.Update(std::string_view(bytes).substr(table));
    const uint64_t hash = hasher.Digest();
    std::memcpy(bytes.data() + 248, &hash, sizeof hash);
    std::ofstream(FileOf(field), std::ios::binary | std::ios::trunc) << bytes;
    field.identity = {bytes.size(), hash};
    PutGroup(group);
  }

  void Close() { EXPECT_OK(store_->Close()); }

  static constexpr uint32_t kCollection = 1;

 private:
  const std::string path_;
  std::unique_ptr<kv::Store> store_;
};

/// Overwrites item `i` of a section of fixed-size items.
template <typename T>
void SetItem(std::string* section, size_t i, T value) {
  std::memcpy(section->data() + i * sizeof(T), &value, sizeof value);
}

}  // namespace leadline::testing
