#include "leadline/core/hash.h"

#include <xxhash.h>

namespace leadline {

struct Hasher::State {
  XXH3_state_t* xxh = XXH3_createState();
};

Hasher::Hasher() : state_(std::make_unique<State>()) {
  XXH3_64bits_reset(state_->xxh);
}

Hasher::~Hasher() {
  XXH3_freeState(state_->xxh);
}

void Hasher::Update(std::string_view bytes) {
  XXH3_64bits_update(state_->xxh, bytes.data(), bytes.size());
}

uint64_t Hasher::Digest() const {
  return XXH3_64bits_digest(state_->xxh);
}

uint64_t Hash64(const void* data, size_t size) {
  return XXH3_64bits(data, size);
}

}  // namespace leadline
