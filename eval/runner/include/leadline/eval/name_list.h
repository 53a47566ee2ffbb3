#pragma once

#include <string>
#include <vector>

namespace leadline::eval {

/// "a, b, c" for a message; of many only the first five, and how many more there are.
std::string NameList(const std::vector<std::string>& names);

}  // namespace leadline::eval
