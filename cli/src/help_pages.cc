#include "help_pages.h"

#include <algorithm>
#include <utility>

#include "configuration.h"
#include "remote_arguments.h"

namespace leadline::cli {
namespace {

constexpr size_t kWrapColumn = 90;

constexpr std::string_view kIntroduction =
    R"(Results go to standard output, messages and progress to standard error. `--json` prints
results as JSON, one object, or one object a line where said; `--quiet` silences messages and
progress; both may stand before the command too. Progress bars appear only on a terminal. Any number
of commands may read a database while one writes it. `leadline --version` prints the version.

An argument that starts with `-` is given after `--`: `leadline get DB COLLECTION -- -7`.

| Exit code | Meaning |
|---|---|
| 0 | done |
| 1 | a negative verdict: check found damage, repair could not mend all of it |
| 2 | wrong usage or invalid input; the message names the flag or field, the value and the limit |
| 3 | inconclusive |
| 4 | could not run: I/O, lock, no space, network, missing device, closed pipe |
| 130 | stopped by Ctrl-C or SIGTERM; what was acknowledged stays |
)";

constexpr std::string_view kRemoteIntroduction =
    R"(
## A server

`leadline --remote HOST:PORT COMMAND ..` (or `unix:PATH`) runs a command against a running
`leadline serve` (its gRPC address) instead of a directory. The argument `DB` is left out; all else is
the same: arguments, output, exit codes. These options stand before or behind the command:
)";

/// "--dim N" or "DB".
std::string ArgumentForm(const Argument& argument) {
  std::string form = argument.name;
  if (!argument.value_name.empty()) {
    form += " " + argument.value_name;
  }
  if (argument.repeated) {
    form += "...";
  }
  return form;
}

/// Help plus limit and default.
std::string ArgumentText(const Argument& argument) {
  std::string text = argument.help;
  if (!argument.limit.empty()) {
    text += "; " + argument.limit;
  }
  if (argument.required && argument.kind == Argument::Kind::kOption) {
    text += "; required";
  } else if (!argument.default_text.empty()) {
    text += "; default " + argument.default_text;
  }
  return text;
}

std::string SettingNote(const Argument& argument) {
  return argument.key.empty() ? "" : "; setting " + argument.key;
}

std::string Wrapped(std::string_view text, size_t indent) {
  std::string out;
  size_t column = indent;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    const size_t size = end - begin;
    if (column > indent && column + 1 + size > kWrapColumn) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      out += ' ';
      ++column;
    }
    out += text.substr(begin, size);
    column += size;
    begin = end + 1;
  }
  return out;
}

/// Where an argument is shown.
enum class Section { kWords, kOptions, kConnection };

Section SectionOf(const Argument& argument) {
  return argument.kind == Argument::Kind::kPositional ? Section::kWords
         : IsConnectionOption(argument)               ? Section::kConnection
                                                      : Section::kOptions;
}

void AppendArgumentList(std::string* out, std::string_view title, const Arguments& arguments,
                        Section section) {
  size_t width = 0;
  for (const Argument& argument : arguments.list()) {
    width = std::max(width, ArgumentForm(argument).size());
  }
  bool first = true;
  for (const Argument& argument : arguments.list()) {
    if (SectionOf(argument) != section) {
      continue;
    }
    if (first) {
      *out += "\n" + std::string(title) + ":\n";
      first = false;
    }
    const std::string form = ArgumentForm(argument);
    *out += "  " + form + std::string(width - form.size() + 2, ' ') +
            Wrapped(ArgumentText(argument) + SettingNote(argument), width + 4) + "\n";
  }
}

std::string EscapedCell(std::string text) {
  for (size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) {
    text.insert(at, 1, '\\');
  }
  return text;
}

Arguments DeclareAll(const Command& command) {
  // Targets of the shared flags must stay valid while the caller reads the declarations only.
  static bool json = false;
  static bool quiet = false;
  Arguments arguments;
  command.declare(arguments);
  DeclareShared(arguments, &json, &quiet);
  return arguments;
}

void AppendRow(std::string* page, const Argument& argument) {
  *page += "| `" + EscapedCell(ArgumentForm(argument)) + "` | " +
           EscapedCell(ArgumentText(argument) + SettingNote(argument)) + " |\n";
}

void AppendMarkdown(std::string* page, const Command& command) {
  const Arguments arguments = DeclareAll(command);
  *page += "\n## leadline " + std::string(command.path) + "\n\n" + std::string(command.summary) +
           ".\n\n```\n" + UsageLine(command, arguments) + "\n```\n\n";
  if (!command.details.empty()) {
    *page += std::string(command.details) + "\n\n";
  }
  *page += "| Argument | Meaning |\n|---|---|\n";
  for (const Argument& argument : arguments.list()) {
    if (argument.name == kRemoteOption) {
      *page += "| `--remote ADDRESS` | a server in the place of DB: [above](#a-server) |\n";
    } else if (!IsConnectionOption(argument)) {
      AppendRow(page, argument);
    }
  }
}

void AppendRemoteMarkdown(std::string* page) {
  *page += std::string(kRemoteIntroduction) + "\n| Option | Meaning |\n|---|---|\n";
  for (const Argument& argument : RemoteOptions().list()) {
    AppendRow(page, argument);
  }
  *page += "\nRefused, for no server can do it:\n\n| Command | What it does |\n|---|---|\n";
  for (const Command& command : AllCommands()) {
    if (!command.local_only.empty()) {
      *page +=
          "| `" + std::string(command.path) + "` | " + std::string(command.local_only) + " |\n";
    }
  }
}

}  // namespace

void DeclareShared(Arguments& arguments, bool* json, bool* quiet) {
  arguments.Flag(json, "--json", "print results as JSON");
  arguments.Flag(quiet, "--quiet", "no messages and no progress on standard error");
}

std::string UsageLine(const Command& command, const Arguments& arguments) {
  std::string line = "leadline " + std::string(command.path);
  for (const Argument& argument : arguments.list()) {
    if (!argument.replaced_by.empty()) {
      line += " (" + ArgumentForm(argument) + " | " + argument.replaced_by + " ADDRESS)";
    } else if (argument.kind == Argument::Kind::kPositional || argument.required) {
      line +=
          argument.required ? " " + ArgumentForm(argument) : " [" + ArgumentForm(argument) + "]";
    }
  }
  for (const Argument& argument : arguments.list()) {
    if (argument.kind != Argument::Kind::kPositional && !argument.required &&
        argument.name != kRemoteOption && !IsConnectionOption(argument)) {
      const std::string form =
          argument.name + (argument.value_name.empty() ? "" : " " + argument.value_name);
      line += " [" + form + "]" + (argument.repeated ? "..." : "");
    }
  }
  return Wrapped(line, 9);
}

std::string CommandHelp(const Command& command, const Arguments& arguments) {
  std::string text = UsageLine(command, arguments) + "\n\n" + std::string(command.summary) + ".\n";
  if (!command.details.empty()) {
    text += "\n" + std::string(command.details) + "\n";
  }
  AppendArgumentList(&text, "Arguments", arguments, Section::kWords);
  AppendArgumentList(&text, "Options", arguments, Section::kOptions);
  AppendArgumentList(&text, "With --remote", arguments, Section::kConnection);
  return text;
}

std::string Overview(const std::string& group) {
  std::string text =
      "leadline COMMAND ...\n\nAn embedded vector database that measures its own answers.\n\n"
      "Commands:\n";
  size_t width = 0;
  for (const Command& command : AllCommands()) {
    width = std::max(width, command.path.size());
  }
  for (const Command& command : AllCommands()) {
    if (group.empty() || command.path.starts_with(group + " ")) {
      text += "  " + std::string(command.path) + std::string(width - command.path.size() + 2, ' ') +
              std::string(command.summary) + "\n";
    }
  }
  text +=
      "\n'leadline COMMAND --help' explains one of them, 'leadline help --markdown' prints them "
      "all.\nExit codes: 0 done, 1 negative verdict, 2 invalid input, 3 inconclusive, 4 could not "
      "run,\n130 stopped by a signal.\n";
  return text;
}

std::string SettingsTable() {
  std::string table = "| Setting | Flag | Meaning |\n|---|---|---|\n";
  for (const Command& command : AllCommands()) {
    const Arguments arguments = DeclareAll(command);
    for (const Argument& argument : arguments.list()) {
      if (!argument.key.empty()) {
        table += "| `" + argument.key + "` | `" + argument.name + "` | " +
                 EscapedCell(ArgumentText(argument)) + " |\n";
      }
    }
  }
  return table;
}

Json HelpJson() {
  Json commands = Json::array();
  for (const Command& command : AllCommands()) {
    const Arguments declared = DeclareAll(command);
    Json arguments = Json::array();
    for (const Argument& argument : declared.list()) {
      arguments.push_back(
          {{"name", argument.name},
           {"value", argument.value_name},
           {"help", argument.help},
           {"limit", argument.limit},
           {"default", argument.default_text},
           {"required", argument.required},
           {"repeated", argument.repeated},
           {"replaced_by", argument.replaced_by},
           {"key", argument.key},
           {"environment", argument.key.empty() ? "" : EnvironmentName(argument.key)}});
    }
    commands.push_back({{"command", command.path},
                        {"summary", command.summary},
                        {"local_only", command.local_only},
                        {"arguments", std::move(arguments)}});
  }
  return {{"commands", std::move(commands)}};
}

std::string MarkdownPage() {
  std::string page =
      "# The `leadline` command\n\n<!-- Written by `leadline help --markdown`; a test compares. "
      "-->\n\n" +
      std::string(kIntroduction);
  AppendRemoteMarkdown(&page);
  for (const Command& command : AllCommands()) {
    AppendMarkdown(&page, command);
  }
  return page;
}

}  // namespace leadline::cli
