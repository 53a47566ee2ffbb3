#include <string>
#include <vector>

#include "program.h"

int main(int argc, char** argv) {
  return leadline::cli::RunProgram(
      std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
}
