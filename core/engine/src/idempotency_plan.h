#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "database_core.h"
#include "idempotency_entry.h"
#include "leadline/storage/store.h"

namespace leadline::engine {

/// The idempotency key of a batch; empty text: none.
struct WriteKey {
  std::string text;
  uint64_t digest = 0;  ///< DigestOf the batch
};

/// The write that had a key before.
struct EarlierWrite {
  WriteResult result;
  bool stored = false;  ///< else it is to be written with the same group
};

/// The idempotency keys of one commit group. Costs nothing where no batch has one.
/// Thread-compatible; used under the commit lock.
class IdempotencyPlan {
 public:
  explicit IdempotencyPlan(DatabaseCore* core) LEADLINE_REQUIRES(core->commit_mutex);

  /// Finds the write of the same content under this key; nullopt where the key is free.
  /// kAlreadyExists where it had another content; kDataLoss where its entry cannot be read.
  Result<std::optional<EarlierWrite>> Find(uint32_t collection, const WriteKey& key);
  /// Notes that the key, which was found free, is that of a batch of this group.
  void Add(uint32_t collection, const WriteKey& key, const WriteResult& result);
  /// Adds what was noted to the store's batch, and makes room: two of the oldest entries go for
  /// each new one while there are too many.
  Status AppendTo(kv::WriteBatch* batch);

  /// The range that holds once the store has the batch.
  [[nodiscard]] const IdempotencyRange& range() const { return range_; }

 private:
  struct Planned {
    IdempotencyEntry entry;
    IdempotencyTurn turn;
  };

  int64_t NowMs();
  Status MakeRoom(kv::WriteBatch* batch);

  DatabaseCore* const core_;
  std::optional<int64_t> now_ms_;  ///< asked for by the first key
  const uint64_t old_next_;
  IdempotencyRange range_;
  std::unordered_map<std::string, Planned> planned_;   ///< by the entry's key
  std::unordered_map<std::string, uint64_t> expired_;  ///< turns of entries that were found old
};

/// Removes up to 256 entries that are too old at `now_ms`; true where more may be.
Result<bool> PruneIdempotency(DatabaseCore* core, int64_t now_ms);

}  // namespace leadline::engine
