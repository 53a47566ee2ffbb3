#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "console.h"

namespace leadline::cli {

/// Lays out rows in aligned columns for people. Numbers align right, the rest left; cells are made
/// printable and cut at kMaxCellRunes code points. Thread-compatible.
class TablePrinter {
 public:
  static constexpr size_t kMaxCellRunes = 72;

  explicit TablePrinter(std::vector<std::string> header) : header_(std::move(header)) {}

  /// Adds a row; missing cells are empty.
  void Row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }

  void Print(Console& console) const;

 private:
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
};

/// Prints "name  value" lines, names padded to one width.
void PrintFields(Console& console, const std::vector<std::pair<std::string, std::string>>& fields);

/// "12.3 MiB" and the like; exact below 1 KiB.
std::string FormatBytes(uint64_t bytes);
/// `value` with `decimals` digits after the point.
std::string FormatFixed(double value, int decimals);
/// Microseconds as "431 us", "2.40 ms", "1.25 s".
std::string FormatMicros(double micros);

}  // namespace leadline::cli
