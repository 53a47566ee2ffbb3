#pragma once

#include <atomic>
#include <memory>

#include <boost/asio/generic/stream_protocol.hpp>

#include "leadline/rpc/http_server.h"
#include "leadline/rpc/service.h"
#include "session_table.h"
#include "tls_contexts.h"

namespace leadline::rpc {

/// What the connections of one server share. Outlives them.
struct SessionScope {
  Service* service = nullptr;
  SessionTable* table = nullptr;
  HttpServerOptions options;
  std::unique_ptr<TlsContexts> tls;   ///< null where connections are not encrypted
  std::atomic<bool> draining{false};  ///< answers end their connections
};

/// Serves the connection `socket`, which has an executor of its own, until it ends. Drops it where
/// the table is full.
void ServeConnection(boost::asio::generic::stream_protocol::socket socket, SessionScope* scope);

}  // namespace leadline::rpc
