#pragma once

#include <memory>
#include <string>

#include "leadline/eval/record_reader.h"

namespace leadline::eval {

/// Records from a JSONL file. `require_id`: a record without one is bad; else its id stays empty.
Result<std::unique_ptr<RecordReader>> OpenJsonl(FileSystem* fs, const std::string& path,
                                                bool require_id,
                                                const RecordReaderOptions& options);

/// Records from a CSV file.
Result<std::unique_ptr<RecordReader>> OpenCsv(FileSystem* fs, const std::string& path,
                                              const RecordReaderOptions& options);

}  // namespace leadline::eval
