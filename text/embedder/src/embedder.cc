#include "leadline/text/embedder.h"

#include "static_embedder.h"
#include "static_model.h"

namespace leadline {
namespace {

using EmbedderPointer = std::shared_ptr<const Embedder>;

// Made once and shared: the embedder is immutable.
const Result<EmbedderPointer>& SharedStaticEmbedder() {
  static const Result<EmbedderPointer> kEmbedder =
      text::MakeStaticEmbedder(text::EmbeddedModelBytes());
  return kEmbedder;
}

}  // namespace

Result<std::shared_ptr<const Embedder>> OpenEmbedder(std::string_view name) {
  if (name == text::kStaticEmbedderName) {
    return SharedStaticEmbedder();
  }
  return NotFoundError("no such embedder: name=" + std::string(name) +
                       " known=" + std::string(text::kStaticEmbedderName));
}

std::vector<EmbedderInfo> ListEmbedders() {
  std::vector<EmbedderInfo> out;
  if (SharedStaticEmbedder().ok()) {
    const EmbedderPointer& embedder = *SharedStaticEmbedder();
    out.push_back({std::string(embedder->name()), embedder->dim(), std::string(embedder->version()),
                   "English token table distilled from all-MiniLM-L6-v2, built in"});
  }
  return out;
}

}  // namespace leadline
