#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "leadline/core/huge_array.h"
#include "leadline/index/segment_index.h"

namespace leadline::engine {

/// Sections on 64-byte boundaries, as a mapped file would give them.
class AlignedSections {
 public:
  /// Holds one of them twice at a time. May throw std::bad_alloc.
  explicit AlignedSections(std::vector<index::Section> sections) {
    for (index::Section& section : sections) {
      buffers_.push_back(NewHugeArray<char>(section.bytes.size()));
      char* const buffer = buffers_.back().get();
      std::copy_n(section.bytes.data(), section.bytes.size(), buffer);
      views_.push_back({section.type, {buffer, section.bytes.size()}});
      section.bytes = std::string();
    }
  }

  [[nodiscard]] const std::vector<index::SectionView>& views() const { return views_; }

 private:
  std::vector<HugeArray<char>> buffers_;
  std::vector<index::SectionView> views_;
};

}  // namespace leadline::engine
