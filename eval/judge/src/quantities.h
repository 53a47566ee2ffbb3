#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "analysed_text.h"

namespace leadline::judge {

/// What a number counts. Numbers of different dimensions never agree, except with kPlain.
enum class Dimension : uint8_t {
  kPlain,
  kYear,  ///< plain, integral and in [1000, 2100]
  kDate,
  kPercent,
  kMass,      ///< in grams
  kLength,    ///< in metres
  kDuration,  ///< in seconds
  kVolume,    ///< in litres
  kCelsius,
  kFahrenheit,
  kDollar,
  kEuro,
  kPound,
  kYuan,
  kYen,
  kBaht,
};

/// A number or date with its unit, as found in a text.
struct Quantity {
  Dimension dimension = Dimension::kPlain;
  double value = 0;          ///< as written, scale words applied ("2 million" = 2e6)
  double factor = 1;         ///< value * factor is in the base unit of the dimension
  bool approximate = false;  ///< "about", "nearly", "more than" stands before it
  bool weak = false;         ///< may be no number at all ("one of them"): never reported as missing
  int year = 0;              ///< dates: 0 = not given
  int month = 0;
  int day = 0;
  size_t first_word = 0;  ///< words [first_word, last_word) of the text
  size_t last_word = 0;
};

/// Finds numbers, percentages, amounts with units, dates ("27 July 1942", "July 27, 1942",
/// "1942-07-27", "2016年9月5日") in words [first, last) of a text.
std::vector<Quantity> FindQuantities(const AnalysedText& text, size_t first, size_t last);

/// Tells whether `stated` follows from `given`: equal in the base unit, or equal numbers where one
/// side has no unit; within 5% where `stated` is approximate; a date where all fields `stated` has
/// are equal in `given`.
bool Agrees(const Quantity& stated, const Quantity& given);

/// Tells whether two quantities measure the same thing and so exclude each other where they differ.
bool SameKind(const Quantity& a, const Quantity& b);

/// The bytes of the text that hold the quantity.
std::string WrittenQuantity(const AnalysedText& text, const Quantity& quantity);

}  // namespace leadline::judge
