#include "settings_report.h"

#include <string>
#include <utility>

#include "json_lines.h"
#include "table_printer.h"

namespace leadline::cli {
namespace {

/// The value in its own type. Texts of numbers were checked when they were stored.
Json ValueJson(const Setting& setting) {
  return setting.argument->type == ValueType::kText
             ? Json(setting.value)
             : Json::parse(setting.value, nullptr, /*allow_exceptions=*/false);
}

}  // namespace

void PrintSettings(const std::vector<Setting>& settings, Console& console) {
  if (console.json()) {
    Json list = Json::array();
    for (const Setting& setting : settings) {
      list.push_back({{"key", setting.argument->key},
                      {"value", ValueJson(setting)},
                      {"source", setting.source},
                      {"where", setting.where}});
    }
    WriteJsonLine(console, {{"ok", true}, {"settings", std::move(list)}});
    return;
  }
  TablePrinter table({"setting", "value", "from"});
  for (const Setting& setting : settings) {
    table.Row({setting.argument->key, setting.value,
               setting.where.empty() ? setting.source : setting.where});
  }
  table.Print(console);
}

}  // namespace leadline::cli
