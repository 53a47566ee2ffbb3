#pragma once

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include "leadline/index/segment_index.h"

namespace leadline::engine {

/// Sections on 64-byte boundaries, as a mapped file would give them.
class AlignedSections {
 public:
  /// May throw std::bad_alloc.
  explicit AlignedSections(const std::vector<index::Section>& sections) {
    for (const index::Section& section : sections) {
      const size_t size = (section.bytes.size() + 63) / 64 * 64;
      char* buffer = static_cast<char*>(std::aligned_alloc(64, std::max<size_t>(size, 64)));
      if (buffer == nullptr) {
        throw std::bad_alloc();
      }
      std::copy_n(section.bytes.data(), section.bytes.size(), buffer);
      buffers_.emplace_back(buffer, &std::free);
      views_.push_back({section.type, {buffer, section.bytes.size()}});
    }
  }

  [[nodiscard]] const std::vector<index::SectionView>& views() const { return views_; }

 private:
  std::vector<std::unique_ptr<char, decltype(&std::free)>> buffers_;
  std::vector<index::SectionView> views_;
};

}  // namespace leadline::engine
