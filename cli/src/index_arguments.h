#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "arguments.h"
#include "leadline/core/options.h"

namespace leadline::cli {

/// Settings of the index, for every command that makes one.
struct IndexArguments {
  std::string index = "auto";
  std::string codes = "auto";
  uint64_t m = 16;
  uint64_t ef_construction = 200;
  uint64_t nlist = 0;
};

/// Words of --index and of --codes.
std::vector<std::string> IndexWords();
std::vector<std::string> CodesWords();
/// Declares --index, --codes, --M, --ef-construction and --nlist.
void DeclareIndex(Arguments& arguments, IndexArguments* target);
/// The settings in a vector field whose name, dimension and metric are still the defaults. Errors
/// name the flag.
Result<VectorField> MakeIndexField(const IndexArguments& arguments);

}  // namespace leadline::cli
