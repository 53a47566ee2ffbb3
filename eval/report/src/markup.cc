#include "markup.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "leadline/text/utf8.h"

namespace leadline::eval {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

bool IsControl(char32_t rune) {
  return (rune < 0x20 && rune != '\t' && rune != '\n') || (rune >= 0x7F && rune < 0xA0);
}

}  // namespace

std::string EscapeHtml(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() + bytes.size() / 8);
  for (size_t at = 0; at < bytes.size();) {
    const text::DecodedRune decoded = text::DecodeRune(bytes, at);
    switch (decoded.rune) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += IsControl(decoded.rune) || decoded.rune == text::kReplacementRune
                   ? kReplacement
                   : bytes.substr(at, decoded.size);
    }
    at += decoded.size;
  }
  return out;
}

std::string EscapeScriptJson(std::string_view json) {
  std::string out;
  out.reserve(json.size() + json.size() / 16);
  for (size_t at = 0; at < json.size();) {
    const text::DecodedRune decoded = text::DecodeRune(json, at);
    switch (decoded.rune) {
      case '<':
        out += "\\u003c";
        break;
      case '>':
        out += "\\u003e";
        break;
      case '&':
        out += "\\u0026";
        break;
      case 0x2028:
        out += "\\u2028";
        break;
      case 0x2029:
        out += "\\u2029";
        break;
      default:
        out +=
            decoded.rune == text::kReplacementRune ? kReplacement : json.substr(at, decoded.size);
    }
    at += decoded.size;
  }
  return out;
}

std::string Fixed(double value, int decimals) {
  std::array<char, 64> buffer{};
  const int size = std::snprintf(buffer.data(), buffer.size(), "%.*f", decimals, value);
  const int last = static_cast<int>(buffer.size()) - 1;
  return {buffer.data(), static_cast<size_t>(std::clamp(size, 0, last))};
}

std::string Micros(double micros) {
  if (micros < 1000) {
    return Fixed(micros, 0) + " us";
  }
  if (micros < 1e6) {
    return Fixed(micros / 1e3, 2) + " ms";
  }
  return Fixed(micros / 1e6, 2) + " s";
}

}  // namespace leadline::eval
