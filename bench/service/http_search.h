#pragma once

#include <string>

#include "load_loop.h"
#include "workload.h"

namespace leadline::bench {

/// One query a call as JSON over HTTP/1.1 (libcurl), over a connection of its own that stays open.
/// `url` is that of the collection, with its scheme; `token` may be empty.
Caller NewHttpSearchCaller(const std::string& url, const std::string& token, const Workload& work,
                           size_t ef_search);

}  // namespace leadline::bench
