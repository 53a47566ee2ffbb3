#pragma once

#include <string_view>

namespace leadline::judge {

/// How much a word counts: rare words carry the facts.
struct WordWeight {
  float weight = 1.0F;    ///< in (0, 1]; inverse sentence frequency on a log scale
  bool function = false;  ///< "the", "und", "的": never reported as missing
};

/// Looks a folded word up in the shipped table of common words; any other word weighs 1.
/// Thread-safe.
WordWeight WeightOf(std::string_view folded);

}  // namespace leadline::judge
