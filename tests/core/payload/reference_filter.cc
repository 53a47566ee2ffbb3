#include "reference_filter.h"

#include <algorithm>
#include <cstdlib>
#include <limits>

namespace leadline::testing {
namespace {

using Type = RefValue::Type;
using Kind = RefFilter::Kind;

// Wide enough for every int64, uint64 and double at once.
static_assert(std::numeric_limits<long double>::digits >= 64);

long double NumberOf(const std::string& written) {
  const long double exact = std::strtold(written.c_str(), nullptr);
  const bool integer = written.find_first_of(".eE") == std::string::npos;
  if (integer && exact >= -9223372036854775808.0L && exact < 18446744073709551616.0L) {
    return exact;
  }
  return std::strtod(written.c_str(), nullptr);
}

/// -1, 0, 1, or 9 when the two cannot be compared.
int Order(const RefValue& a, const RefValue& b) {
  if (a.type != b.type) {
    return 9;
  }
  switch (a.type) {
    case Type::kBool:
      return a.truth == b.truth ? 0 : (a.truth ? 1 : -1);
    case Type::kNumber: {
      const long double x = NumberOf(a.number);
      const long double y = NumberOf(b.number);
      return x < y ? -1 : (x > y ? 1 : 0);
    }
    case Type::kString: {
      const int order = a.text.compare(b.text);
      return order < 0 ? -1 : (order > 0 ? 1 : 0);
    }
    default:
      return 9;
  }
}

/// Values at the path itself, arrays not opened.
void Reach(const RefValue& from, const std::vector<std::string>& path, size_t step,
           std::vector<const RefValue*>* found) {
  if (step == path.size()) {
    found->push_back(&from);
    return;
  }
  if (from.type == Type::kObject) {
    for (const RefValue& member : from.members) {
      if (member.key == path[step]) {
        Reach(member, path, step + 1, found);
      }
    }
  } else if (from.type == Type::kArray) {
    for (const RefValue& element : from.elements) {
      if (element.type == Type::kObject) {
        Reach(element, path, step, found);
      }
    }
  }
}

std::vector<std::string> Characters(const std::string& text) {
  std::vector<std::string> out;
  for (const char c : text) {
    if ((static_cast<unsigned char>(c) & 0xC0U) != 0x80) {
      out.emplace_back();
    }
    out.back() += c;
  }
  return out;
}

bool LikeFrom(const std::vector<std::string>& pattern, size_t p,
              const std::vector<std::string>& text, size_t t) {
  if (p == pattern.size()) {
    return t == text.size();
  }
  if (pattern[p] == "%") {
    return LikeFrom(pattern, p + 1, text, t) ||
           (t < text.size() && LikeFrom(pattern, p, text, t + 1));
  }
  if (t == text.size()) {
    return false;
  }
  if (pattern[p] == "\\") {
    return pattern[p + 1] == text[t] && LikeFrom(pattern, p + 2, text, t + 1);
  }
  return (pattern[p] == "_" || pattern[p] == text[t]) && LikeFrom(pattern, p + 1, text, t + 1);
}

bool HoldsFor(const RefFilter& filter, const RefValue& value) {
  const int order = Order(value, filter.literals[0]);
  switch (filter.kind) {
    case Kind::kCompare:
      if (order == 9) {
        return false;
      }
      return (filter.op == "=" && order == 0) || (filter.op == "!=" && order != 0) ||
             (filter.op == "<" && order < 0) || (filter.op == "<=" && order <= 0) ||
             (filter.op == ">" && order > 0) || (filter.op == ">=" && order >= 0);
    case Kind::kIn:
      return std::any_of(filter.literals.begin(), filter.literals.end(),
                         [&](const RefValue& literal) { return Order(value, literal) == 0; });
    case Kind::kBetween:
      return order != 9 && order >= 0 && Order(value, filter.literals[1]) <= 0;
    case Kind::kLike:
      return value.type == Type::kString &&
             LikeFrom(Characters(filter.literals[0].text), 0, Characters(value.text), 0);
    default:
      return false;
  }
}

bool Contains(const RefValue& value, const RefValue& literal) {
  if (value.type == Type::kArray) {
    return std::any_of(value.elements.begin(), value.elements.end(),
                       [&](const RefValue& element) { return Order(element, literal) == 0; });
  }
  return value.type == Type::kString && literal.type == Type::kString &&
         value.text.find(literal.text) != std::string::npos;
}

bool PredicateHolds(const RefFilter& filter, const RefValue& payload) {
  std::vector<const RefValue*> found;
  Reach(payload, filter.path, 0, &found);
  switch (filter.kind) {
    case Kind::kExists:
      return !found.empty();
    case Kind::kNull:
      return std::all_of(found.begin(), found.end(),
                         [](const RefValue* value) { return value->type == Type::kNull; });
    case Kind::kContains:
    case Kind::kAny:
    case Kind::kAll:
      return std::any_of(found.begin(), found.end(), [&](const RefValue* value) {
        size_t contained = 0;
        for (const RefValue& literal : filter.literals) {
          contained += Contains(*value, literal) ? 1 : 0;
        }
        return filter.kind == Kind::kAll ? contained == filter.literals.size() : contained > 0;
      });
    default:
      break;
  }
  return std::any_of(found.begin(), found.end(), [&](const RefValue* value) {
    if (value->type == Type::kArray) {
      return std::any_of(value->elements.begin(), value->elements.end(),
                         [&](const RefValue& element) { return HoldsFor(filter, element); });
    }
    return HoldsFor(filter, *value);
  });
}

std::string Quote(const std::string& text, char quote) {
  std::string out(1, quote);
  for (const char c : text) {
    out += c == quote ? std::string(2, c) : std::string(1, c);
  }
  return out + quote;
}

std::string LiteralText(const RefValue& literal) {
  switch (literal.type) {
    case Type::kBool:
      return literal.truth ? "true" : "FALSE";
    case Type::kNumber:
      return literal.number;
    default:
      return Quote(literal.text, '\'');
  }
}

std::string ListText(const std::vector<RefValue>& literals) {
  std::string out = "(";
  for (const RefValue& literal : literals) {
    out += (out.size() == 1 ? "" : ",") + LiteralText(literal);
  }
  return out + ")";
}

std::string PathText(const std::vector<std::string>& path) {
  std::string out;
  for (const std::string& key : path) {
    out += (out.empty() ? "" : ".") + Quote(key, '"');
  }
  return out;
}

}  // namespace

std::string RefJson(const RefValue& value) {
  std::string out;
  switch (value.type) {
    case Type::kNull:
      return "null";
    case Type::kBool:
      return value.truth ? "true" : "false";
    case Type::kNumber:
      return value.number;
    case Type::kString:
      out = "\"";
      for (const char c : value.text) {
        out += c == '"' || c == '\\' ? std::string{'\\', c} : std::string(1, c);
      }
      return out + "\"";
    case Type::kArray:
      for (const RefValue& element : value.elements) {
        out += (out.empty() ? "[" : ",") + RefJson(element);
      }
      return out.empty() ? "[]" : out + "]";
    case Type::kObject:
      for (const RefValue& member : value.members) {
        out += (out.empty() ? "{\"" : ", \"") + member.key + "\": " + RefJson(member);
      }
      return out.empty() ? "{}" : out + "}";
  }
  return out;
}

std::string RefText(const RefFilter& filter) {
  const std::string path = PathText(filter.path);
  switch (filter.kind) {
    case Kind::kCompare:
      return path + filter.op + LiteralText(filter.literals[0]);
    case Kind::kIn:
      return path + " in " + ListText(filter.literals);
    case Kind::kBetween:
      return path + " between " + LiteralText(filter.literals[0]) + " and " +
             LiteralText(filter.literals[1]);
    case Kind::kLike:
      return path + " like " + LiteralText(filter.literals[0]);
    case Kind::kContains:
      return path + " contains " + LiteralText(filter.literals[0]);
    case Kind::kAny:
      return path + " contains any " + ListText(filter.literals);
    case Kind::kAll:
      return path + " contains all " + ListText(filter.literals);
    case Kind::kNull:
      return path + " is null";
    case Kind::kExists:
      return "exists " + path;
    case Kind::kNot:
      return "not (" + RefText(filter.parts[0]) + ")";
    case Kind::kAnd:
    case Kind::kOr:
      break;
  }
  std::string out;
  for (const RefFilter& part : filter.parts) {
    out += out.empty() ? "" : (filter.kind == Kind::kAnd ? " and " : " or ");
    out += "(" + RefText(part) + ")";
  }
  return out;
}

bool RefMatches(const RefFilter& filter, const RefValue& payload) {
  const auto matches = [&](const RefFilter& part) { return RefMatches(part, payload); };
  switch (filter.kind) {
    case Kind::kAnd:
      return std::all_of(filter.parts.begin(), filter.parts.end(), matches);
    case Kind::kOr:
      return std::any_of(filter.parts.begin(), filter.parts.end(), matches);
    case Kind::kNot:
      return !matches(filter.parts[0]);
    default:
      return PredicateHolds(filter, payload);
  }
}

}  // namespace leadline::testing
