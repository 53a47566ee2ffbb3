#include "http_routes.h"

#include <optional>

namespace leadline::rpc {
namespace {

std::vector<Route> MakeRoutes() {
  std::vector<Route> routes = {
      {"GET", "/healthz", Page::kHealth, nullptr},
      {"GET", "/livez", Page::kLive, nullptr},
      {"GET", "/readyz", Page::kReady, nullptr},
      {"GET", "/openapi.json", Page::kOpenApi, nullptr},
  };
  for (const Method& method : Methods()) {
    const std::string& http = method.rule.http();
    const size_t space = http.find(' ');
    if (space != std::string::npos) {
      routes.push_back({http.substr(0, space), http.substr(space + 1), Page::kNone, &method});
    }
  }
  return routes;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

Result<std::string> DecodePercent(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
    if (high < 0 || low < 0) {
      return InvalidFieldError("bad percent-encoding", "path", "at byte " + std::to_string(i),
                               "two hexadecimal digits");
    }
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

/// Takes the part of `text` up to the next slash.
std::string_view NextPart(std::string_view* text) {
  const size_t slash = text->find('/');
  const std::string_view part = text->substr(0, slash);
  text->remove_prefix(slash == std::string_view::npos ? text->size() : slash + 1);
  return part;
}

/// What `part` gives for "{name}" or "{name}:suffix"; nothing where it does not fit.
std::optional<std::string_view> Captured(std::string_view pattern, std::string_view part) {
  const std::string_view suffix = pattern.substr(pattern.find('}') + 1);
  if (part.size() <= suffix.size() || !part.ends_with(suffix)) {
    return std::nullopt;
  }
  part.remove_suffix(suffix.size());
  return part.find(':') == std::string_view::npos ? std::optional(part) : std::nullopt;
}

/// True where `path` is of the form `pattern`; adds what the names in braces stand for, undecoded.
bool Fits(std::string_view pattern, std::string_view path,
          std::map<std::string, std::string>* fields) {
  while (!pattern.empty() && !path.empty()) {
    const std::string_view wanted = NextPart(&pattern);
    const std::string_view part = NextPart(&path);
    if (!wanted.starts_with('{')) {
      if (wanted != part) {
        return false;
      }
      continue;
    }
    const auto value = Captured(wanted, part);
    if (!value) {
      return false;
    }
    (*fields)[std::string(wanted.substr(1, wanted.find('}') - 1))] = *value;
  }
  return pattern.empty() && path.empty();
}

}  // namespace

const std::vector<Route>& Routes() {
  static const std::vector<Route>* const kRoutes = new std::vector<Route>(MakeRoutes());
  return *kRoutes;
}

Result<MatchedRoute> MatchRoute(std::string_view verb, std::string_view path) {
  MatchedRoute matched;
  for (const Route& route : Routes()) {
    std::map<std::string, std::string> fields;
    // A slash at the end would vanish between the parts.
    if (path.ends_with('/') || !Fits(route.path, path, &fields)) {
      continue;
    }
    if (route.verb != verb) {
      matched.allowed += (matched.allowed.empty() ? "" : ", ") + route.verb;
      continue;
    }
    matched.route = &route;
    for (auto& [name, value] : fields) {
      LEADLINE_ASSIGN_OR_RETURN(value, DecodePercent(value));
    }
    matched.fields = std::move(fields);
    return matched;
  }
  return matched;
}

}  // namespace leadline::rpc
