#include "filter_text.h"

#include <algorithm>
#include <array>

#include "filter_builder.h"

namespace leadline {
namespace {

std::string Quoted(std::string_view text, char quote) {
  std::string out(1, quote);
  for (const char c : text) {
    out += c;
    if (c == quote) {
      out += quote;
    }
  }
  out += quote;
  return out;
}

std::string LiteralText(const FilterLiteral& literal) {
  if (const auto* truth = std::get_if<bool>(&literal)) {
    return *truth ? "TRUE" : "FALSE";
  }
  if (const auto* number = std::get_if<ExactNumber>(&literal)) {
    return number->ToString();
  }
  return Quoted(std::get<std::string>(literal), '\'');
}

std::string ListText(const std::vector<FilterLiteral>& literals) {
  std::string out = "(";
  for (size_t i = 0; i < literals.size(); ++i) {
    out += (i == 0 ? "" : ", ") + LiteralText(literals[i]);
  }
  return out + ")";
}

std::string_view OperatorText(CompareOp op) {
  switch (op) {
    case CompareOp::kEqual:
      return " = ";
    case CompareOp::kNotEqual:
      return " != ";
    case CompareOp::kLess:
      return " < ";
    case CompareOp::kLessEqual:
      return " <= ";
    case CompareOp::kGreater:
      return " > ";
    case CompareOp::kGreaterEqual:
      return " >= ";
  }
  return " ? ";
}

}  // namespace

bool IsFilterKeyword(std::string_view word) {
  static constexpr std::array<std::string_view, 15> kWords = {
      "ALL", "AND",  "ANY", "BETWEEN", "CONTAINS", "EXISTS", "FALSE", "IN",
      "IS",  "LIKE", "NOT", "NULL",    "OR",       "TRUE",   "ESCAPE"};
  return std::any_of(kWords.begin(), kWords.end(), [&](std::string_view keyword) {
    return std::equal(word.begin(), word.end(), keyword.begin(), keyword.end(), [](char a, char b) {
      return (a >= 'a' && a <= 'z' ? static_cast<char>(a - 'a' + 'A') : a) == b;
    });
  });
}

bool IsKeyStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

bool IsKeyPart(char c) {
  return IsKeyStart(c) || (c >= '0' && c <= '9');
}

std::string FilterPathText(const std::vector<std::string>& keys) {
  std::string out;
  for (const std::string& key : keys) {
    const bool plain = !key.empty() && IsKeyStart(key[0]) &&
                       std::all_of(key.begin(), key.end(), IsKeyPart) && !IsFilterKeyword(key);
    out += (out.empty() ? "" : ".");
    out += plain ? key : Quoted(key, '"');
  }
  return out;
}

std::string PredicateText(const FilterNode& node) {
  std::string path = FilterPathText(node.path);
  switch (node.kind) {
    case FilterNodeKind::kCompare:
      return path + std::string(OperatorText(node.op)) + LiteralText(node.literals[0]);
    case FilterNodeKind::kIn:
      return path + " IN " + ListText(node.literals);
    case FilterNodeKind::kBetween:
      return path + " BETWEEN " + LiteralText(node.literals[0]) + " AND " +
             LiteralText(node.literals[1]);
    case FilterNodeKind::kLike:
      return path + " LIKE " + LiteralText(node.literals[0]);
    case FilterNodeKind::kContainsAny:
      return path + (node.literals.size() == 1 ? " CONTAINS " + LiteralText(node.literals[0])
                                               : " CONTAINS ANY " + ListText(node.literals));
    case FilterNodeKind::kContainsAll:
      return path + " CONTAINS ALL " + ListText(node.literals);
    case FilterNodeKind::kIsNull:
      return path + " IS NULL";
    case FilterNodeKind::kExists:
      return "EXISTS " + path;
    case FilterNodeKind::kAnd:
    case FilterNodeKind::kOr:
    case FilterNodeKind::kNot:
      break;
  }
  return path;
}

}  // namespace leadline
