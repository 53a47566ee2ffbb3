#include "command.h"

namespace leadline::cli {

const std::vector<Command>& AllCommands() {
  static const std::vector<Command> commands = {
      CreateCommand(),      IngestCommand(),   SearchCommand(),      GetCommand(),
      DeleteCommand(),      CountCommand(),    ScrollCommand(),      ListCommand(),
      StatsCommand(),       AlterCommand(),    DropCommand(),        OptimizeCommand(),
      CheckCommand(),       RepairCommand(),   BackupCommand(),      RestoreCommand(),
      InfoCommand(),        ServeCommand(),    TokenCreateCommand(), TokenListCommand(),
      TokenRevokeCommand(), EvalRunCommand(),  EvalScoreCommand(),   EvalAnnCommand(),
      EvalGroundCommand(),  BenchAnnCommand(),
  };
  return commands;
}

const std::vector<std::string_view>& MissingCommands() {
  static const std::vector<std::string_view> paths = {
      "eval compare",
      "eval gate",
      "eval attribute",
      "tune",
  };
  return paths;
}

}  // namespace leadline::cli
