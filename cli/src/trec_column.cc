#include "trec_column.h"

#include <charconv>

namespace leadline::cli {
namespace {

constexpr std::string_view kEncoded = "% \t\r\n\v\f";
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::string_view kHexDigits = "0123456789ABCDEF";

/// Bytes at the start that must not stand there as they are.
size_t ReservedPrefix(std::string_view id) {
  if (id.starts_with('#')) {
    return 1;
  }
  return id.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
}

}  // namespace

std::string EncodeTrecColumn(std::string_view id) {
  const size_t prefix = ReservedPrefix(id);
  std::string column;
  column.reserve(id.size());
  for (size_t i = 0; i < id.size(); ++i) {
    if (i >= prefix && kEncoded.find(id[i]) == std::string_view::npos) {
      column += id[i];
      continue;
    }
    const auto byte = static_cast<unsigned char>(id[i]);
    column += '%';
    column += kHexDigits[byte >> 4];
    column += kHexDigits[byte & 0xF];
  }
  return column;
}

Result<std::string> DecodeTrecColumn(std::string_view column) {
  std::string id;
  id.reserve(column.size());
  for (size_t i = 0; i < column.size(); ++i) {
    if (column[i] != '%') {
      id += column[i];
      continue;
    }
    const std::string_view code = column.substr(i + 1, 2);
    unsigned byte = 0;
    const auto parsed = std::from_chars(code.data(), code.data() + code.size(), byte, 16);
    if (code.size() < 2 || parsed.ec != std::errc() || parsed.ptr != code.data() + code.size()) {
      return InvalidFieldError("not an id as this program writes it", "run.trec",
                               column.substr(0, 64), "% followed by two hexadecimal digits");
    }
    id += static_cast<char>(byte);
    i += 2;
  }
  return id;
}

}  // namespace leadline::cli
