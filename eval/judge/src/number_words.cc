#include "number_words.h"

#include <algorithm>
#include <cstdio>
#include <unordered_map>
#include <vector>

#include <unicode/uchar.h>

#include "leadline/text/utf8.h"

namespace leadline::judge {
namespace {

constexpr size_t kMaxDigits = 15;  // what a double holds exactly

struct Digits {
  std::string text;     // ASCII digits with '.' and ',' as written
  size_t consumed = 0;  // bytes of the word
};

// Most words are turned away by their first byte.
bool IsAsciiButDigit(char c) {
  return static_cast<unsigned char>(c) < 0x80 && (c < '0' || c > '9');
}

// Separators count only between digits.
Digits TakeDigits(std::string_view word) {
  Digits out;
  size_t at = 0;
  std::string pending;
  while (at < word.size()) {
    const text::DecodedRune next = text::DecodeRune(word, at);
    const int32_t digit = u_charDigitValue(static_cast<UChar32>(next.rune));
    if (digit >= 0) {
      out.text += pending;
      out.text += static_cast<char>('0' + digit);
      pending.clear();
      out.consumed = at + next.size;
    } else if (!out.text.empty() && pending.empty() &&
               (next.rune == '.' || next.rune == ',' || next.rune == 0x066B ||
                next.rune == 0x066C)) {
      pending.assign(1, next.rune == '.' || next.rune == 0x066B ? '.' : ',');
    } else {
      break;
    }
    at += next.size;
  }
  return out;
}

// Position of the decimal separator in `digits`, or npos.
size_t DecimalPosition(std::string_view digits) {
  const size_t last = digits.find_last_of(".,");
  if (last == std::string_view::npos) {
    return last;
  }
  const char separator = digits[last];
  const bool repeated = digits.find(separator) != last;
  const bool other = digits.find(separator == '.' ? ',' : '.') != std::string_view::npos;
  const bool three_follow = digits.size() - last == 4;
  if (repeated || (three_follow && separator == ',' && !other)) {
    return std::string_view::npos;
  }
  return last;
}

const std::unordered_map<std::string_view, double>& NumberWords() {
  static const std::unordered_map<std::string_view, double> table = {
      {"zero", 0},     {"one", 1},      {"two", 2},        {"three", 3},     {"four", 4},
      {"five", 5},     {"six", 6},      {"seven", 7},      {"eight", 8},     {"nine", 9},
      {"ten", 10},     {"eleven", 11},  {"twelve", 12},    {"thirteen", 13}, {"fourteen", 14},
      {"fifteen", 15}, {"sixteen", 16}, {"seventeen", 17}, {"eighteen", 18}, {"nineteen", 19},
      {"twenty", 20},  {"thirty", 30},  {"forty", 40},     {"fifty", 50},    {"sixty", 60},
      {"seventy", 70}, {"eighty", 80},  {"ninety", 90},    {"หนึ่ง", 1},       {"สอง", 2},
      {"สาม", 3},      {"สี่", 4},        {"ห้า", 5},         {"หก", 6},        {"เจ็ด", 7},
      {"แปด", 8},      {"เก้า", 9},      {"สิบ", 10}};
  return table;
}

}  // namespace

std::optional<LeadingNumber> ParseLeadingNumber(std::string_view word) {
  if (word.empty() || IsAsciiButDigit(word.front())) {
    return std::nullopt;
  }
  const Digits digits = TakeDigits(word);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto count = std::count_if(digits.text.begin(), digits.text.end(), is_digit);
  if (count == 0 || static_cast<size_t>(count) > kMaxDigits) {
    return std::nullopt;
  }
  const size_t decimal = DecimalPosition(digits.text);
  double whole = 0;
  double scale = 1;
  for (size_t i = 0; i < digits.text.size(); ++i) {
    if (is_digit(digits.text[i])) {
      whole = whole * 10 + (digits.text[i] - '0');
      scale *= decimal != std::string::npos && i > decimal ? 10 : 1;
    }
  }
  return LeadingNumber{whole / scale, word.substr(digits.consumed)};
}

// 2021.
std::optional<double> ParseChineseNumeral(std::string_view word) {
  if (word.empty() || static_cast<unsigned char>(word.front()) < 0x80) {
    return std::nullopt;
  }
  static constexpr std::u32string_view kDigits = U"零一二三四五六七八九";
  double total = 0;
  double section = 0;
  double digit = 0;
  bool positional = false;
  size_t runes = 0;
  for (size_t at = 0; at < word.size(); ++runes) {
    const text::DecodedRune next = text::DecodeRune(word, at);
    at += next.size;
    const char32_t rune = next.rune == U'〇' ? U'零' : next.rune == U'两' ? U'二' : next.rune;
    if (const size_t value = kDigits.find(rune); value != std::u32string_view::npos) {
      const bool follows_digit = runes > 0 && digit != 0 && section == 0 && total == 0;
      positional = positional || follows_digit;
      digit = positional ? digit * 10 + static_cast<double>(value) : static_cast<double>(value);
      continue;
    }
    const double unit = rune == U'十' ? 10 : rune == U'百' ? 100 : rune == U'千' ? 1000 : 0;
    if (unit > 0) {
      section += (digit == 0 ? 1 : digit) * unit;
    } else if (runes > 0 && (rune == U'万' || rune == U'亿')) {
      total = (total + section + digit) * (rune == U'万' ? 1e4 : 1e8);
      section = 0;
    } else {
      return std::nullopt;
    }
    digit = 0;
  }
  return runes > 0 && runes <= kMaxDigits ? std::optional(total + section + digit) : std::nullopt;
}

std::optional<double> ParseNumberWord(std::string_view folded) {
  if (const std::optional<LeadingNumber> number = ParseLeadingNumber(folded)) {
    return number->suffix.empty() ? std::optional(number->value) : std::nullopt;
  }
  if (const auto found = NumberWords().find(folded); found != NumberWords().end()) {
    return found->second;
  }
  return ParseChineseNumeral(folded);
}

std::optional<double> ParseScaleWord(std::string_view folded) {
  static const std::unordered_map<std::string_view, double> table = {
      {"hundred", 1e2},  {"hundreds", 1e2}, {"thousand", 1e3},  {"thousands", 1e3},
      {"million", 1e6},  {"millions", 1e6}, {"mn", 1e6},        {"billion", 1e9},
      {"billions", 1e9}, {"bn", 1e9},       {"trillion", 1e12}, {"tn", 1e12},
      {"万", 1e4},       {"亿", 1e8},       {"ร้อย", 1e2},       {"พัน", 1e3},
      {"หมื่น", 1e4},      {"แสน", 1e5},      {"ล้าน", 1e6}};
  for (const std::string_view unit : {std::string_view("万"), std::string_view("亿")}) {
    if (folded.starts_with(unit)) {
      return table.at(unit);
    }
  }
  const auto found = table.find(folded);
  return found == table.end() ? std::nullopt : std::optional(found->second);
}

std::string FormatNumber(double value) {
  char buffer[40];
  const int size = std::snprintf(buffer, sizeof buffer, "%.15g", value);
  return {buffer, static_cast<size_t>(std::max(size, 0))};
}

}  // namespace leadline::judge
