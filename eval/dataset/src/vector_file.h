#pragma once

#include <memory>
#include <string>

#include "vector_source.h"

namespace leadline::eval {

/// Opens fvecs, ivecs, bvecs, fbin, ibin, u8bin, i8bin or npy.
Result<std::unique_ptr<VectorSource>> OpenVectorFile(FileSystem* fs, const std::string& path,
                                                     FileFormat format);

}  // namespace leadline::eval
