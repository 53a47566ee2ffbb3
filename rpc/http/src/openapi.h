#pragma once

#include <string>

namespace leadline::rpc {

/// What the HTTP form offers, as an OpenAPI 3.0 document in JSON, made from the routes and the
/// descriptors. The same text for the whole process.
const std::string& OpenApiDocument();

}  // namespace leadline::rpc
