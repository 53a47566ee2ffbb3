#include "argument_parser.h"

#include <algorithm>

#include <CLI/CLI.hpp>

namespace leadline::cli {
namespace {

/// Collected by the parser first, checked and stored afterwards: CLI11's own conversions name
/// neither limit nor field as our errors do.
struct Given {
  Argument* argument;
  CLI::Option* option;
};

/// CLI11 takes "[a,b]" apart where an argument may be repeated. A NUL behind the bracket, which no
/// word of a command line can contain, keeps the word whole.
std::string Shielded(std::string word) {
  if (word.starts_with('[')) {
    word += '\0';
  }
  return word;
}

std::string Unshielded(std::string word) {
  if (word.ends_with('\0')) {
    word.pop_back();
  }
  return word;
}

CLI::Option* Declare(CLI::App& app, const Argument& argument) {
  if (argument.kind == Argument::Kind::kFlag) {
    return app.add_flag(argument.name);
  }
  CLI::Option* option = app.add_option(argument.name)->required(argument.required);
  option->multi_option_policy(argument.repeated ? CLI::MultiOptionPolicy::TakeAll
                                                : CLI::MultiOptionPolicy::Throw);
  if (argument.kind == Argument::Kind::kPositional && argument.repeated) {
    return option->expected(1, CLI::detail::expected_max_vector_size)->allow_extra_args(true);
  }
  return option->expected(1)->allow_extra_args(false);
}

Status StoreValues(const Given& given) {
  Argument& argument = *given.argument;
  if (argument.kind == Argument::Kind::kFlag) {
    if (given.option->count() > 0) {
      argument.given = {"true"};
    }
  } else {
    for (const std::string& value : given.option->results()) {
      argument.given.push_back(Unshielded(value));
    }
  }
  for (const std::string& value : argument.given) {
    if (value.empty() && !argument.may_be_empty) {
      return InvalidFieldError("must not be empty", argument.name, "", "1 byte");
    }
    LEADLINE_RETURN_IF_ERROR(argument.set(argument.name, value));
  }
  return OkStatus();
}

/// The name of an argument without dashes and in one form, so that near misses compare equal.
std::string PlainName(std::string_view word) {
  std::string plain(word.substr(0, word.find('=')));
  plain.erase(0, std::min(plain.size(), plain.find_first_not_of('-')));
  std::replace(plain.begin(), plain.end(), '_', '-');
  return plain;
}

/// True where an option that was given takes the place of `argument`.
bool IsReplaced(const Argument& argument, const Arguments& arguments,
                const std::vector<std::string>& words) {
  return !argument.replaced_by.empty() &&
         GivenOption(arguments, words, argument.replaced_by).has_value();
}

/// Names what was left over, and the argument that a near miss may have meant.
Status UnknownArgument(const Arguments& arguments, const std::vector<std::string>& given,
                       const std::vector<std::string>& left) {
  std::string words;
  std::string hint;
  for (const std::string& shielded : left) {
    const std::string word = Unshielded(shielded);
    words += (words.empty() ? "" : " ") + word;
    for (const Argument& argument : arguments.list()) {
      const bool near = word.starts_with('-') && PlainName(word) == PlainName(argument.name);
      if (near && argument.kind != Argument::Kind::kPositional && hint.empty()) {
        hint = " (did you mean " + argument.name + "?)";
      }
      if (!word.starts_with('-') && hint.empty() && IsReplaced(argument, arguments, given)) {
        hint = " (" + argument.name + " is left out with " + argument.replaced_by + ")";
      }
    }
  }
  return InvalidArgumentError("unknown argument: " + words + hint);
}

/// Refuses arguments that do not go together.
Status CheckTogether(const std::vector<Given>& all) {
  const auto is_given = [&all](const std::string& name) {
    return std::any_of(all.begin(), all.end(), [&name](const Given& given) {
      return given.argument->name == name && given.option->count() > 0;
    });
  };
  for (const Given& given : all) {
    const Argument& argument = *given.argument;
    if (given.option->count() == 0) {
      continue;
    }
    const std::string value =
        argument.kind == Argument::Kind::kFlag ? "given" : Unshielded(given.option->results()[0]);
    if (!argument.needs.empty() && !is_given(argument.needs)) {
      return InvalidFieldError("means nothing without " + argument.needs, argument.name, value,
                               "beside " + argument.needs);
    }
    if (!argument.barred_by.empty() && is_given(argument.barred_by)) {
      return InvalidFieldError(argument.barred_why, argument.name, value,
                               "not beside " + argument.barred_by);
    }
  }
  return OkStatus();
}

const Argument* Find(const Arguments& arguments, std::string_view name) {
  for (const Argument& argument : arguments.list()) {
    if (argument.name == name) {
      return &argument;
    }
  }
  return nullptr;
}

/// Refuses "--json=true", which CLI11 takes for the flag alone.
Status CheckFlags(const Arguments& arguments, const std::vector<std::string>& words) {
  for (size_t i = 0; i < words.size() && words[i] != "--"; ++i) {
    const Argument* argument = Find(arguments, words[i]);
    if (argument != nullptr && argument->kind == Argument::Kind::kOption) {
      ++i;  // its value, whatever that looks like
      continue;
    }
    const size_t equals = words[i].find('=');
    argument = equals == std::string::npos ? nullptr : Find(arguments, words[i].substr(0, equals));
    if (argument != nullptr && argument->kind == Argument::Kind::kFlag) {
      return InvalidFieldError("a flag takes no value", argument->name, words[i].substr(equals + 1),
                               "no value");
    }
  }
  return OkStatus();
}

}  // namespace

Result<ParseOutcome> ParseArguments(Arguments& arguments, const std::vector<std::string>& words) {
  LEADLINE_RETURN_IF_ERROR(CheckFlags(arguments, words));
  CLI::App app;
  std::vector<Given> all;
  try {
    app.set_help_flag("-h,--help");
    for (Argument& argument : arguments.list()) {
      if (!IsReplaced(argument, arguments, words)) {
        all.push_back({&argument, Declare(app, argument)});
      }
    }
    std::vector<std::string> reversed(words.rbegin(), words.rend());
    std::transform(reversed.begin(), reversed.end(), reversed.begin(), Shielded);
    app.parse(std::move(reversed));
  } catch (const CLI::CallForHelp&) {
    return ParseOutcome::kHelpWanted;
  } catch (const CLI::ExtrasError&) {
    return UnknownArgument(arguments, words, app.remaining());
  } catch (const CLI::ArgumentMismatch& error) {
    const std::string_view text = error.what();  // "-k: 1 required  missing"
    return InvalidArgumentError(std::string(text.substr(0, text.find(':'))) + ": takes one value");
  } catch (const CLI::Error& error) {
    return InvalidArgumentError(error.what());
  } catch (const std::exception& error) {
    return InvalidArgumentError(std::string("unreadable arguments: ") + error.what());
  }
  for (const Given& given : all) {
    LEADLINE_RETURN_IF_ERROR(StoreValues(given));
  }
  LEADLINE_RETURN_IF_ERROR(CheckTogether(all));
  return ParseOutcome::kReady;
}

size_t WordsOfOption(const Arguments& arguments, const std::vector<std::string>& words, size_t at) {
  const std::string& word = words[at];
  const size_t equals = word.find('=');
  const Argument* argument = Find(arguments, word.substr(0, equals));
  if (argument == nullptr || argument->kind == Argument::Kind::kPositional) {
    return 0;
  }
  if (argument->kind == Argument::Kind::kFlag) {
    return equals == std::string::npos ? 1 : 0;
  }
  return equals == std::string::npos && at + 1 < words.size() ? 2 : 1;
}

std::optional<std::string> GivenOption(const Arguments& arguments,
                                       const std::vector<std::string>& words,
                                       std::string_view name) {
  for (size_t at = 0; at < words.size() && words[at] != "--";) {
    const size_t used = WordsOfOption(arguments, words, at);
    const size_t equals = words[at].find('=');
    if (words[at].substr(0, equals) == name) {
      return used == 2                     ? words[at + 1]
             : equals == std::string::npos ? std::string()
                                           : words[at].substr(equals + 1);
    }
    at += std::max<size_t>(1, used);
  }
  return std::nullopt;
}

}  // namespace leadline::cli
