#pragma once

#include <string>
#include <vector>

namespace leadline::cli {

/// Runs the program on the words after its name and returns the exit code. Never throws.
int RunProgram(const std::vector<std::string>& words);

}  // namespace leadline::cli
