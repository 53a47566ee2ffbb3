#pragma once

#include <memory>
#include <string_view>

#include "leadline/text/embedder.h"

namespace leadline::text {

inline constexpr std::string_view kStaticEmbedderName = "static";

/// Makes the embedder of a static model file: a text's vector is the normalised sum of the rows of
/// its pieces. Unknown pieces count for nothing. The bytes must outlive the embedder.
/// Errors: those of StaticModel::Parse and WordPieceTokenizer::Create.
/// Source: Tulkens & van Dongen 2024 (Model2Vec), with learned rows; see distil/README.md.
Result<std::shared_ptr<const Embedder>> MakeStaticEmbedder(std::string_view model_bytes);

}  // namespace leadline::text
