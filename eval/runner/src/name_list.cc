#include "leadline/eval/name_list.h"

namespace leadline::eval {
namespace {

constexpr size_t kMaxShown = 5;

}  // namespace

std::string NameList(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < names.size() && i < kMaxShown; ++i) {
    text += (i == 0 ? "" : ", ") + names[i];
  }
  if (names.size() > kMaxShown) {
    text += " and " + std::to_string(names.size() - kMaxShown) + " more";
  }
  return text;
}

}  // namespace leadline::eval
