#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "leadline/core/status.h"
#include "vector_source.h"

namespace leadline::eval {

struct NpyHeader {
  ElementType type = ElementType::kF32;
  std::vector<uint64_t> shape;
};

/// Bytes from the start of the file to the data, from its first 12 bytes (fewer in a short file).
/// kInvalidArgument for a bad magic or version, a header over kMaxNpyHeaderBytes.
Result<size_t> NpyDataOffset(std::string_view head);
/// Reads the header's dictionary: keys descr, fortran_order and shape, each once.
/// kInvalidArgument for anything but C order and little-endian f2, f4, f8, i1, u1, i4, i8.
Result<NpyHeader> ParseNpyHeader(std::string_view dictionary);

}  // namespace leadline::eval
