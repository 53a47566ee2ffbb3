#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace leadline::judge {

/// A number at the start of a word and what is glued to it: "1,000" -> 1000 and "", "5mg" -> 5 and
/// "mg", "1990s" -> 1990 and "s".
struct LeadingNumber {
  double value = 0;
  std::string_view suffix;
};

/// Reads digits of any script with separators. A comma or point is a thousands separator where it
/// stands before exactly three digits and repeats or is a comma; else it is the decimal separator.
/// At most 15 significant digits; nothing where the word does not start with a digit.
std::optional<LeadingNumber> ParseLeadingNumber(std::string_view word);

/// Value of a folded word that writes a number: digits alone, English zero to ninety, Chinese and
/// Thai numerals.
std::optional<double> ParseNumberWord(std::string_view folded);

/// Factor of a word such as "million", "bn", "万" or "ล้าน", or of a Chinese word that begins with
/// one
/// ("万人"); "hundred" and "thousand" included.
std::optional<double> ParseScaleWord(std::string_view folded);

/// Value of Chinese numerals: "三百五十" -> 350, "二〇二一" -> 2021.
std::optional<double> ParseChineseNumeral(std::string_view word);

/// Shortest decimal form: 1000 -> "1000", 5.50 -> "5.5".
std::string FormatNumber(double value);

}  // namespace leadline::judge
