#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "leadline/core/status.h"

namespace leadline::cli {

/// What a value is where it is not told by its text alone: in a file of settings.
enum class ValueType { kText, kNumber, kReal, kTruth };

/// One declared argument: all that parser, help text, documentation pages and files of settings
/// know about it.
struct Argument {
  enum class Kind { kPositional, kOption, kFlag };

  Kind kind = Kind::kOption;
  std::string name;        ///< "DB", "--dim" or "-k"
  std::string value_name;  ///< "N"; empty for flags and positionals
  std::string help;
  std::string default_text;  ///< shown; empty where there is none
  std::string limit;         ///< "[1, 65536]" or "cosine|l2|ip"; empty for free text
  bool required = false;
  bool repeated = false;
  /// Checks one given value and stores it. kInvalidArgument names `field`, value and limit.
  std::function<Status(const std::string& field, const std::string& value)> set;
  bool may_be_empty = false;
  std::string replaced_by = {};  ///< option in whose presence this word is left out
  std::string barred_by = {};    ///< option beside which this one is refused
  std::string barred_why = {};   ///< what the refusal says
  std::string needs = {};        ///< option without which this one is refused
  ValueType type = ValueType::kText;
  /// "grpc.address": its section and name in a file of settings; empty where it has none.
  std::string key = {};
  std::vector<std::string> given = {};  ///< values of the command line, by the parser

  Argument& Required() {
    required = true;
    return *this;
  }

  Argument& Optional() {
    required = false;
    return *this;
  }

  /// Takes "" for a value.
  Argument& MayBeEmpty() {
    may_be_empty = true;
    return *this;
  }

  Argument& ReplacedBy(std::string option) {
    replaced_by = std::move(option);
    return *this;
  }

  Argument& NotWith(std::string option, std::string why) {
    barred_by = std::move(option);
    barred_why = std::move(why);
    return *this;
  }

  /// Makes it a setting too: of files, and of the environment (EnvironmentName).
  Argument& Key(std::string section_and_name) {
    key = std::move(section_and_name);
    return *this;
  }

  Argument& Needs(std::string option) {
    needs = std::move(option);
    return *this;
  }
};

/// The arguments of one command. Targets must outlive parsing; what they hold when they are
/// declared is the default. Externally synchronised.
class Arguments {
 public:
  /// A required word; `Optional()` lets it be missing.
  Argument& Positional(std::string* target, std::string name, std::string help);
  /// One or more words at the end.
  Argument& Positionals(std::vector<std::string>* target, std::string name, std::string help);
  Argument& Flag(bool* target, std::string name, std::string help);
  Argument& Text(std::string* target, std::string name, std::string value_name, std::string help);
  Argument& Text(std::optional<std::string>* target, std::string name, std::string value_name,
                 std::string help);
  /// May be given more than once.
  Argument& Texts(std::vector<std::string>* target, std::string name, std::string value_name,
                  std::string help);
  /// `later`: words that are known, but refused as not in this version.
  Argument& Choice(std::string* target, const std::string& name, std::vector<std::string> words,
                   std::string help, std::vector<std::string> later = {});
  /// A whole number in [min, max].
  Argument& Number(uint64_t* target, const std::string& name, std::string help, uint64_t min,
                   uint64_t max);
  Argument& Number(std::optional<uint64_t>* target, const std::string& name, std::string help,
                   uint64_t min, uint64_t max);
  /// A number in [min, max].
  Argument& Real(double* target, std::string name, std::string help, double min, double max);

  [[nodiscard]] const std::deque<Argument>& list() const { return list_; }

  [[nodiscard]] std::deque<Argument>& list() { return list_; }

 private:
  Argument& Add(Argument argument);

  std::deque<Argument> list_;  // references to elements stay valid
};

/// Parses a whole decimal number in [min, max]; the error names `field`, the value and the limit.
Result<uint64_t> ParseNumber(const std::string& field, const std::string& value, uint64_t min,
                             uint64_t max);
/// Parses a finite decimal number in [min, max].
Result<double> ParseReal(const std::string& field, const std::string& value, double min,
                         double max);
/// Cuts "a,b,c" at `separator`; empty parts are kept, an empty text has no parts.
std::vector<std::string> SplitList(const std::string& text, char separator);

}  // namespace leadline::cli
