// Answers the cases of tests/eval/make_pytrec_golden.py --compare: reads them on stdin, prints the
// values.

#include <cstdio>
#include <iostream>

#include "pytrec_cases.h"

namespace leadline::eval {
namespace {

int Run() {
  std::ios::sync_with_stdio(false);
  std::string line;
  std::getline(std::cin, line);
  const auto measures = ParseMeasures(SplitAt(line, ' '));
  if (!measures.ok()) {
    std::cerr << measures.status().ToString() << "\n";
    return 1;
  }
  while (std::getline(std::cin, line)) {
    PytrecCase c;
    if (!ParsePytrecCase(line, &c)) {
      std::cerr << "malformed case: " << line << "\n";
      return 1;
    }
    const auto report = Score(c.run, c.qrels, *measures, c.options);
    if (!report.ok()) {
      std::cerr << report.status().ToString() << "\n";
      return 1;
    }
    for (const MeanValue& mean : report->means) {
      std::printf("%.17g ", mean.value.value);
    }
    std::printf("\n");
  }
  return 0;
}

}  // namespace
}  // namespace leadline::eval

int main() {
  return leadline::eval::Run();
}
