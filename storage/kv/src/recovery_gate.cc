#include "recovery_gate.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

namespace leadline::kv {

RecoveryGate::RecoveryGate(FileSystem* fs, std::string directory, const SyncedFiles& synced,
                           bool accept_loss)
    : fs_(fs), directory_(std::move(directory)), synced_(synced), accept_loss_(accept_loss) {}

Result<uint64_t> RecoveryGate::Admit(const std::string& path, const LogName& name) {
  return name.kind == LogKind::kManifest ? AdmitManifest(path, name.number)
                                         : AdmitLog(path, name.number);
}

Result<uint64_t> RecoveryGate::AdmitManifest(const std::string& path, uint64_t number) {
  // RocksDB takes a last record whose length was flipped for a torn one and forgets the files it
  // names.
  LEADLINE_ASSIGN_OR_RETURN(const LogScan scan, ScanLog(fs_, path, LogKind::kManifest, 0));
  const bool synced =
      number == synced_.manifest.number && scan.sound_bytes < synced_.manifest.bytes;
  // Several records may share one sync, so a lost write can leave a hole between them.
  if (synced || (scan.damaged && scan.record_follows && !scan.looks_torn)) {
    return Verdict(path, scan.damaged ? scan.damage_offset : scan.sound_bytes,
                   scan.damaged ? scan.damage : "file is shorter than its synced part",
                   "restore a backup");
  }
  return scan.sound_bytes;
}

Result<uint64_t> RecoveryGate::AdmitLog(const std::string& path, uint64_t number) {
  if (trimmed_) {
    if (cut_) {
      LEADLINE_ASSIGN_OR_RETURN(const uint64_t bytes, fs_->FileSize(path));
      cut_->dropped_bytes += bytes;
    }
    return uint64_t{0};
  }
  // The sequence is checked here between logs, and by the scan within one.
  LEADLINE_ASSIGN_OR_RETURN(const LogScan scan, ScanLog(fs_, path, LogKind::kWriteAhead, 0));
  if (next_sequence_ != 0 && scan.first_sequence != 0 && scan.first_sequence != next_sequence_) {
    return JudgeMissingTail(path, scan);
  }
  LEADLINE_ASSIGN_OR_RETURN(const uint64_t admitted, Judge(path, number, scan));
  last_number_ = number;
  if (scan.next_sequence != 0) {
    next_sequence_ = scan.next_sequence;
  }
  return admitted;
}

Result<uint64_t> RecoveryGate::JudgeMissingTail(const std::string& path, const LogScan& scan) {
  // The end of the log before this one is gone without a trace in that file.
  const bool rolled_back = scan.first_sequence < next_sequence_;
  if (rolled_back || last_number_ < synced_.log.number) {
    return Rot(path, 0,
               "log starts at sequence " + std::to_string(scan.first_sequence) + ", expected " +
                   std::to_string(next_sequence_),
               0);
  }
  return Trim(0);
}

Result<uint64_t> RecoveryGate::Judge(const std::string& path, uint64_t number,
                                     const LogScan& scan) {
  if (SyncedBeyond(number, scan)) {
    const std::string what = scan.damaged ? scan.damage
                                          : "file is shorter than its synced part of " +
                                                std::to_string(synced_.log.bytes) + " bytes";
    return Rot(path, scan.damaged ? scan.damage_offset : scan.sound_bytes, what, scan.sound_bytes);
  }
  if (!scan.damaged) {
    return scan.sound_bytes;
  }
  if (scan.looks_torn) {
    return Trim(scan.sound_bytes);
  }
  bool follows = scan.record_follows;
  if (!follows) {
    LEADLINE_ASSIGN_OR_RETURN(follows, LaterLogHasRecords(number));
  }
  if (follows) {
    return Rot(path, scan.damage_offset, scan.damage + ", and valid records follow",
               scan.sound_bytes);
  }
  return Trim(scan.sound_bytes);
}

bool RecoveryGate::SyncedBeyond(uint64_t number, const LogScan& scan) const {
  // A log is synced only after every log before it.
  return (number < synced_.log.number && scan.damaged) ||
         (number == synced_.log.number && scan.sound_bytes < synced_.log.bytes);
}

Result<bool> RecoveryGate::LaterLogHasRecords(uint64_t number) const {
  LEADLINE_ASSIGN_OR_RETURN(const std::vector<std::string> names, fs_->ListDirectory(directory_));
  for (const std::string& name : names) {
    const std::optional<LogName> other = ParseLogName(name);
    if (!other || other->kind != LogKind::kWriteAhead || other->number <= number) {
      continue;
    }
    LEADLINE_ASSIGN_OR_RETURN(const LogScan scan,
                              ScanLog(fs_, JoinPath(directory_, name), LogKind::kWriteAhead, 0));
    if (scan.first_sequence != 0 || scan.record_follows) {
      return true;
    }
  }
  return false;
}

Result<uint64_t> RecoveryGate::Rot(const std::string& path, uint64_t offset,
                                   const std::string& what, uint64_t sound_bytes) {
  if (accept_loss_) {
    LEADLINE_ASSIGN_OR_RETURN(const uint64_t bytes, fs_->FileSize(path));
    cut_ = LogCut{path, sound_bytes, bytes - std::min(bytes, sound_bytes)};
    return Trim(sound_bytes);
  }
  return Verdict(path, offset, what, "`leadline repair --accept-loss` keeps every write before it");
}

Status RecoveryGate::Verdict(const std::string& path, uint64_t offset, const std::string& what,
                             const std::string& remedy) {
  verdict_ = DataLossError("log is damaged: path=" + path + " offset=" + std::to_string(offset) +
                           ": " + what + "; " + remedy);
  return verdict_;
}

uint64_t RecoveryGate::Trim(uint64_t sound_bytes) {
  trimmed_ = true;
  return sound_bytes;
}

}  // namespace leadline::kv
