#include "program.h"

#include <algorithm>
#include <csignal>
#include <exception>
#include <utility>

#include "argument_parser.h"
#include "command.h"
#include "console.h"
#include "exit_code.h"
#include "help_pages.h"
#include "leadline/core/version.h"
#include "remote_arguments.h"

namespace leadline::cli {
namespace {

bool IsSharedFlag(const std::string& word) {
  return word == "--json" || word == "--quiet";
}

/// How many words from the start may stand before a command: flags that all have, and options that
/// say where the database is.
size_t WordsBeforeCommand(const std::vector<std::string>& words) {
  size_t at = 0;
  while (at < words.size()) {
    const size_t used = IsSharedFlag(words[at]) ? 1 : WordsOfOption(RemoteOptions(), words, at);
    if (used == 0) {
      break;
    }
    at += used;
  }
  return at;
}

/// How many words the path has if the given ones begin with it, else 0.
size_t WordsOfPath(std::string_view path, const std::vector<std::string>& words) {
  const std::vector<std::string> parts = SplitList(std::string(path), ' ');
  const bool begins =
      words.size() >= parts.size() && std::equal(parts.begin(), parts.end(), words.begin());
  return begins ? parts.size() : 0;
}

/// The command whose path the words begin with, and how many words that took; null if none.
const Command* FindCommand(const std::vector<std::string>& words, size_t* used) {
  const Command* found = nullptr;
  *used = 0;
  for (const Command& command : AllCommands()) {
    if (const size_t taken = WordsOfPath(command.path, words); taken > *used) {
      found = &command;
      *used = taken;
    }
  }
  return found;
}

bool WantsHelp(const std::string& word) {
  return word == "--help" || word == "-h";
}

/// The commands of the group "eval"; empty where there is no such group.
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
  std::erase(words, "--quiet");  // there is nothing to silence
  if (words.empty()) {
    return PrintAndClose(Overview());
  }
  if (words.size() == 1 && words[0] == "--json") {
    return PrintAndClose(JsonText(HelpJson()) + "\n");
  }
  if (words.size() == 1 && words[0] == "--markdown") {
    return PrintAndClose(MarkdownPage());
  }
  if (words.size() == 1 && words[0] == "--settings") {
    return PrintAndClose(SettingsTable());
  }
  words.emplace_back("--help");
  return RunProgram(words);
}

Status UnknownCommand(const std::vector<std::string>& words) {
  for (const std::string_view path : MissingCommands()) {
    if (WordsOfPath(path, words) > 0) {
      return InvalidArgumentError(std::string(path) +
                                  ": not in this version ('leadline help' lists the commands)");
    }
  }
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

/// Refuses --remote beside a command that no server can do.
Status CheckRemote(const Command& command, const std::vector<std::string>& words) {
  if (command.local_only.empty()) {
    return OkStatus();
  }
  const std::optional<std::string> address = GivenOption(RemoteOptions(), words, kRemoteOption);
  return address ? InvalidFieldError("no server can do this, it " + std::string(command.local_only),
                                     kRemoteOption, *address, "a command whose --help has --remote")
                 : OkStatus();
}

int RunCommand(const Command& command, const std::vector<std::string>& words) {
  if (Status refused = CheckRemote(command, words); !refused.ok()) {
    return Fail(refused.WithContext(command.path));
  }
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

int RunProgram(const std::vector<std::string>& given) {
  // A closed pipe is an error to report, not a reason to die.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a file at its size limit is an error of the write
  try {
    // The flags every command has may stand before it too.
    const auto command_begin =
        given.begin() + static_cast<std::ptrdiff_t>(WordsBeforeCommand(given));
    std::vector<std::string> rest(given.begin(), command_begin);
    const std::vector<std::string> words(command_begin, given.end());
    if (!words.empty() && words[0] == "--version") {
      if (words.size() > 1) {
        return Fail(InvalidArgumentError("--version: takes no argument: " + words[1]));
      }
      return PrintAndClose("leadline " + std::string(Version()) + "\n");
    }
    if (words.empty() || words[0] == "help" || WantsHelp(words[0])) {
      std::erase_if(rest, [](const std::string& word) { return !IsSharedFlag(word); });
      rest.insert(rest.end(), words.begin() + (words.empty() ? 0 : 1), words.end());
      return RunHelp(std::move(rest));
    }
    size_t used = 0;
    const Command* command = FindCommand(words, &used);
    if (command == nullptr) {
      if (words.size() == 2 && WantsHelp(words[1]) && !GroupHint(words[0]).empty()) {
        return PrintAndClose(Overview(words[0]));
      }
      return Fail(UnknownCommand(words));
    }
    rest.insert(rest.end(), words.begin() + static_cast<std::ptrdiff_t>(used), words.end());
    return RunCommand(*command, rest);
  } catch (const std::exception& error) {
    return Fail(InternalError(std::string("unexpected exception: ") + error.what()));
  }
}

}  // namespace leadline::cli
