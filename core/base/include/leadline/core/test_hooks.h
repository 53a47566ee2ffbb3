#pragma once

/// Switches for tests only. In builds without LEADLINE_TEST_HOOKS every function here is a
/// constant, so shipped binaries contain none of it.

#include <array>
#include <string_view>

namespace leadline {

/// Deliberate defects that the crash and model harnesses must catch (planted_defects_test).
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

/// Every kill point. KillPoint aborts on any other name, so the list cannot fall behind the code;
/// tests/crash/kill_points_test.cc demands that each is hit.
inline constexpr std::array<std::string_view, 33> kKillPoints = {
    "open:store",
    "open:loaded",
    "open:garbage-removed",
    "create:before-log",
    "create:after-log",
    "alter:before-log",
    "alter:after-log",
    "commit:before-log",
    "commit:after-log",
    "seal:frozen",
    "merge:planned",
    "build:before-finish",
    "segment:written",
    "segment:synced",
    "segment:renamed",
    "segment:dirsynced",
    "publish:before-manifest",
    "publish:after-manifest",
    "merge:before-manifest",
    "merge:after-manifest",
    "publish:swapped",
    "publish:retired",
    "low-water:before-write",
    "low-water:after-write",
    "backup:store-copied",
    "backup:segments-copied",
    "backup:renamed",
    "restore:verified",
    "drop:before-log",
    "drop:after-log",
    "drop:retired",
    "close:flushed",
    "close:closed",
};

#ifdef LEADLINE_TEST_HOOKS
bool DefectPlanted(Defect defect);
/// Kills the process (SIGKILL) when LEADLINE_KILL_POINT names this point and its countdown
/// ("name:N", default 1) has run out. Before it does, it appends the name and a line break to the
/// file LEADLINE_KILL_LOG, so that the parent knows who killed.
void KillPoint(std::string_view name);
#else
constexpr bool DefectPlanted(Defect /*defect*/) {
  return false;
}

constexpr void KillPoint(std::string_view /*name*/) {}
#endif

}  // namespace leadline
