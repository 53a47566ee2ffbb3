#pragma once

/// Switches for tests only. In builds without LEADLINE_TEST_HOOKS every function here is a
/// constant, so shipped binaries contain none of it.

#include <string_view>

namespace leadline {

/// Deliberate defects that the crash and model harnesses must catch (tests/planted_defects).
/// Chosen by the environment variable LEADLINE_PLANT_DEFECT, by name, read once.
enum class Defect {
  kNone,
  kSkipSync,              ///< "skip-sync": acknowledge without syncing the log
  kPublishBeforeDurable,  ///< "publish-before-durable": manifest names a file not yet synced
  kDropTombstone,         ///< "drop-tombstone": a delete is not remembered for segments
  kIgnoreChecksum,        ///< "ignore-checksum": flipped segment bytes are used
  kLoseCompactionDelete,  ///< "lose-compaction-delete": deletes during a build are not re-applied
  kReplayOffByOne,        ///< "replay-off-by-one": the first tail row is left out at open
  kStaleFilter,           ///< "stale-filter": a filter bitmap of another segment is reused
  kAckBeforeCommit,       ///< "ack-before-commit": acknowledge, then write
};

#ifdef LEADLINE_TEST_HOOKS
bool DefectPlanted(Defect defect);
/// Kills the process (SIGKILL) when LEADLINE_KILL_POINT names this point and its countdown
/// ("name:N", default 1) has run out.
void KillPoint(std::string_view name);
#else
constexpr bool DefectPlanted(Defect /*defect*/) {
  return false;
}

constexpr void KillPoint(std::string_view /*name*/) {}
#endif

}  // namespace leadline
