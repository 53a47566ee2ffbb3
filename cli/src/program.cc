#include "program.h"

#include <algorithm>
#include <exception>

#include "argument_parser.h"
#include "command.h"
#include "console.h"
#include "exit_code.h"
#include "help_pages.h"

namespace leadline::cli {
namespace {

/// The command whose path the words begin with, and how many words that took; null if none.
const Command* FindCommand(const std::vector<std::string>& words, size_t* used) {
  const Command* found = nullptr;
  *used = 0;
  for (const Command& command : AllCommands()) {
    const std::vector<std::string> path = SplitList(std::string(command.path), ' ');
    if (path.size() > *used && words.size() >= path.size() &&
        std::equal(path.begin(), path.end(), words.begin())) {
      found = &command;
      *used = path.size();
    }
  }
  return found;
}

/// "eval" alone, or followed by a word that is no command of the group.
std::string GroupHint(const std::string& group) {
  std::string names;
  for (const Command& command : AllCommands()) {
    if (command.path.starts_with(group + " ")) {
      names += (names.empty() ? "" : ", ") + std::string(command.path);
    }
  }
  return names;
}

int Fail(const Status& status) {
  Console(false, false).Error(status);
  return static_cast<int>(ExitCodeOf(status));
}

int PrintAndClose(std::string_view text) {
  Console console(false, false);
  console.Write(text);
  const Status closed = console.Close();
  return closed.ok() ? 0 : Fail(closed);
}

int RunHelp(std::vector<std::string> words) {
  if (words.empty()) {
    return PrintAndClose(Overview());
  }
  if (words.size() == 1 && words[0] == "--markdown") {
    return PrintAndClose(MarkdownPage());
  }
  words.emplace_back("--help");
  return RunProgram(words);
}

Status UnknownCommand(const std::vector<std::string>& words) {
  const std::string hint = GroupHint(words[0]);
  if (hint.empty()) {
    return InvalidArgumentError("no such command: " + words[0] +
                                " ('leadline help' lists the commands)");
  }
  return InvalidArgumentError("no such command: " + words[0] +
                              (words.size() > 1 ? " " + words[1] : "") + " (there are: " + hint +
                              ")");
}

int RunBody(const CommandBody& body, Console& console) {
  const Result<ExitCode> outcome = body(console);
  const Status closed = console.Close();
  if (!outcome.ok()) {
    closed.IgnoreError();  // what stopped the command says more
    return Fail(outcome.status());
  }
  return closed.ok() ? static_cast<int>(*outcome) : Fail(closed);
}

int RunCommand(const Command& command, const std::vector<std::string>& words) {
  bool json = false;
  bool quiet = false;
  Arguments arguments;
  const CommandBody body = command.declare(arguments);
  DeclareShared(arguments, &json, &quiet);
  const Result<ParseOutcome> parsed = ParseArguments(arguments, words);
  if (!parsed.ok()) {
    return Fail(parsed.status().WithContext(command.path));
  }
  if (*parsed == ParseOutcome::kHelpWanted) {
    return PrintAndClose(CommandHelp(command, arguments));
  }
  Console console(json, quiet);
  return RunBody(body, console);
}

}  // namespace

int RunProgram(const std::vector<std::string>& words) {
  try {
    if (words.empty() || words[0] == "help" || words[0] == "--help" || words[0] == "-h") {
      return RunHelp(words.empty() ? words
                                   : std::vector<std::string>(words.begin() + 1, words.end()));
    }
    size_t used = 0;
    const Command* command = FindCommand(words, &used);
    if (command == nullptr) {
      return Fail(UnknownCommand(words));
    }
    const auto rest = words.begin() + static_cast<std::ptrdiff_t>(used);
    return RunCommand(*command, std::vector<std::string>(rest, words.end()));
  } catch (const std::exception& error) {
    return Fail(InternalError(std::string("unexpected exception: ") + error.what()));
  }
}

}  // namespace leadline::cli
