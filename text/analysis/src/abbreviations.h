#pragma once

#include <string_view>

namespace leadline::text {

/// What an English word before a full stop says about a sentence ending there.
enum class AbbreviationKind {
  kNone,         ///< an ordinary word
  kNeverEnds,    ///< always followed by what it belongs to: "Dr", "e.g", "vs"
  kBeforeDigit,  ///< an abbreviation only in front of a number: "No", "Jan", "p"
  kMayEnd,       ///< may close a sentence: "Inc", "etc"
};

/// Looks up a word without its final full stop, lower-cased ASCII.
AbbreviationKind FindAbbreviation(std::string_view folded);

/// Tells whether a lower-cased word commonly opens a sentence ("the", "however"), so that a
/// capitalised one after an abbreviation most likely starts a new one.
bool OpensSentences(std::string_view folded);

}  // namespace leadline::text
