#include "leadline/eval/shortest_double.h"

#include <array>
#include <charconv>
#include <cmath>
#include <system_error>

namespace leadline::eval {

double ShortestDouble(float value) {
  if (!std::isfinite(value)) {
    return value;
  }
  std::array<char, 32> text{};
  const auto written = std::to_chars(text.data(), text.data() + text.size(), value);
  double wide = value;
  const auto read = std::from_chars(text.data(), written.ptr, wide);
  return read.ec == std::errc() ? wide : value;
}

}  // namespace leadline::eval
