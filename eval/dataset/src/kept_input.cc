#include "kept_input.h"

namespace leadline::eval {

Status KeptInput::AddRow(uint64_t bytes) {
  ++rows_;
  bytes_ += bytes;  // a row is bounded by its reader, so the sum cannot wrap
  if (rows_ > limits_.rows) {
    return InvalidFieldError("file has more rows than may be kept: file=" + path_, "rows",
                             std::to_string(rows_), std::to_string(limits_.rows));
  }
  if (bytes_ > limits_.bytes) {
    return InvalidFieldError("file needs more memory than may be kept: file=" + path_, "bytes",
                             std::to_string(bytes_), std::to_string(limits_.bytes));
  }
  return OkStatus();
}

}  // namespace leadline::eval
