#include "table_printer.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "leadline/text/utf8.h"

namespace leadline::cli {
namespace {

/// The cell on one line, printable, of bounded width.
std::string CellText(std::string_view cell) {
  std::string safe = Printable(cell);
  std::replace(safe.begin(), safe.end(), '\n', ' ');
  std::replace(safe.begin(), safe.end(), '\t', ' ');
  size_t at = 0;
  for (size_t runes = 0; at < safe.size(); ++runes) {
    if (runes == TablePrinter::kMaxCellRunes) {
      return safe.substr(0, at) + "...";
    }
    at += text::DecodeRune(safe, at).size;
  }
  return safe;
}

bool IsNumber(std::string_view cell) {
  return !cell.empty() && cell.find_first_not_of("~+-.0123456789eE") == std::string_view::npos;
}

void AppendPadded(std::string* line, const std::string& cell, size_t width, bool right) {
  const size_t padding = width - std::min(width, text::CountRunes(cell));
  if (right) {
    line->append(padding, ' ');
  }
  *line += cell;
  if (!right) {
    line->append(padding, ' ');
  }
}

}  // namespace

void TablePrinter::Print(Console& console) const {
  const size_t columns = header_.size();
  std::vector<std::vector<std::string>> cells;
  std::vector<size_t> widths(columns);
  std::vector<bool> numeric(columns, true);
  cells.push_back(header_);
  for (const std::vector<std::string>& row : rows_) {
    std::vector<std::string>& out = cells.emplace_back(columns);
    for (size_t c = 0; c < columns && c < row.size(); ++c) {
      out[c] = CellText(row[c]);
      numeric[c] = numeric[c] && (out[c].empty() || IsNumber(out[c]));
    }
  }
  for (const std::vector<std::string>& row : cells) {
    for (size_t c = 0; c < columns; ++c) {
      widths[c] = std::max(widths[c], text::CountRunes(row[c]));
    }
  }
  for (const std::vector<std::string>& row : cells) {
    std::string line;
    for (size_t c = 0; c < columns; ++c) {
      AppendPadded(&line, row[c], widths[c], numeric[c]);
      line += c + 1 < columns ? "  " : "";
    }
    line.erase(line.find_last_not_of(' ') + 1);
    console.Line(line);
  }
}

void PrintFields(Console& console, const std::vector<std::pair<std::string, std::string>>& fields) {
  size_t width = 0;
  for (const auto& [name, value] : fields) {
    width = std::max(width, text::CountRunes(name));
  }
  for (const auto& [name, value] : fields) {
    std::string line;
    AppendPadded(&line, name, width, false);
    console.Line(line + "  " + Printable(value));
  }
}

std::string FormatFixed(double value, int decimals) {
  std::array<char, 64> text{};
  const int size = std::snprintf(text.data(), text.size(), "%.*f", decimals, value);
  return {text.data(), static_cast<size_t>(std::clamp(size, 0, static_cast<int>(text.size()) - 1))};
}

std::string FormatBytes(uint64_t bytes) {
  static constexpr std::array<std::string_view, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return FormatFixed(value, unit == 0 ? 0 : 1) + " " + std::string(kUnits[unit]);
}

std::string FormatMicros(double micros) {
  if (micros < 1000) {
    return FormatFixed(micros, 0) + " us";
  }
  if (micros < 1e6) {
    return FormatFixed(micros / 1e3, 2) + " ms";
  }
  return FormatFixed(micros / 1e6, 2) + " s";
}

}  // namespace leadline::cli
