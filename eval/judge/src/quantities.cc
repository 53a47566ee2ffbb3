#include "quantities.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "number_words.h"

namespace leadline::judge {
namespace {

constexpr double kRelativeTolerance = 1e-9;
constexpr double kApproximateTolerance = 0.05;

struct Unit {
  Dimension dimension = Dimension::kPlain;
  double factor = 1;
};

struct UnitNames {
  Dimension dimension;
  double factor;
  std::string_view names;  // folded, separated by spaces
};

// clang-format off
constexpr UnitNames kUnits[] = {
    {Dimension::kPercent, 1, "percent pct percentage เปอร์เซ็นต์"},
    {Dimension::kMass, 1, "g gram grams 克 กรัม"},
    {Dimension::kMass, 1e3, "kg kilogram kilograms kilo kilos 千克 公斤 กิโลกรัม"},
    {Dimension::kMass, 1e-3, "mg milligram milligrams"},
    {Dimension::kMass, 1e-6, "ug μg mcg"},
    {Dimension::kMass, 1e-9, "ng"},
    {Dimension::kMass, 1e6, "ton tons tonne tonnes 吨 ตัน"},
    {Dimension::kMass, 453.59237, "lb lbs"},
    {Dimension::kLength, 1, "m metre metres meter meters 米 เมตร"},
    {Dimension::kLength, 1e3, "km kilometre kilometres kilometer kilometers 公里 千米 กิโลเมตร กม"},
    {Dimension::kLength, 1e-2, "cm centimetres centimeters 厘米 เซนติเมตร"},
    {Dimension::kLength, 1e-3, "mm millimetres millimeters 毫米"},
    {Dimension::kLength, 1e-6, "um μm"},
    {Dimension::kLength, 1e-9, "nm"},
    {Dimension::kLength, 1609.344, "mile miles"},
    {Dimension::kLength, 0.3048, "foot feet ft"},
    {Dimension::kLength, 0.0254, "inch inches"},
    {Dimension::kLength, 0.9144, "yard yards"},
    {Dimension::kDuration, 1, "second seconds sec 秒 วินาที"},
    {Dimension::kDuration, 60, "minute minutes min mins 分钟 นาที"},
    {Dimension::kDuration, 3600, "hour hours h hr hrs 小时 ชั่วโมง"},
    {Dimension::kDuration, 86400, "day days 天 วัน"},
    {Dimension::kDuration, 604800, "week weeks สัปดาห์"},
    {Dimension::kDuration, 2629746, "month months เดือน"},
    {Dimension::kDuration, 31556952, "year years yr yrs 岁 ปี"},
    {Dimension::kVolume, 1, "l litre litres liter liters 升 ลิตร"},
    {Dimension::kVolume, 1e-3, "ml 毫升"},
    {Dimension::kCelsius, 1, "celsius"},
    {Dimension::kFahrenheit, 1, "fahrenheit"},
    {Dimension::kDollar, 1, "dollar dollars usd 美元"},
    {Dimension::kEuro, 1, "euro euros eur 欧元"},
    {Dimension::kPound, 1, "gbp 英镑"},
    {Dimension::kYuan, 1, "yuan rmb 人民币"},
    {Dimension::kYen, 1, "yen 日元"},
    {Dimension::kBaht, 1, "baht บาท"},
};

// clang-format on

const std::unordered_map<std::string_view, Unit>& Units() {
  static const auto table = [] {
    std::unordered_map<std::string_view, Unit> units;
    for (const UnitNames& unit : kUnits) {
      for (size_t begin = 0; begin < unit.names.size();) {
        const size_t end = std::min(unit.names.find(' ', begin), unit.names.size());
        units.emplace(unit.names.substr(begin, end - begin), Unit{unit.dimension, unit.factor});
        begin = end + 1;
      }
    }
    return units;
  }();
  return table;
}

int MonthOf(std::string_view folded) {
  static const std::unordered_map<std::string_view, int> table = {
      {"january", 1},   {"february", 2},  {"march", 3},  {"april", 4},     {"may", 5},
      {"june", 6},      {"july", 7},      {"august", 8}, {"september", 9}, {"october", 10},
      {"november", 11}, {"december", 12}, {"jan", 1},    {"feb", 2},       {"mar", 3},
      {"apr", 4},       {"jun", 6},       {"jul", 7},    {"aug", 8},       {"sep", 9},
      {"sept", 9},      {"oct", 10},      {"nov", 11},   {"dec", 12},      {"มกราคม", 1},
      {"กุมภาพันธ์", 2},   {"มีนาคม", 3},     {"เมษายน", 4}, {"พฤษภาคม", 5},   {"มิถุนายน", 6},
      {"กรกฎาคม", 7},   {"สิงหาคม", 8},    {"กันยายน", 9}, {"ตุลาคม", 10},    {"พฤศจิกายน", 11},
      {"ธันวาคม", 12}};
  const auto found = table.find(folded);
  return found == table.end() ? 0 : found->second;
}

bool IsApproximator(std::string_view folded) {
  return folded == "about" || folded == "around" || folded == "approximately" ||
         folded == "nearly" || folded == "almost" || folded == "roughly" || folded == "over" ||
         folded == "than" || folded == "approx" || folded == "ประมาณ" || folded == "大约" ||
         folded == "约" || folded == "超过" || folded == "เกือบ" || folded == "กว่า";
}

bool IsYear(double value) {
  return value == std::floor(value) && value >= 1000 && value <= 2100;
}

/// Walks over the words of one sentence.
class Scanner {
 public:
  Scanner(const AnalysedText& text, size_t first, size_t last)
      : text_(text), first_(first), last_(last) {}

  std::vector<Quantity> Scan() {
    for (size_t at = first_; at < last_;) {
      size_t next = ScanDate(at);
      next = next == at ? ScanNumber(at) : next;
      at = next == at ? at + 1 : next;
    }
    return std::move(found_);
  }

 private:
  [[nodiscard]] std::string_view folded(size_t at) const {
    return at < last_ && at >= first_ ? std::string_view(text_.words[at].folded)
                                      : std::string_view();
  }

  /// Whole number written in digits at word `at` ("5", "5th"), or -1.
  [[nodiscard]] int IntegerAt(size_t at) const {
    const auto number = ParseLeadingNumber(folded(at));
    if (!number || number->value != std::floor(number->value) || number->value > 9999) {
      return -1;
    }
    const std::string_view s = number->suffix;
    const bool plain = s.empty() || s == "st" || s == "nd" || s == "rd" || s == "th";
    return plain ? static_cast<int>(number->value) : -1;
  }

  [[nodiscard]] int DayAt(size_t at) const {
    const int value = IntegerAt(at);
    return value >= 1 && value <= 31 ? value : 0;
  }

  [[nodiscard]] int YearAt(size_t at) const {
    const int value = IntegerAt(at);
    return value >= 0 && IsYear(value) ? value : 0;
  }

  size_t AddDate(size_t at, size_t end, int year, int month, int day) {
    Quantity date;
    date.dimension = Dimension::kDate;
    date.year = year;
    date.month = month;
    date.day = day;
    date.first_word = at;
    date.last_word = end;
    found_.push_back(date);
    return end;
  }

  size_t ScanDate(size_t at) {
    if (const int month = MonthOf(folded(at)); month > 0) {
      const int day = DayAt(at + 1);
      const size_t after = day > 0 ? at + 2 : at + 1;
      const int year = YearAt(after);
      return day > 0 || year > 0 ? AddDate(at, year > 0 ? after + 1 : after, year, month, day) : at;
    }
    if (const int day = DayAt(at); day > 0) {
      const size_t month_at = folded(at + 1) == "of" ? at + 2 : at + 1;
      if (const int month = MonthOf(folded(month_at)); month > 0) {
        const int year = YearAt(month_at + 1);
        return AddDate(at, month_at + (year > 0 ? 2 : 1), year, month, day);
      }
    }
    if (const int year = YearAt(at); year > 0) {
      const int month = IntegerAt(at + 1);
      const int day = DayAt(at + 2);
      if (month >= 1 && month <= 12 && day > 0 && text_.Gap(at) == "-" &&
          text_.Gap(at + 1) == "-") {
        return AddDate(at, at + 3, year, month, day);
      }
    }
    return ScanChineseDate(at);
  }

  size_t ScanChineseDate(size_t at) {
    size_t next = at;
    int fields[3] = {0, 0, 0};
    static constexpr std::string_view kMarks[3] = {"年", "月", "日"};
    for (int i = 0; i < 3; ++i) {
      const int value = IntegerAt(next);
      const bool day = i == 2 && folded(next + 1) == "号";
      if (value > 0 && (folded(next + 1) == kMarks[i] || day)) {
        fields[i] = value;
        next += 2;
      }
    }
    const bool named = fields[1] > 0 || (fields[0] > 0 && IsYear(fields[0]));
    return named ? AddDate(at, next, fields[0], fields[1], fields[2]) : at;
  }

  /// Tells whether the digits belong to a name such as "COVID-19" or "H-1B".
  [[nodiscard]] bool IsGluedToLetters(size_t at) const {
    return at > first_ && text_.Gap(at - 1) == "-" &&
           text_.words[at - 1].kind != text::WordKind::kNumber && !ParseNumberWord(folded(at - 1));
  }

  /// End of the number that words write from `at`: "twenty-one", "三百" "五十". Sets its value.
  size_t ScanWritten(size_t at, double* value) const {
    size_t next = at + 1;
    if (*value >= 20 && *value < 100 && next < last_ && text_.Gap(at) == "-") {
      const std::optional<double> unit = ParseNumberWord(folded(next));
      if (unit && *unit >= 1 && *unit <= 9) {
        *value += *unit;
        return next + 1;
      }
    }
    // A dictionary cuts Chinese numerals anywhere.
    std::string numeral(folded(at));
    while (next < last_ && text_.Gap(next - 1).empty()) {
      numeral += folded(next);
      const std::optional<double> longer = ParseChineseNumeral(numeral);
      if (!longer) {
        break;
      }
      *value = *longer;
      ++next;
    }
    return next;
  }

  size_t ScanNumber(size_t at) {
    const std::optional<LeadingNumber> digits = ParseLeadingNumber(folded(at));
    const std::optional<double> written = digits ? std::nullopt : ParseNumberWord(folded(at));
    if ((!digits && !written) || IsGluedToLetters(at)) {
      return at;
    }
    Quantity quantity;
    quantity.first_word = at;
    quantity.value = digits ? digits->value : *written;
    quantity.weak = written && quantity.value == 1;
    size_t next = digits ? at + 1 : ScanWritten(at, &quantity.value);
    next = ReadScale(&quantity, digits ? digits->suffix : std::string_view(), next);
    quantity.last_word = next;
    quantity.approximate = at > first_ && IsApproximator(folded(at - 1));
    found_.push_back(quantity);
    return next;
  }

  /// Applies "million" and the like, then the unit. Returns the end of the quantity.
  size_t ReadScale(Quantity* quantity, std::string_view suffix, size_t next) {
    for (;;) {
      const std::string_view word = suffix.empty() ? folded(next) : suffix;
      const std::optional<double> scale = ParseScaleWord(word);
      if (!scale) {
        return ReadUnit(quantity, suffix, next);
      }
      quantity->value *= *scale;
      next += suffix.empty() ? 1 : 0;
      suffix = {};
    }
  }

  size_t ReadUnit(Quantity* quantity, std::string_view suffix, size_t next) {
    const std::string_view after = text_.Gap(next - 1);
    const std::string_view before =
        quantity->first_word > first_ ? text_.Gap(quantity->first_word - 1) : Before();
    const Dimension currency = CurrencyIn(before);
    if (currency != Dimension::kPlain) {
      quantity->dimension = currency;
      const double millions = suffix == "m" || (suffix.empty() && folded(next) == "m") ? 1e6 : 1;
      quantity->value *= millions;
      return millions > 1 && suffix.empty() ? next + 1 : next;
    }
    if (after.starts_with("%") || after.starts_with(" %") || after.starts_with("％") ||
        folded(quantity->first_word - 1) == "ร้อยละ" || EndsPercentPrefix(quantity->first_word)) {
      quantity->dimension = Dimension::kPercent;
      return next;
    }
    if (suffix.empty() && folded(next) == "per" && folded(next + 1) == "cent") {
      quantity->dimension = Dimension::kPercent;
      return next + 2;
    }
    const auto unit = Units().find(suffix.empty() ? folded(next) : suffix);
    const bool adjacent = !suffix.empty() || after.size() <= 3;
    if (unit != Units().end() && adjacent) {
      quantity->dimension = unit->second.dimension;
      quantity->factor = unit->second.factor;
      return suffix.empty() ? next + 1 : next;
    }
    if (IsYear(quantity->value)) {
      quantity->dimension = Dimension::kYear;
    }
    return next;
  }

  [[nodiscard]] std::string_view Before() const {
    const size_t begin = first_ > 0 ? text_.words[first_ - 1].end : 0;
    return text_.text.substr(begin, text_.words[first_].begin - begin);
  }

  static Dimension CurrencyIn(std::string_view gap) {
    while (gap.ends_with(' ')) {
      gap.remove_suffix(1);
    }
    return gap.ends_with("$")   ? Dimension::kDollar
           : gap.ends_with("€") ? Dimension::kEuro
           : gap.ends_with("£") ? Dimension::kPound
           : gap.ends_with("¥") ? Dimension::kYuan
           : gap.ends_with("฿") ? Dimension::kBaht
                                : Dimension::kPlain;
  }

  // "百分之" reads "of a hundred" and stands before the number.
  [[nodiscard]] bool EndsPercentPrefix(size_t at) const {
    return text_.text.substr(0, text_.words[at].begin).ends_with("百分之");
  }

  const AnalysedText& text_;
  size_t first_;
  size_t last_;
  std::vector<Quantity> found_;
};

bool Near(double a, double b, double tolerance) {
  return std::abs(a - b) <= tolerance * std::max(std::abs(a), std::abs(b));
}

bool IsPlain(Dimension dimension) {
  return dimension == Dimension::kPlain || dimension == Dimension::kYear;
}

bool DateAgrees(const Quantity& stated, const Quantity& given) {
  const auto field = [](int s, int g) { return s == 0 || s == g; };
  return field(stated.year, given.year) && field(stated.month, given.month) &&
         field(stated.day, given.day);
}

}  // namespace

std::vector<Quantity> FindQuantities(const AnalysedText& text, size_t first, size_t last) {
  return Scanner(text, first, last).Scan();
}

bool Agrees(const Quantity& stated, const Quantity& given) {
  const bool stated_date = stated.dimension == Dimension::kDate;
  const bool given_date = given.dimension == Dimension::kDate;
  if (stated_date && given_date) {
    return DateAgrees(stated, given);
  }
  if (given_date) {  // "in 1942" from "27 July 1942"
    return IsPlain(stated.dimension) && (stated.value == given.year || stated.value == given.day) &&
           stated.value > 0;
  }
  if (stated_date) {
    return stated.month == 0 && stated.day == 0 && stated.year == given.value;
  }
  const double tolerance = stated.approximate ? kApproximateTolerance : kRelativeTolerance;
  if (stated.dimension == given.dimension) {
    return Near(stated.value * stated.factor, given.value * given.factor, tolerance);
  }
  const bool comparable = IsPlain(stated.dimension) || IsPlain(given.dimension);
  return comparable && Near(stated.value, given.value, tolerance);
}

bool SameKind(const Quantity& a, const Quantity& b) {
  const auto dated = [](const Quantity& q) {
    return q.dimension == Dimension::kDate || q.dimension == Dimension::kYear;
  };
  return a.dimension == b.dimension || (dated(a) && dated(b));
}

std::string WrittenQuantity(const AnalysedText& text, const Quantity& quantity) {
  const size_t begin = text.words[quantity.first_word].begin;
  size_t end = text.words[quantity.last_word - 1].end;
  if (quantity.dimension == Dimension::kPercent && text.text.substr(end, 1) == "%") {
    ++end;
  }
  return std::string(text.text.substr(begin, end - begin));
}

}  // namespace leadline::judge
