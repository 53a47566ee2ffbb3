#include "random_payload.h"

#include <string>

namespace leadline::testing {
namespace {

using Type = RefValue::Type;
using Kind = RefFilter::Kind;

template <typename T, size_t n>
const T& Pick(Rng* rng, const T (&choices)[n]) {
  return choices[rng->Uniform(n)];
}

const std::string kKeys[] = {"a", "b", "tags", "we ird"};

RefValue Number(Rng* rng) {
  static const std::string kNumbers[] = {"0",
                                         "-0",
                                         "-0.0",
                                         "1",
                                         "1.0",
                                         "-1",
                                         "2",
                                         "0.1",
                                         "1.5",
                                         "-1.5",
                                         "1e2",
                                         "100",
                                         "9007199254740992",
                                         "9007199254740993",
                                         "9007199254740993.0",
                                         "9223372036854775807",
                                         "9223372036854775808",
                                         "9.223372036854775807e18",
                                         "-9223372036854775808",
                                         "-9223372036854775809",
                                         "18446744073709551615",
                                         "18446744073709551616",
                                         "123456789012345678901234567890",
                                         "1e308",
                                         "-1e308",
                                         "5e-324",
                                         "1e-310"};
  RefValue value;
  value.type = Type::kNumber;
  value.number = Pick(rng, kNumbers);
  return value;
}

RefValue Text(Rng* rng) {
  static const std::string kTexts[] = {"",    "x", "y",    "xy",   "xyx", "ab",   "abc",
                                       "aab", "é", "ก",    "กข",   "ขก",  "😀",    "😀x",
                                       "%",   "_", "it's", "a\\b", "1",   "true", "say \"hi\""};
  RefValue value;
  value.type = Type::kString;
  value.text =
      rng->Uniform(40) == 0 ? std::string(300, 'x') + Pick(rng, kTexts) : Pick(rng, kTexts);
  return value;
}

RefValue Scalar(Rng* rng) {
  RefValue value;
  switch (rng->Uniform(8)) {
    case 0:
      return value;
    case 1:
      value.type = Type::kBool;
      value.truth = rng->Uniform(2) == 0;
      return value;
    case 2:
    case 3:
    case 4:
      return Number(rng);
    default:
      return Text(rng);
  }
}

RefValue Any(Rng* rng, int depth);

RefValue Object(Rng* rng, int depth) {
  RefValue value;
  value.type = Type::kObject;
  for (const std::string& key : kKeys) {
    if (rng->Uniform(2) == 0) {
      value.members.push_back(Any(rng, depth - 1));
      value.members.back().key = key;
    }
  }
  return value;
}

RefValue Any(Rng* rng, int depth) {
  const uint64_t choice = rng->Uniform(10);
  if (depth <= 0 || choice < 4) {
    return Scalar(rng);
  }
  if (choice < 6) {
    return Object(rng, depth);
  }
  RefValue value;
  value.type = Type::kArray;
  if (choice < 8) {
    const uint64_t n = rng->Uniform(200) == 0 ? 300 : rng->Uniform(5);
    for (uint64_t i = 0; i < n; ++i) {
      value.elements.push_back(Scalar(rng));
    }
    return value;
  }
  for (uint64_t n = rng->Uniform(4); n > 0; --n) {
    value.elements.push_back(rng->Uniform(4) == 0 ? Any(rng, depth - 1) : Object(rng, depth - 1));
  }
  return value;
}

RefValue Literal(Rng* rng) {
  RefValue value;
  do {
    value = Scalar(rng);
  } while (value.type == Type::kNull);
  return value;
}

std::string Pattern(Rng* rng) {
  static const std::string kPieces[] = {"%", "%", "_", "x", "y", "ab", "ก", "\\%", "\\_", "\\\\"};
  std::string pattern;
  for (uint64_t n = rng->Uniform(5); n > 0; --n) {
    pattern += Pick(rng, kPieces);
  }
  return pattern;
}

RefFilter Predicate(Rng* rng) {
  static const std::string kOps[] = {"=", "!=", "<", "<=", ">", ">="};
  static const Kind kKinds[] = {Kind::kCompare, Kind::kCompare, Kind::kCompare,  Kind::kIn,
                                Kind::kBetween, Kind::kLike,    Kind::kContains, Kind::kAny,
                                Kind::kAll,     Kind::kNull,    Kind::kExists};
  RefFilter filter;
  filter.kind = Pick(rng, kKinds);
  do {
    filter.path.push_back(rng->Uniform(30) == 0 ? "absent" : Pick(rng, kKeys));
  } while (rng->Uniform(3) == 0);
  switch (filter.kind) {
    case Kind::kCompare:
      filter.literals.push_back(Literal(rng));
      filter.op = kOps[rng->Uniform(filter.literals[0].type == Type::kBool ? 2 : 6)];
      break;
    case Kind::kBetween:
      filter.literals = {Text(rng), Text(rng)};
      if (rng->Uniform(2) == 0) {
        filter.literals = {Number(rng), Number(rng)};
      }
      break;
    case Kind::kLike:
      filter.literals.push_back(Text(rng));
      filter.literals[0].text = Pattern(rng);
      break;
    case Kind::kContains:
      filter.literals.push_back(Literal(rng));
      break;
    case Kind::kIn:
    case Kind::kAny:
    case Kind::kAll:
      do {
        filter.literals.push_back(Literal(rng));
      } while (rng->Uniform(2) == 0);
      break;
    default:
      break;
  }
  return filter;
}

}  // namespace

RefValue RandomPayload(Rng* rng) {
  return Object(rng, 4);
}

RefFilter RandomFilter(Rng* rng, int depth) {
  const uint64_t choice = rng->Uniform(8);
  if (depth <= 1 || choice < 3) {
    return Predicate(rng);
  }
  RefFilter filter;
  filter.kind = choice == 3 ? Kind::kNot : (choice < 6 ? Kind::kAnd : Kind::kOr);
  do {
    filter.parts.push_back(RandomFilter(rng, depth - 1));
  } while (filter.kind != Kind::kNot && rng->Uniform(2) == 0);
  return filter;
}

}  // namespace leadline::testing
