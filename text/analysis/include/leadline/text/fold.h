#pragma once

#include <string>
#include <string_view>

namespace leadline::text {

/// Folds a text for comparison: compatibility forms, case and accents are removed.
///
/// Steps: Unicode NFKC case folding, canonical decomposition, removal of the combining marks that
/// are shared between scripts (accents; vowel signs and tone marks of Thai, Devanagari and other
/// scripts stay, and so do the voicing marks of kana), canonical composition. "Café" and "ＣＡＦＥ"
/// both give "cafe", "ﬁ" gives "fi", "STRASSE" and "Straße" both "strasse".
/// Invalid UTF-8 is replaced by U+FFFD first. ASCII is folded byte by byte.
/// Threads: safe. Cost: one pass for ASCII, about 100 ns a word otherwise.
std::string Fold(std::string_view utf8);

}  // namespace leadline::text
