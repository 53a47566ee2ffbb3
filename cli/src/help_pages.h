#pragma once

#include <string>

#include "arguments.h"
#include "command.h"
#include "json_lines.h"

namespace leadline::cli {

/// "leadline count DB COLLECTION [--filter EXPR] [--json] [--quiet]".
std::string UsageLine(const Command& command, const Arguments& arguments);
/// What `leadline COMMAND --help` prints.
std::string CommandHelp(const Command& command, const Arguments& arguments);
/// What `leadline help` prints; with a group, "eval", only its commands.
std::string Overview(const std::string& group = "");
/// What `leadline help --json` prints:
/// {"commands":[{"command","summary","arguments":[{"name",..}]}]}.
Json HelpJson();
/// The table of settings in docs/service.md, from the same declarations: `leadline help
/// --settings`.
std::string SettingsTable();
/// docs/cli.md, from the same declarations.
std::string MarkdownPage();
/// The arguments every command has, then the command's own.
void DeclareShared(Arguments& arguments, bool* json, bool* quiet);

}  // namespace leadline::cli
