#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "leadline/core/exact_number.h"
#include "leadline/core/status.h"

namespace leadline {

enum class TokenKind : uint8_t {
  kEnd,
  kWord,       ///< unquoted key or keyword
  kQuotedKey,  ///< "..."
  kString,     ///< '...'
  kNumber,
  kSymbol,  ///< ( ) , . = != < <= > >=
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  size_t offset = 0;
  std::string_view source;  ///< as written
  std::string value;        ///< unquoted content; the symbol with <> turned into !=
  ExactNumber number;
};

/// Cuts filter text into tokens, one ahead. Thread-compatible; the text must outlive it.
class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  /// Moves to the next token, which peek() then shows.
  Status Advance();

  [[nodiscard]] const Token& peek() const { return token_; }

  /// True if the token is this keyword (upper case), in any case.
  [[nodiscard]] bool AtKeyword(std::string_view keyword) const;
  [[nodiscard]] bool AtSymbol(std::string_view symbol) const;
  /// kInvalidArgument that points at the token: "filter does not parse: expected X, found Y: ...".
  [[nodiscard]] Status Expected(std::string_view expected) const;
  /// kInvalidArgument that points at a byte of the text.
  [[nodiscard]] Status ErrorAt(size_t offset, std::string_view message) const;

 private:
  Status LexQuoted(char quote);
  Status LexNumber();
  Status LexSymbol();

  std::string_view text_;
  size_t position_ = 0;
  Token token_;
};

}  // namespace leadline
