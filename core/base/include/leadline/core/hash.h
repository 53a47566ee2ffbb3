#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace leadline {

/// XXH3, 64 bits (xxHash 0.8). Used as checksum of persisted bytes: stops rot, not malice.
uint64_t Hash64(const void* data, size_t size);

inline uint64_t Hash64(std::string_view bytes) {
  return Hash64(bytes.data(), bytes.size());
}

/// Streaming form; `Digest` of all updates equals Hash64 of the concatenation.
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;
  void Update(std::string_view bytes);
  [[nodiscard]] uint64_t Digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace leadline
