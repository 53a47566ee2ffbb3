#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "arguments.h"
#include "console.h"
#include "exit_code.h"
#include "leadline/core/status.h"

namespace leadline::cli {

/// Runs a command whose arguments have been parsed. An error decides the exit code (ExitCodeOf).
using CommandBody = std::function<Result<ExitCode>(Console& console)>;

/// One command of the program, declared by one file command_<name>.cc.
struct Command {
  std::string_view path;     ///< words after "leadline", for example "eval run"
  std::string_view summary;  ///< one sentence, no trailing period
  std::string_view details;  ///< paragraphs of plain text for help and documentation; may be empty
  /// Declares the arguments; the returned body owns what they are stored in. They outlive it.
  CommandBody (*declare)(Arguments& arguments);
  /// What it does that no server can do for it, so that --remote is refused; empty where it is
  /// taken.
  std::string_view local_only = {};
};

/// Every command in the order of the documentation. To add one, write its file and list it here.
const std::vector<Command>& AllCommands();

/// Paths of commands that other versions have and this one answers with "not in this version".
const std::vector<std::string_view>& MissingCommands();

Command CreateCommand();
Command IngestCommand();
Command SearchCommand();
Command GetCommand();
Command DeleteCommand();
Command CountCommand();
Command ScrollCommand();
Command ListCommand();
Command StatsCommand();
Command AlterCommand();
Command DropCommand();
Command OptimizeCommand();
Command CheckCommand();
Command RepairCommand();
Command BackupCommand();
Command RestoreCommand();
Command InfoCommand();
Command ServeCommand();
Command TokenCreateCommand();
Command TokenListCommand();
Command TokenRevokeCommand();
Command EvalRunCommand();
Command EvalScoreCommand();
Command EvalAnnCommand();
Command EvalGroundCommand();
Command BenchAnnCommand();

}  // namespace leadline::cli
