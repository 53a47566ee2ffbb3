#include "arguments.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>
#include <utility>

namespace leadline::cli {
namespace {

std::string JoinWords(const std::vector<std::string>& words) {
  std::string joined;
  for (const std::string& word : words) {
    joined += (joined.empty() ? "" : "|") + word;
  }
  return joined;
}

bool Contains(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string RealText(double value) {
  std::ostringstream text;
  text << value;
  return text.str();
}

std::string RangeText(uint64_t min, uint64_t max) {
  return "[" + std::to_string(min) + ", " + std::to_string(max) + "]";
}

}  // namespace

Argument& Arguments::Add(Argument argument) {
  return list_.emplace_back(std::move(argument));
}

Argument& Arguments::Positional(std::string* target, std::string name, std::string help) {
  return Add({Argument::Kind::kPositional, std::move(name), "", std::move(help), "", "", true,
              false, [target](const std::string&, const std::string& value) {
                *target = value;
                return OkStatus();
              }});
}

Argument& Arguments::Positionals(std::vector<std::string>* target, std::string name,
                                 std::string help) {
  return Add({Argument::Kind::kPositional, std::move(name), "", std::move(help), "", "", true, true,
              [target](const std::string&, const std::string& value) {
                target->push_back(value);
                return OkStatus();
              }});
}

Argument& Arguments::Flag(bool* target, std::string name, std::string help) {
  Argument& flag =
      Add({Argument::Kind::kFlag, std::move(name), "", std::move(help), "", "", false, false,
           [target](const std::string& field, const std::string& value) {
             if (value != "true" && value != "false") {
               return InvalidFieldError("neither true nor false", field, value, "true|false");
             }
             *target = value == "true";
             return OkStatus();
           }});
  flag.type = ValueType::kTruth;
  return flag;
}

Argument& Arguments::Text(std::string* target, std::string name, std::string value_name,
                          std::string help) {
  return Add({Argument::Kind::kOption, std::move(name), std::move(value_name), std::move(help),
              *target, "", false, false, [target](const std::string&, const std::string& value) {
                *target = value;
                return OkStatus();
              }});
}

Argument& Arguments::Text(std::optional<std::string>* target, std::string name,
                          std::string value_name, std::string help) {
  return Add({Argument::Kind::kOption, std::move(name), std::move(value_name), std::move(help), "",
              "", false, false, [target](const std::string&, const std::string& value) {
                *target = value;
                return OkStatus();
              }});
}

Argument& Arguments::Texts(std::vector<std::string>* target, std::string name,
                           std::string value_name, std::string help) {
  return Add({Argument::Kind::kOption, std::move(name), std::move(value_name), std::move(help), "",
              "", false, true, [target](const std::string&, const std::string& value) {
                target->push_back(value);
                return OkStatus();
              }});
}

Argument& Arguments::Choice(std::string* target, const std::string& name,
                            std::vector<std::string> words, std::string help,
                            std::vector<std::string> later) {
  const std::string limit = JoinWords(words);
  Argument argument{
      Argument::Kind::kOption, name, "WORD", std::move(help), *target, limit, false, false, {}};
  argument.set = [target, words = std::move(words), later = std::move(later), limit](
                     const std::string& field, const std::string& value) {
    if (!Contains(words, value)) {
      return InvalidFieldError(Contains(later, value) ? "not in this version" : "unknown word",
                               field, value, limit);
    }
    *target = value;
    return OkStatus();
  };
  return Add(std::move(argument));
}

Argument& Arguments::Number(uint64_t* target, const std::string& name, std::string help,
                            uint64_t min, uint64_t max) {
  Argument argument{Argument::Kind::kOption,
                    name,
                    "N",
                    std::move(help),
                    std::to_string(*target),
                    RangeText(min, max),
                    false,
                    false,
                    {}};
  argument.type = ValueType::kNumber;
  argument.set = [target, min, max](const std::string& field, const std::string& value) -> Status {
    LEADLINE_ASSIGN_OR_RETURN(*target, ParseNumber(field, value, min, max));
    return OkStatus();
  };
  return Add(std::move(argument));
}

Argument& Arguments::Number(std::optional<uint64_t>* target, const std::string& name,
                            std::string help, uint64_t min, uint64_t max) {
  Argument argument{Argument::Kind::kOption,
                    name,
                    "N",
                    std::move(help),
                    "",
                    RangeText(min, max),
                    false,
                    false,
                    {}};
  argument.type = ValueType::kNumber;
  argument.set = [target, min, max](const std::string& field, const std::string& value) -> Status {
    LEADLINE_ASSIGN_OR_RETURN(*target, ParseNumber(field, value, min, max));
    return OkStatus();
  };
  return Add(std::move(argument));
}

Argument& Arguments::Real(double* target, std::string name, std::string help, double min,
                          double max) {
  Argument argument{Argument::Kind::kOption,
                    std::move(name),
                    "X",
                    std::move(help),
                    RealText(*target),
                    "[" + RealText(min) + ", " + RealText(max) + "]",
                    false,
                    false,
                    {}};
  argument.type = ValueType::kReal;
  argument.set = [target, min, max](const std::string& field, const std::string& value) -> Status {
    LEADLINE_ASSIGN_OR_RETURN(*target, ParseReal(field, value, min, max));
    return OkStatus();
  };
  return Add(std::move(argument));
}

Result<uint64_t> ParseNumber(const std::string& field, const std::string& value, uint64_t min,
                             uint64_t max) {
  uint64_t number = 0;
  const char* end = value.data() + value.size();
  const auto parsed = std::from_chars(value.data(), end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end || number < min || number > max) {
    return InvalidFieldError("not a whole number in range", field, value, RangeText(min, max));
  }
  return number;
}

Result<double> ParseReal(const std::string& field, const std::string& value, double min,
                         double max) {
  double number = 0;
  const char* end = value.data() + value.size();
  const auto parsed = std::from_chars(value.data(), end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end || !std::isfinite(number) || number < min ||
      number > max) {
    return InvalidFieldError("not a number in range", field, value,
                             "[" + RealText(min) + ", " + RealText(max) + "]");
  }
  return number;
}

std::vector<std::string> SplitList(const std::string& text, char separator) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(separator, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
    if (begin == text.size()) {
      parts.emplace_back();
    }
  }
  return parts;
}

}  // namespace leadline::cli
