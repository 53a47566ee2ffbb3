#pragma once

#include <memory>
#include <string>

#include "vector_source.h"

namespace leadline::eval {

/// Opens one two-dimensional dataset of numbers, read by the HDF5 library in a process of its own.
/// Errors: those of Hdf5Dataset::Open; kInvalidArgument also, here and from Next, where the file
/// makes the library crash or go on for ever; kResourceExhausted where no process can be made.
/// Limits: no other thread of the program may be inside the HDF5 library at that moment, or wait
/// for children that it did not start.
Result<std::unique_ptr<VectorSource>> OpenHdf5(FileSystem* fs, const std::string& path,
                                               const std::string& dataset);

/// True where the file has a dataset of that name. Errors as OpenHdf5.
Result<bool> HasHdf5Dataset(FileSystem* fs, const std::string& path, const std::string& dataset);

}  // namespace leadline::eval
