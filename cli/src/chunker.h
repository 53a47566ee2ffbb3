#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "leadline/core/status.h"

namespace leadline::cli {

/// How a text is cut before it is embedded.
struct Chunking {
  enum class Unit : uint8_t { kNone, kSentences, kTokens };

  Unit unit = Unit::kNone;
  size_t size = 0;     ///< units a chunk
  size_t overlap = 0;  ///< units that a chunk shares with the one before it; kTokens only
};

/// Parses "none", "sentences:N" or "tokens:N,OVERLAP"; a token is a word as text/analysis splits
/// them. The error names flag, value and limit.
Result<Chunking> ParseChunking(const std::string& text);

/// Cuts `body`; the pieces are views into it, in order, none empty. A text without units is one
/// piece, an empty text none.
std::vector<std::string_view> CutText(std::string_view body, const Chunking& chunking);

}  // namespace leadline::cli
