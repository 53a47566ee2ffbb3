#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "leadline/core/file_system.h"
#include "leadline/storage/store.h"
#include "log_scan.h"
#include "rocksdb_file_system.h"

namespace leadline::kv {

/// Reads the manifest and each live log before RocksDB does and decides what recovery may see.
///
/// Damage is rot, and stops recovery with kDataLoss, when it lies in the part that was synced, or
/// when whole records follow it that no lost write explains. Otherwise it is a torn tail: recovery
/// sees the log up to there and nothing of later ones, so the result is a prefix of the writes.
/// RocksDB's own modes either stop at a torn tail or drop acknowledged writes silently.
class RecoveryGate final : public LogGate {
 public:
  /// `accept_loss` turns every verdict into a torn tail.
  RecoveryGate(FileSystem* fs, std::string directory, const SyncedFiles& synced, bool accept_loss);

  Result<uint64_t> Admit(const std::string& path, const LogName& name) override;

  /// The error that stopped recovery, or OK.
  [[nodiscard]] const Status& verdict() const { return verdict_; }

  /// Where a verdict was turned into a torn tail.
  [[nodiscard]] const std::optional<LogCut>& cut() const { return cut_; }

 private:
  Result<uint64_t> AdmitManifest(const std::string& path, uint64_t number);
  Result<uint64_t> AdmitLog(const std::string& path, uint64_t number);
  /// True when more of log `number` was synced than the scan found sound.
  [[nodiscard]] bool SyncedBeyond(uint64_t number, const LogScan& scan) const;
  /// True when a log after `number` holds a record.
  Result<bool> LaterLogHasRecords(uint64_t number) const;
  Result<uint64_t> Judge(const std::string& path, uint64_t number, const LogScan& scan);
  Result<uint64_t> JudgeMissingTail(const std::string& path, const LogScan& scan);
  /// kDataLoss unless loss is accepted, then `sound_bytes` with everything later hidden.
  Result<uint64_t> Rot(const std::string& path, uint64_t offset, const std::string& what,
                       uint64_t sound_bytes);
  Status Verdict(const std::string& path, uint64_t offset, const std::string& what,
                 const std::string& remedy);
  uint64_t Trim(uint64_t sound_bytes);

  FileSystem* const fs_;
  const std::string directory_;
  const SyncedFiles synced_;
  const bool accept_loss_;
  bool trimmed_ = false;        ///< an earlier log was cut: later ones do not count
  uint64_t last_number_ = 0;    ///< of the log admitted last; 0 = none
  uint64_t next_sequence_ = 0;  ///< after the logs admitted so far; 0 = unknown
  Status verdict_;
  std::optional<LogCut> cut_;
};

}  // namespace leadline::kv
