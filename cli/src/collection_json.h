#pragma once

#include <string>

#include "json_lines.h"
#include "leadline/core/options.h"

namespace leadline::cli {

/// What was chosen when the collection was created: name, vectors, text_fields, embedder, language.
Json CollectionJson(const std::string& name, const CollectionOptions& options);
Json VectorFieldJson(const VectorField& field);

}  // namespace leadline::cli
