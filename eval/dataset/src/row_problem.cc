#include "row_problem.h"

namespace leadline::eval {

std::string Shorten(std::string_view value) {
  constexpr size_t kMaxShown = 64;
  std::string shown;
  for (const char c : value.substr(0, kMaxShown)) {
    shown += c >= 0x20 && c < 0x7f ? c : '?';
  }
  if (value.size() > kMaxShown) {
    shown += "...";
  }
  return shown;
}

Status RowError(const RowProblem& problem, const std::string& path, std::string_view unit,
                uint64_t number) {
  std::string message = problem.what + ": file=" + path + " ";
  message.append(unit).append("=").append(std::to_string(number));
  if (!problem.field.empty()) {
    message += " field=" + problem.field;
  }
  if (!problem.value.empty()) {
    message += " value=" + Shorten(problem.value);
  }
  if (!problem.limit.empty()) {
    message += " limit=" + problem.limit;
  }
  Status status = InvalidArgumentError(std::move(message));
  status.WithField(problem.field, problem.limit);
  return status;
}

}  // namespace leadline::eval
