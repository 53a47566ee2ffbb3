#include "lexer.h"

#include <algorithm>
#include <charconv>
#include <system_error>

#include "filter_text.h"

namespace leadline {
namespace {

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

bool IsContinuationByte(char c) {
  return (static_cast<unsigned char>(c) & 0xC0U) == 0x80;
}

/// At most 40 bytes of `text`, cut between characters.
std::string Shortened(std::string_view text) {
  constexpr size_t kMost = 40;
  if (text.size() <= kMost) {
    return std::string(text);
  }
  size_t end = kMost;
  while (end > 0 && IsContinuationByte(text[end])) {
    --end;
  }
  return std::string(text.substr(0, end)) + "...";
}

/// True if a well-formed number other than zero is nearer to zero than to any double, rather than
/// beyond the largest one: std::from_chars calls both out of range.
bool IsTiny(std::string_view number) {
  constexpr int64_t kHuge = 1'000'000'000;
  int64_t exponent = 0;  // decimal, of the first digit that is not zero
  const size_t mark = number.find_first_of("eE");
  const std::string_view mantissa = number.substr(0, mark);
  const size_t point = std::min(mantissa.find('.'), mantissa.size());
  const size_t first = mantissa.find_first_of("123456789");
  if (first == std::string_view::npos) {
    return true;
  }
  exponent = static_cast<int64_t>(point) - static_cast<int64_t>(first) - (first < point ? 1 : 0);
  if (mark != std::string_view::npos) {
    const bool negative = number[mark + 1] == '-';
    int64_t written = 0;
    for (const char c : number.substr(mark + 1)) {
      written = IsDigit(c) ? std::min(written * 10 + (c - '0'), kHuge) : written;
    }
    exponent += negative ? -written : written;
  }
  return exponent < 0;
}

}  // namespace

Status Lexer::ErrorAt(size_t offset, std::string_view message) const {
  size_t line = 1;
  size_t column = 1;
  for (const char c : text_.substr(0, offset)) {
    if (c == '\n') {
      ++line;
      column = 1;
    } else if (!IsContinuationByte(c)) {
      ++column;
    }
  }
  return InvalidArgumentError("filter does not parse: " + std::string(message) + ": line=" +
                              std::to_string(line) + " column=" + std::to_string(column))
      .WithField("filter");
}

Status Lexer::Expected(std::string_view expected) const {
  const std::string found = token_.kind == TokenKind::kEnd ? "the end" : Shortened(token_.source);
  return ErrorAt(token_.offset, "expected " + std::string(expected) + ", found " + found);
}

bool Lexer::AtKeyword(std::string_view keyword) const {
  return token_.kind == TokenKind::kWord &&
         std::equal(token_.source.begin(), token_.source.end(), keyword.begin(), keyword.end(),
                    [](char a, char b) {
                      return (a >= 'a' && a <= 'z' ? static_cast<char>(a - 'a' + 'A') : a) == b;
                    });
}

bool Lexer::AtSymbol(std::string_view symbol) const {
  return token_.kind == TokenKind::kSymbol && token_.value == symbol;
}

Status Lexer::Advance() {
  while (position_ < text_.size() &&
         std::string_view(" \t\r\n").find(text_[position_]) != std::string_view::npos) {
    ++position_;
  }
  token_ = Token();
  token_.offset = position_;
  if (position_ == text_.size()) {
    return {};
  }
  const char c = text_[position_];
  Status status;
  if (c == '\'' || c == '"') {
    status = LexQuoted(c);
  } else if (IsDigit(c) || ((c == '-' || c == '+') && position_ + 1 < text_.size() &&
                            IsDigit(text_[position_ + 1]))) {
    status = LexNumber();
  } else if (IsKeyStart(c)) {
    const size_t start = position_;
    while (position_ < text_.size() && IsKeyPart(text_[position_])) {
      ++position_;
    }
    token_.kind = TokenKind::kWord;
    token_.value = text_.substr(start, position_ - start);
  } else {
    status = LexSymbol();
  }
  token_.source = text_.substr(token_.offset, position_ - token_.offset);
  return status;
}

Status Lexer::LexQuoted(char quote) {
  const size_t start = position_++;
  while (position_ < text_.size()) {
    const char c = text_[position_++];
    if (c != quote) {
      token_.value += c;
    } else if (position_ < text_.size() && text_[position_] == quote) {
      token_.value += c;
      ++position_;
    } else {
      token_.kind = quote == '\'' ? TokenKind::kString : TokenKind::kQuotedKey;
      return {};
    }
  }
  return ErrorAt(
      start, quote == '\'' ? "string without its closing '" : "quoted key without its closing \"");
}

Status Lexer::LexNumber() {
  const size_t start = position_;
  if (text_[position_] == '+' || text_[position_] == '-') {
    ++position_;
  }
  const auto digits = [&] {
    const size_t first = position_;
    while (position_ < text_.size() && IsDigit(text_[position_])) {
      ++position_;
    }
    return position_ > first;
  };
  digits();
  bool integer = true;
  bool complete = true;
  if (position_ < text_.size() && text_[position_] == '.') {
    ++position_;
    integer = false;
    complete = digits();
  }
  if (complete && position_ < text_.size() &&
      (text_[position_] == 'e' || text_[position_] == 'E')) {
    ++position_;
    integer = false;
    if (position_ < text_.size() && (text_[position_] == '+' || text_[position_] == '-')) {
      ++position_;
    }
    complete = digits();
  }
  if (!complete || (position_ < text_.size() && IsKeyPart(text_[position_]))) {
    return ErrorAt(start, "number is malformed");
  }
  token_.kind = TokenKind::kNumber;
  const char* first = text_.data() + start + (text_[start] == '+' ? 1 : 0);
  const char* last = text_.data() + position_;
  int64_t as_int = 0;
  uint64_t as_unsigned = 0;
  double as_double = 0;
  if (integer && std::from_chars(first, last, as_int).ec == std::errc()) {
    token_.number = ExactNumber::FromInt(as_int);
  } else if (integer && std::from_chars(first, last, as_unsigned).ec == std::errc()) {
    token_.number = ExactNumber::FromUnsigned(as_unsigned);
  } else if (std::from_chars(first, last, as_double).ec == std::errc()) {
    token_.number = ExactNumber::FromDouble(as_double);
  } else if (IsTiny({first, static_cast<size_t>(last - first)})) {
    token_.number = ExactNumber::FromInt(0);  // what a payload makes of it too
  } else {
    return ErrorAt(start, "number is outside the range of a double");
  }
  return {};
}

Status Lexer::LexSymbol() {
  const std::string_view rest = text_.substr(position_);
  for (const std::string_view symbol :
       {"!=", "<>", "<=", ">=", "(", ")", ",", ".", "=", "<", ">"}) {
    if (rest.substr(0, symbol.size()) == symbol) {
      position_ += symbol.size();
      token_.kind = TokenKind::kSymbol;
      token_.value = symbol == "<>" ? "!=" : symbol;
      return {};
    }
  }
  return ErrorAt(position_, "unknown character " + Shortened(rest.substr(0, 1)));
}

}  // namespace leadline
