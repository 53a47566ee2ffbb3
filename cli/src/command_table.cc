#include "command.h"

namespace leadline::cli {

const std::vector<Command>& AllCommands() {
  static const std::vector<Command> commands = {
      CreateCommand(),   IngestCommand(),    SearchCommand(),   GetCommand(),
      DeleteCommand(),   CountCommand(),     ScrollCommand(),   ListCommand(),
      StatsCommand(),    DropCommand(),      OptimizeCommand(), CheckCommand(),
      RepairCommand(),   BackupCommand(),    RestoreCommand(),  InfoCommand(),
      EvalRunCommand(),  EvalScoreCommand(), EvalAnnCommand(),  EvalGroundCommand(),
      BenchAnnCommand(),
  };
  return commands;
}

}  // namespace leadline::cli
