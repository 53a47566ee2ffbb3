#include <optional>
#include <utility>
#include <vector>

#include "filter_builder.h"
#include "leadline/core/filter.h"
#include "leadline/core/filter_tree.h"
#include "leadline/core/utf8_check.h"
#include "lexer.h"

namespace leadline {
namespace {

constexpr std::string_view kOperators =
    "an operator (= != < <= > >= [NOT] IN, BETWEEN, LIKE, CONTAINS, IS [NOT] NULL)";

/// What is open at one level of parentheses.
struct Group {
  size_t offset = 0;          ///< of the parenthesis
  size_t negations = 0;       ///< NOTs waiting for the next operand
  std::vector<Filter> terms;  ///< operands of the current conjunction
  std::vector<Filter> conjunctions;
};

/// filter  := or ;  or := and {OR and} ;  and := unary {AND unary}
/// unary   := {NOT} ( '(' or ')' | predicate )
/// Parentheses are kept on an explicit stack, so depth costs no machine stack.
class Parser {
 public:
  explicit Parser(std::string_view text) : lexer_(text) {}

  Result<Filter> Parse();
  Result<std::vector<std::string>> ParsePath();

  Status Start() { return lexer_.Advance(); }

  Status ExpectEnd(std::string_view expected) {
    return lexer_.peek().kind == TokenKind::kEnd ? Status() : lexer_.Expected(expected);
  }

 private:
  /// Reads NOTs and opening parentheses, then one predicate.
  Result<Filter> ParseOperand();
  Result<Filter> ParsePredicate();
  Status ParseOperator(FilterNode* node, bool* negated);
  Status ParseContains(FilterNode* node);
  Status ParseLiteral(FilterNode* node);
  Status ParseList(FilterNode* node);
  Status ExpectSymbol(std::string_view symbol, std::string_view expected);

  /// Adds an operand to the innermost group, applying its NOTs.
  Status Take(Filter operand);
  /// Ends the current conjunction of the innermost group.
  Status EndConjunction();
  /// Ends the innermost group.
  Result<Filter> Close();
  /// Points a limit error of the builder at the current token.
  template <typename T>
  Result<T> Located(Result<T> made) const;

  Lexer lexer_;
  std::vector<Group> groups_;
  size_t operands_ = 0;
};

template <typename T>
Result<T> Parser::Located(Result<T> made) const {
  if (made.ok()) {
    return made;
  }
  const Status status = made.status();
  Status located = lexer_.ErrorAt(lexer_.peek().offset, status.message());
  located.WithField(status.field().empty() ? "filter" : status.field(), status.limit());
  return located;
}

Status Parser::ExpectSymbol(std::string_view symbol, std::string_view expected) {
  return lexer_.AtSymbol(symbol) ? lexer_.Advance() : lexer_.Expected(expected);
}

Result<std::vector<std::string>> Parser::ParsePath() {
  std::vector<std::string> keys;
  while (true) {
    const Token& token = lexer_.peek();
    if (token.kind != TokenKind::kWord && token.kind != TokenKind::kQuotedKey) {
      return lexer_.Expected("a key of a path");
    }
    if (keys.size() == kMaxFilterPathKeys) {
      return lexer_.ErrorAt(token.offset,
                            "path has too many keys: limit=" + std::to_string(kMaxFilterPathKeys));
    }
    keys.push_back(token.value);
    LEADLINE_RETURN_IF_ERROR(lexer_.Advance());
    if (!lexer_.AtSymbol(".")) {
      return keys;
    }
    LEADLINE_RETURN_IF_ERROR(lexer_.Advance());
  }
}

Status Parser::ParseLiteral(FilterNode* node) {
  const Token& token = lexer_.peek();
  if (token.kind == TokenKind::kString) {
    node->literals.emplace_back(token.value);
  } else if (token.kind == TokenKind::kNumber) {
    node->literals.emplace_back(token.number);
  } else if (lexer_.AtKeyword("TRUE") || lexer_.AtKeyword("FALSE")) {
    node->literals.emplace_back(lexer_.AtKeyword("TRUE"));
  } else if (lexer_.AtKeyword("NULL")) {
    return lexer_.Expected("a value (nothing equals NULL; use IS NULL)");
  } else if (token.kind == TokenKind::kQuotedKey) {
    return lexer_.Expected("a value (strings stand in single quotes)");
  } else {
    return lexer_.Expected("a value: a number, a 'string', TRUE or FALSE");
  }
  return lexer_.Advance();
}

Status Parser::ParseList(FilterNode* node) {
  LEADLINE_RETURN_IF_ERROR(ExpectSymbol("(", "( and a list of values"));
  while (true) {
    LEADLINE_RETURN_IF_ERROR(ParseLiteral(node));
    if (lexer_.AtSymbol(")")) {
      return lexer_.Advance();
    }
    LEADLINE_RETURN_IF_ERROR(ExpectSymbol(",", ", or )"));
  }
}

Status Parser::ParseContains(FilterNode* node) {
  node->kind = FilterNodeKind::kContainsAny;
  if (lexer_.AtKeyword("ALL") || lexer_.AtKeyword("ANY")) {
    if (lexer_.AtKeyword("ALL")) {
      node->kind = FilterNodeKind::kContainsAll;
    }
    LEADLINE_RETURN_IF_ERROR(lexer_.Advance());
    return ParseList(node);
  }
  return ParseLiteral(node);
}

Status Parser::ParseOperator(FilterNode* node, bool* negated) {
  if (lexer_.peek().kind == TokenKind::kSymbol) {
    static constexpr std::pair<std::string_view, CompareOp> kCompare[] = {
        {"=", CompareOp::kEqual},   {"!=", CompareOp::kNotEqual},
        {"<", CompareOp::kLess},    {"<=", CompareOp::kLessEqual},
        {">", CompareOp::kGreater}, {">=", CompareOp::kGreaterEqual}};
    for (const auto& [symbol, op] : kCompare) {
      if (lexer_.AtSymbol(symbol)) {
        node->kind = FilterNodeKind::kCompare;
        node->op = op;
        LEADLINE_RETURN_IF_ERROR(lexer_.Advance());
        return ParseLiteral(node);
      }
    }
    return lexer_.Expected(kOperators);
  }
  if (lexer_.AtKeyword("IS")) {
    node->kind = FilterNodeKind::kIsNull;
    LEADLINE_RETURN_IF_ERROR(lexer_.Advance());
    if (lexer_.AtKeyword("NOT")) {
      *negated = true;
      LEADLINE_RETURN_IF_ERROR(lexer_.Advance());
    }
    return lexer_.AtKeyword("NULL") ? lexer_.Advance() : lexer_.Expected("NULL");
  }
  if (lexer_.AtKeyword("NOT")) {
    *negated = true;
    LEADLINE_RETURN_IF_ERROR(lexer_.Advance());
  }
  if (lexer_.AtKeyword("IN")) {
    node->kind = FilterNodeKind::kIn;
    LEADLINE_RETURN_IF_ERROR(lexer_.Advance());
    return ParseList(node);
  }
  if (lexer_.AtKeyword("CONTAINS")) {
    LEADLINE_RETURN_IF_ERROR(lexer_.Advance());
    return ParseContains(node);
  }
  if (lexer_.AtKeyword("LIKE")) {
    node->kind = FilterNodeKind::kLike;
    LEADLINE_RETURN_IF_ERROR(lexer_.Advance());
    return lexer_.peek().kind == TokenKind::kString ? ParseLiteral(node)
                                                    : lexer_.Expected("a 'pattern'");
  }
  if (lexer_.AtKeyword("BETWEEN")) {
    node->kind = FilterNodeKind::kBetween;
    LEADLINE_RETURN_IF_ERROR(lexer_.Advance());
    LEADLINE_RETURN_IF_ERROR(ParseLiteral(node));
    if (!lexer_.AtKeyword("AND")) {
      return lexer_.Expected("AND and the upper bound of BETWEEN");
    }
    LEADLINE_RETURN_IF_ERROR(lexer_.Advance());
    return ParseLiteral(node);
  }
  return lexer_.Expected(*negated ? "IN, BETWEEN, LIKE or CONTAINS after NOT" : kOperators);
}

Result<Filter> Parser::ParsePredicate() {
  FilterNode node;
  bool negated = false;
  const Token start = lexer_.peek();
  if (lexer_.AtKeyword("EXISTS")) {
    LEADLINE_RETURN_IF_ERROR(lexer_.Advance());
    LEADLINE_ASSIGN_OR_RETURN(node.path, ParsePath());
  } else {
    if (start.kind == TokenKind::kWord && IsFilterKeyword(start.source)) {
      return lexer_.Expected("a path, NOT, EXISTS or ( (a key named like a keyword needs \"\")");
    }
    if (start.kind != TokenKind::kWord && start.kind != TokenKind::kQuotedKey) {
      return lexer_.Expected("a path, NOT, EXISTS or (");
    }
    LEADLINE_ASSIGN_OR_RETURN(node.path, ParsePath());
    LEADLINE_RETURN_IF_ERROR(ParseOperator(&node, &negated));
  }
  Result<Filter> made = FilterBuilder::Predicate(std::move(node));
  if (!made.ok()) {
    const Status status = made.status();
    return lexer_.ErrorAt(start.offset, status.message());
  }
  return negated ? Located(Filter::Not(*made)) : made;
}

Result<Filter> Parser::ParseOperand() {
  while (true) {
    Group& group = groups_.back();
    if (lexer_.AtKeyword("NOT")) {
      if (++group.negations > kMaxFilterDepth) {
        return Located(Result<Filter>(InvalidFieldError("filter nested too deeply", "filter depth",
                                                        std::to_string(group.negations),
                                                        std::to_string(kMaxFilterDepth))));
      }
    } else if (lexer_.AtSymbol("(")) {
      if (groups_.size() > kMaxFilterDepth) {
        return Located(Result<Filter>(InvalidFieldError("filter nested too deeply", "filter depth",
                                                        std::to_string(groups_.size()),
                                                        std::to_string(kMaxFilterDepth))));
      }
      groups_.emplace_back().offset = lexer_.peek().offset;
    } else {
      break;
    }
    LEADLINE_RETURN_IF_ERROR(lexer_.Advance());
  }
  if (++operands_ > kMaxFilterNodes) {
    return Located(Result<Filter>(InvalidFieldError("filter has too many nodes", "filter nodes",
                                                    std::to_string(operands_),
                                                    std::to_string(kMaxFilterNodes))));
  }
  return ParsePredicate();
}

Status Parser::Take(Filter operand) {
  Group& group = groups_.back();
  for (; group.negations > 0; --group.negations) {
    LEADLINE_ASSIGN_OR_RETURN(operand, Located(Filter::Not(operand)));
  }
  group.terms.push_back(operand);
  return {};
}

Status Parser::EndConjunction() {
  Group& group = groups_.back();
  LEADLINE_ASSIGN_OR_RETURN(const Filter conjunction, Located(Filter::And(group.terms)));
  group.conjunctions.push_back(conjunction);
  group.terms.clear();
  return {};
}

Result<Filter> Parser::Close() {
  LEADLINE_RETURN_IF_ERROR(EndConjunction());
  LEADLINE_ASSIGN_OR_RETURN(Filter whole, Located(Filter::Or(groups_.back().conjunctions)));
  groups_.pop_back();
  return whole;
}

Result<Filter> Parser::Parse() {
  groups_.emplace_back();
  while (true) {
    LEADLINE_ASSIGN_OR_RETURN(const Filter operand, ParseOperand());
    LEADLINE_RETURN_IF_ERROR(Take(operand));
    while (groups_.size() > 1 && lexer_.AtSymbol(")")) {
      LEADLINE_ASSIGN_OR_RETURN(const Filter inner, Close());
      LEADLINE_RETURN_IF_ERROR(lexer_.Advance());
      LEADLINE_RETURN_IF_ERROR(Take(inner));
    }
    if (lexer_.AtKeyword("OR")) {
      LEADLINE_RETURN_IF_ERROR(EndConjunction());
    } else if (!lexer_.AtKeyword("AND")) {
      break;
    }
    LEADLINE_RETURN_IF_ERROR(lexer_.Advance());
  }
  if (groups_.size() > 1 && lexer_.peek().kind == TokenKind::kEnd) {
    return lexer_.ErrorAt(groups_.back().offset, "parenthesis without its closing )");
  }
  LEADLINE_RETURN_IF_ERROR(ExpectEnd(groups_.size() > 1 ? "AND, OR or )" : "AND, OR or the end"));
  return Close();
}

Status CheckText(std::string_view text) {
  if (text.size() > kMaxFilterBytes) {
    return InvalidFieldError("filter too long", "filter bytes", std::to_string(text.size()),
                             std::to_string(kMaxFilterBytes));
  }
  if (!IsValidUtf8(text)) {
    return InvalidArgumentError("filter is not valid UTF-8").WithField("filter");
  }
  return {};
}

}  // namespace

Result<Filter> Filter::Parse(std::string_view text) {
  LEADLINE_RETURN_IF_ERROR(CheckText(text));
  Parser parser(text);
  LEADLINE_RETURN_IF_ERROR(parser.Start());
  return parser.Parse();
}

Result<std::vector<std::string>> ParseFilterPath(std::string_view path) {
  LEADLINE_RETURN_IF_ERROR(CheckText(path));
  Parser parser(path);
  LEADLINE_RETURN_IF_ERROR(parser.Start());
  LEADLINE_ASSIGN_OR_RETURN(std::vector<std::string> keys, parser.ParsePath());
  LEADLINE_RETURN_IF_ERROR(parser.ExpectEnd("the end of the path"));
  return keys;
}

}  // namespace leadline
