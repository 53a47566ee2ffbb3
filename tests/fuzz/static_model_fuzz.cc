// Static model files from hostile bytes. Inputs get a right checksum, since random bytes alone
// would never come past it; accepted models are used.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "leadline/core/coding.h"
#include "leadline/core/hash.h"
#include "static_embedder.h"

namespace {

void Seal(std::string* file) {
  constexpr size_t kChecksumAt = 40;
  leadline::Hasher hasher;
  hasher.Update(std::string_view(*file).substr(0, kChecksumAt));
  hasher.Update(std::string_view(*file).substr(kChecksumAt + 8));
  std::string checksum;
  leadline::PutFixed64(&checksum, hasher.Digest());
  file->replace(kChecksumAt, checksum.size(), checksum);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string file(reinterpret_cast<const char*>(data), size);
  if (size >= 64) {
    Seal(&file);
  }
  const auto embedder = leadline::text::MakeStaticEmbedder(file);
  if (embedder.ok()) {
    const std::vector<std::string_view> texts = {"a b, ab"};
    std::vector<float> out((*embedder)->dim());
    (*embedder)->Embed(texts, out).IgnoreError();
  }
  return 0;
}
