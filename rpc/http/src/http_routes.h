#pragma once

/// Which call a verb and a path name. The routes of methods come from the descriptors of rpc/proto.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "leadline/core/status.h"
#include "leadline/rpc/method_table.h"

namespace leadline::rpc {

/// What is answered without a method of the service.
enum class Page {
  kNone,
  kHealth,   ///< 200 while the process serves, 503 while it drains
  kLive,     ///< 200 as long as anything answers
  kReady,    ///< as kHealth
  kOpenApi,  ///< what this table and the messages say
};

struct Route {
  std::string verb;
  std::string path;  ///< "/v1/collections/{collection}/search"
  Page page = Page::kNone;
  const Method* method = nullptr;  ///< where `page` is kNone
};

/// All of them. Lives for the whole process.
const std::vector<Route>& Routes();

/// A request's route and what its path says.
struct MatchedRoute {
  const Route* route = nullptr;  ///< null where no path or no verb fits
  std::string allowed;           ///< the verbs of the path, where only the verb does not fit
  std::map<std::string, std::string> fields;
};

/// `path` without a query. kInvalidArgument for bad percent-encoding.
Result<MatchedRoute> MatchRoute(std::string_view verb, std::string_view path);

}  // namespace leadline::rpc
