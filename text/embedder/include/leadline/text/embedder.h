#pragma once

/// Turns text into vectors in process, without a download:
///
///   Result<std::shared_ptr<const Embedder>> embedder = OpenEmbedder("static");
///   std::vector<float> vector((*embedder)->dim());
///   const std::string_view text = "aspirin lowers the risk of heart attacks";
///   Status status = (*embedder)->Embed({&text, 1}, vector);

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "leadline/core/status.h"

namespace leadline {

/// Maps texts to vectors of unit length. Immutable and thread-safe.
class Embedder {
 public:
  virtual ~Embedder() = default;
  Embedder(const Embedder&) = delete;
  Embedder& operator=(const Embedder&) = delete;

  /// The name OpenEmbedder knows it by.
  [[nodiscard]] virtual std::string_view name() const = 0;
  /// Components of a vector.
  [[nodiscard]] virtual size_t dim() const = 0;
  /// Changes whenever the same text would get another vector: vectors of different versions must
  /// not meet in one collection.
  [[nodiscard]] virtual std::string_view version() const = 0;

  /// Embeds each text.
  ///
  /// Shapes:   texts [n]; out [n x dim()], row-major, each row of length 1. Nothing is retained.
  /// Input:    UTF-8 of any length; ill-formed bytes are ignored.
  /// Errors:   kInvalidArgument when out.size() != n * dim(), or when a text holds no word the
  /// model
  ///           knows (empty, blank, only unknown scripts): its vector would be zero. The message
  ///           and `field()` name the row, "texts[3]"; rows before it are written, others are not.
  /// Threads:  safe beside itself. Order and grouping of texts never change a vector.
  virtual Status Embed(std::span<const std::string_view> texts, std::span<float> out) const = 0;

 protected:
  Embedder() = default;
};

/// What ListEmbedders tells about one embedder.
struct EmbedderInfo {
  std::string name;
  size_t dim = 0;
  std::string version;
  std::string description;
};

/// Opens an embedder by name. Known: "static", the model inside the library (256 dimensions,
/// English; a token table distilled from all-MiniLM-L6-v2). Errors: kNotFound for an unknown name;
/// kDataLoss when the embedded model is damaged. Threads: safe. Cost: the first call takes about 20
/// ms, later ones share the same object.
Result<std::shared_ptr<const Embedder>> OpenEmbedder(std::string_view name);

/// Lists the embedders that OpenEmbedder knows, by name.
std::vector<EmbedderInfo> ListEmbedders();

}  // namespace leadline
