#include "leadline/core/test_hooks.h"

#ifdef LEADLINE_TEST_HOOKS

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <string>
#include <unistd.h>
#include <utility>

#include "leadline/core/file_system.h"

namespace leadline {
namespace {

Defect ReadDefect() {
  constexpr std::array<std::pair<std::string_view, Defect>, 8> kNames = {{
      {"skip-sync", Defect::kSkipSync},
      {"publish-before-durable", Defect::kPublishBeforeDurable},
      {"drop-tombstone", Defect::kDropTombstone},
      {"ignore-checksum", Defect::kIgnoreChecksum},
      {"lose-compaction-delete", Defect::kLoseCompactionDelete},
      {"replay-off-by-one", Defect::kReplayOffByOne},
      {"stale-filter", Defect::kStaleFilter},
      {"ack-before-commit", Defect::kAckBeforeCommit},
  }};
  const char* wanted = std::getenv("LEADLINE_PLANT_DEFECT");  // NOLINT(concurrency-mt-unsafe)
  for (const auto& [name, defect] : kNames) {
    if (wanted != nullptr && name == wanted) {
      return defect;
    }
  }
  return Defect::kNone;
}

struct Countdown {
  std::string name;
  std::atomic<int> left{1};

  Countdown() {
    const char* text = std::getenv("LEADLINE_KILL_POINT");  // NOLINT(concurrency-mt-unsafe)
    if (text == nullptr) {
      return;
    }
    name = text;
    const size_t colon = name.rfind(':');
    if (colon != std::string::npos) {
      left = std::atoi(name.c_str() + colon + 1);
      name.resize(colon);
    }
  }
};

/// What cannot be written is missed by the parent, which fails then.
void WriteKillLog(std::string_view name) {
  const char* path = std::getenv("LEADLINE_KILL_LOG");  // NOLINT(concurrency-mt-unsafe)
  if (path == nullptr) {
    return;
  }
  Result<std::unique_ptr<WritableFile>> file = FileSystem::Posix()->NewAppendableFile(path);
  if (file.ok()) {
    (*file)->Append(std::string(name) + "\n").IgnoreError();
    (*file)->Close().IgnoreError();
  }
}

}  // namespace

bool DefectPlanted(Defect defect) {
  static const Defect kPlanted = ReadDefect();
  return kPlanted == defect;
}

void KillPoint(std::string_view name) {
  static Countdown countdown;
  if (std::find(kKillPoints.begin(), kKillPoints.end(), name) == kKillPoints.end()) {
    ::kill(::getpid(), SIGABRT);
  }
  if (!countdown.name.empty() && name == countdown.name && countdown.left.fetch_sub(1) == 1) {
    WriteKillLog(name);
    ::kill(::getpid(), SIGKILL);
  }
}

}  // namespace leadline

#endif
