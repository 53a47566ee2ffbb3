#pragma once

/// Layout of the keys in every table (storage/FORMAT.md, "Tables"). Integers in keys are
/// big-endian, so that byte order is numeric order.

#include <cstdint>
#include <string>
#include <string_view>

#include "leadline/core/coding.h"

namespace leadline::engine {

inline constexpr std::string_view kDatabaseKey = "db";
inline constexpr std::string_view kSequenceKey = "sequence";
inline constexpr std::string_view kNextIdsKey = "next";
inline constexpr std::string_view kCatalogPrefix = "collection/";
inline constexpr char kCountersPrefix = '\x01';
inline constexpr char kGroupPrefix = '\x02';
inline constexpr std::string_view kIdempotencyRangeKey = "idempotency";
inline constexpr char kIdempotencyPrefix = '\x03';
inline constexpr char kIdempotencyTurnPrefix = '\x04';

inline std::string CatalogKey(std::string_view name) {
  return std::string(kCatalogPrefix) + std::string(name);
}

inline std::string CountersKey(uint32_t collection) {
  std::string key(1, kCountersPrefix);
  PutBigEndian32(&key, collection);
  return key;
}

inline std::string GroupsPrefix(uint32_t collection) {
  std::string key(1, kGroupPrefix);
  PutBigEndian32(&key, collection);
  return key;
}

inline std::string GroupEntryKey(uint32_t collection, uint64_t first_ordinal) {
  std::string key = GroupsPrefix(collection);
  PutBigEndian64(&key, first_ordinal);
  return key;
}

inline std::string IdempotencyPrefix(uint32_t collection) {
  std::string key(1, kIdempotencyPrefix);
  PutBigEndian32(&key, collection);
  return key;
}

inline std::string IdempotencyEntryKey(uint32_t collection, std::string_view text) {
  std::string key = IdempotencyPrefix(collection);
  key.append(text);
  return key;
}

/// The collection that the key of an entry, which is long enough, names.
inline uint32_t CollectionOfIdempotencyKey(std::string_view key) {
  const std::string wide =
      std::string(sizeof(uint32_t), '\0') + std::string(key.substr(1, sizeof(uint32_t)));
  return static_cast<uint32_t>(DecodeBigEndian64(wide.data()));
}

inline std::string IdempotencyTurnKey(uint64_t number) {
  std::string key(1, kIdempotencyTurnPrefix);
  PutBigEndian64(&key, number);
  return key;
}

/// Prefix of every record, location and tombstone of a collection, and of every vector too.
inline std::string CollectionPrefix(uint32_t collection) {
  std::string key;
  PutBigEndian32(&key, collection);
  return key;
}

/// Key of a record and of a tombstone.
inline std::string OrdinalKey(uint32_t collection, uint64_t ordinal) {
  std::string key = CollectionPrefix(collection);
  PutBigEndian64(&key, ordinal);
  return key;
}

inline uint64_t OrdinalOfKey(std::string_view key) {
  return DecodeBigEndian64(key.data() + key.size() - sizeof(uint64_t));
}

inline std::string VectorPrefix(uint32_t collection, uint32_t field) {
  std::string key = CollectionPrefix(collection);
  PutBigEndian32(&key, field);
  return key;
}

inline std::string VectorKey(uint32_t collection, uint32_t field, uint64_t ordinal) {
  std::string key = VectorPrefix(collection, field);
  PutBigEndian64(&key, ordinal);
  return key;
}

inline std::string LocationKey(uint32_t collection, std::string_view id) {
  std::string key = CollectionPrefix(collection);
  key.append(id);
  return key;
}

inline std::string FixedValue64(uint64_t value) {
  std::string bytes;
  PutFixed64(&bytes, value);
  return bytes;
}

}  // namespace leadline::engine
