#include "copy_report.h"

#include "json_lines.h"

namespace leadline::cli {

void ShowCopy(Console& console, const std::string& key, const std::string& sentence,
              const std::string& where, const CopyReport& report) {
  if (console.json()) {
    WriteJsonLine(console, {{key, where}, {"left_out", report.left_out}});
  } else {
    console.Line(sentence + Printable(where));
  }
  for (const std::string& file : report.left_out) {
    console.Message(
        "left out, since it is damaged; answers stay exact, `leadline optimize` rebuilds it: " +
        Printable(file));
  }
}

}  // namespace leadline::cli
