#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "collection_state.h"
#include "idempotency_entry.h"
#include "leadline/core/clock.h"
#include "leadline/core/executor.h"
#include "leadline/core/file_system.h"
#include "leadline/core/mutex.h"
#include "leadline/core/options.h"
#include "leadline/storage/store.h"

namespace leadline::engine {

/// Everything an open database consists of, shared by the public handles, the commit path, searches
/// and background work. A read-only handle that refreshes moves to a new core; snapshots and
/// searches in flight keep the old one.
///
/// Lock order: commit_mutex, then collections_mutex, then the leaf locks inside CollectionState and
/// SealedSegment. Thread-safe as documented per member.
class DatabaseCore {
 public:
  /// Opens the store and every collection in it: catalog, published groups, deletions, tail. One
  /// whose state is damaged becomes unreadable and stops nothing else.
  /// `previous` (may be null) lends its verified segment files.
  static Result<std::shared_ptr<DatabaseCore>> Open(const std::string& path,
                                                    const DatabaseOptions& options,
                                                    const DatabaseCore* previous);

  DatabaseCore(const DatabaseCore&) = delete;
  DatabaseCore& operator=(const DatabaseCore&) = delete;
  ~DatabaseCore();

  // Immutable after Open.
  std::string path;
  DatabaseOptions options;
  FileSystem* fs = nullptr;
  Clock* clock = nullptr;
  segment::Uuid uuid{};
  std::unique_ptr<kv::Store> store;
  std::unique_ptr<Executor> search_executor;  ///< null when searches use the caller's thread only

  /// Serialises commits, publications and catalog changes. Held across the log sync, so that
  /// in-memory state never runs ahead of the store.
  Mutex commit_mutex;
  uint64_t sequence LEADLINE_GUARDED_BY(commit_mutex) = 0;
  NextIds next_ids LEADLINE_GUARDED_BY(commit_mutex);
  IdempotencyRange idempotency LEADLINE_GUARDED_BY(commit_mutex);
  /// Set when memory could not follow a durable write: nothing may be written or published any
  /// more. Reads go on at what was published before.
  Status broken LEADLINE_GUARDED_BY(commit_mutex);
  /// What `broken` becomes then, made while there is memory.
  Status fell_behind LEADLINE_GUARDED_BY(commit_mutex);
  /// True while a commit since the last sync of the log was not synced itself.
  std::atomic<bool> unsynced{false};

  /// The wall clock, as far as it runs with the monotonic one since the open: a clock that leaps
  /// ahead may hide records, and must delete none and free no idempotency key.
  [[nodiscard]] int64_t BelievedUnixMillis() const;

  /// What new segments are built for (RoomForSections of an empty heap).
  [[nodiscard]] uint64_t room_for_sections() const;

  /// Of a write that waits for memory, else 0: sections that are kept make room for it.
  std::atomic<uint64_t> wanted_bytes{0};

  [[nodiscard]] std::string store_directory() const { return JoinPath(path, "store"); }

  [[nodiscard]] std::string segment_directory() const { return JoinPath(path, "segments"); }

  /// kNotFound; for an unreadable one the kDataLoss that it met.
  Result<std::shared_ptr<CollectionState>> FindCollection(const std::string& name)
      LEADLINE_EXCLUDES(collections_mutex_);
  /// Those that can be read, by name.
  std::vector<std::shared_ptr<CollectionState>> Collections() LEADLINE_EXCLUDES(collections_mutex_);

  /// A collection whose stored state is damaged. The others do not suffer for it: it can be named,
  /// dropped and repaired, and everything else answers with kDataLoss.
  struct UnreadableCollection {
    uint32_t id = 0;
    std::string reason;
  };

  using UnreadableMap = std::map<std::string, UnreadableCollection>;
  UnreadableMap UnreadableCollections() LEADLINE_EXCLUDES(collections_mutex_);
  using CollectionMap = std::map<std::string, std::shared_ptr<CollectionState>>;
  /// The place of a collection in the map, made before it is known that it goes there.
  using CollectionSlot = CollectionMap::node_type;
  /// May throw std::bad_alloc.
  [[nodiscard]] static CollectionSlot SlotFor(std::shared_ptr<CollectionState> collection);
  /// Needs no memory, and neither does RemoveCollection.
  void AddCollection(CollectionSlot slot) LEADLINE_EXCLUDES(collections_mutex_);
  void RemoveCollection(const std::string& name) LEADLINE_EXCLUDES(collections_mutex_);

 private:
  DatabaseCore() = default;
  Status OpenStore();
  Status LoadOrInitialise();
  Status LoadCollections(const DatabaseCore* previous);
  Status LoadCollection(CollectionEntry entry, const DatabaseCore* previous);
  Result<std::shared_ptr<const GroupList>> LoadGroups(const CollectionState& collection,
                                                      const DatabaseCore* previous);
  Status LoadTail(CollectionState* collection);
  Status ApplyTombstones(CollectionState* collection);
  /// kUnimplemented when a segment was written by a newer release.
  Status CheckSegmentVersions();
  void RemoveGarbage();

  int64_t started_ms_ = 0;     ///< wall clock
  int64_t started_nanos_ = 0;  ///< monotonic clock
  SharedMutex collections_mutex_;
  CollectionMap collections_ LEADLINE_GUARDED_BY(collections_mutex_);
  UnreadableMap unreadable_ LEADLINE_GUARDED_BY(collections_mutex_);
};

/// Stands from a durable write to the end of what memory does about it, under commit_mutex. An
/// exception that passes makes `core` broken.
class MemoryFollows {
 public:
  explicit MemoryFollows(DatabaseCore* core)
      : core_(core), exceptions_(std::uncaught_exceptions()) {}

  MemoryFollows(const MemoryFollows&) = delete;
  MemoryFollows& operator=(const MemoryFollows&) = delete;
  ~MemoryFollows();

 private:
  DatabaseCore* const core_;
  const int exceptions_;
};

}  // namespace leadline::engine
