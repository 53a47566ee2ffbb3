#pragma once

#include <memory>
#include <string>

#include "vector_source.h"

namespace leadline::eval {

/// Opens one two-dimensional dataset of numbers. The HDF5 library reads the file itself; shape,
/// type, storage, filters and the unpacked size of every chunk are checked before it does, what it
/// makes of the file's own tables is not. Calls are serialised. Errors: kInvalidArgument for a
/// missing dataset, other shapes or types, data kept outside the file, filters other than deflate,
/// shuffle and Fletcher-32, sizes the file cannot hold.
Result<std::unique_ptr<VectorSource>> OpenHdf5(FileSystem* fs, const std::string& path,
                                               const std::string& dataset);

/// True where the file has a dataset of that name.
Result<bool> HasHdf5Dataset(FileSystem* fs, const std::string& path, const std::string& dataset);

}  // namespace leadline::eval
