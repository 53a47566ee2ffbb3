#include "serve_settings.h"

#include "directory_rule.h"
#include "leadline/core/thread_priority.h"
#include "leadline/rpc/limits.h"

namespace leadline::cli {
namespace {

constexpr uint64_t kMaxSearches = 1024;
constexpr uint64_t kMaxDrainMs = 3'600'000;
constexpr uint64_t kMaxSealIdleMs = 3'600'000;

void DeclareLimits(Arguments& arguments, ServeSettings* target) {
  arguments
      .Number(&target->searches, "--searches",
              "searches at a time; 0 means one more than there are processors", 0, kMaxSearches)
      .Key("limits.searches");
  arguments
      .Number(&target->gather_us, "--gather-us",
              "microseconds for which searches that wait and are alike are gathered into one "
              "batch; 0 answers each by itself",
              0, rpc::kMaxGatherMicros)
      .Key("limits.gather_us");
  arguments
      .Number(&target->rate, "--rate",
              "calls a second of each token without a rate of its own, and of all callers "
              "without a token; 0 sets no limit",
              0, rpc::CallRate::kMax)
      .Key("limits.rate");
  arguments
      .Number(&target->drain_ms, "--drain-ms", "how long calls in flight may go on after SIGTERM",
              0, kMaxDrainMs)
      .Key("limits.drain_ms");
}

void DeclareMemory(Arguments& arguments, ServeSettings* target) {
  arguments
      .Number(&target->memory_budget_bytes, "--memory-budget-bytes",
              "what the database may keep in memory by itself: codes, links, lists and fresh rows, "
              "16777216 at least; 0 sets no limit",
              0, kMaxMemoryBudgetBytes)
      .Key("storage.memory_budget_bytes");
  arguments
      .Flag(&target->lock_memory, "--lock-memory",
            "lock the codes, links and lists that are kept in memory, as far as the system allows")
      .Key("storage.lock_memory");
  arguments
      .Number(
          &target->seal_idle_ms, "--seal-idle-ms",
          "seal fresh rows, too few to be sealed otherwise, after so long without more of them; "
          "0 never does",
          0, kMaxSealIdleMs)
      .Key("storage.seal_idle_ms");
}

}  // namespace

void DeclareServeSettings(Arguments& arguments, ServeSettings* target) {
  DeclareListening(arguments, &target->listen);
  arguments
      .Flag(&target->reflection, "--reflection",
            "tell gRPC tools that ask (and may read) which methods there are")
      .Key("grpc.reflection");
  arguments
      .Text(&target->durability, "--durability", "MODE",
            "what an acknowledgement means: sync, interval:MS or os")
      .Key("storage.durability");
  arguments
      .Text(&target->backups, "--backups", "DIR",
            "where Maintenance.Backup makes folders; refused without it")
      .Key("storage.backups");
  arguments.Number(&target->threads, "--threads", "threads that build indexes", 1, kMaxThreads)
      .Key("storage.threads");
  arguments
      .Number(&target->background_nice, "--background-nice",
              "nice value of threads that build indexes by themselves", 0, kMaxNice)
      .Key("storage.background_nice");
  DeclareMemory(arguments, target);
  DeclareLimits(arguments, target);
  DeclareServeLogs(arguments, &target->logs);
}

Result<DatabaseOptions> CheckServeSettings(const ServeSettings& settings, rpc::TokenStore* tokens) {
  LEADLINE_RETURN_IF_ERROR(CheckListening(settings.listen, tokens));
  if (!settings.backups.empty()) {
    LEADLINE_RETURN_IF_ERROR(CheckDirectory("no directory for backups", "--backups",
                                            settings.backups, settings.backups));
  }
  LEADLINE_RETURN_IF_ERROR(CheckServeLogs(settings.logs));
  if (settings.memory_budget_bytes > 0 && settings.memory_budget_bytes < kMinMemoryBudgetBytes) {
    return InvalidFieldError("value out of range", "--memory-budget-bytes",
                             std::to_string(settings.memory_budget_bytes),
                             "0 or at least " + std::to_string(kMinMemoryBudgetBytes));
  }
  DatabaseOptions options;
  options.memory_budget_bytes = settings.memory_budget_bytes;
  options.lock_memory = settings.lock_memory;
  options.seal_idle_ms = static_cast<uint32_t>(settings.seal_idle_ms);
  options.create_if_missing = true;
  options.background_nice = static_cast<uint32_t>(settings.background_nice);
  options.background_threads = static_cast<uint32_t>(settings.threads);
  LEADLINE_RETURN_IF_ERROR(ParseDurabilityFlag(settings.durability, &options));
  return options;
}

}  // namespace leadline::cli
