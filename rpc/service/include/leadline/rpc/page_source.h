#pragma once

#include <functional>

#include <google/protobuf/message.h>

#include "leadline/core/status.h"
#include "leadline/rpc/call_context.h"

namespace leadline::rpc {

/// The responses of one kPages call, one after the other. Externally synchronised.
class PageSource {
 public:
  virtual ~PageSource() = default;

  /// Fills `response` with the next page and says whether another follows.
  virtual Result<bool> Next(const CallContext& context, google::protobuf::Message* response) = 0;

  /// Calls `go` once when it is worth asking for the next page: at once by default, else later, on
  /// any thread and without locks. `go` may come too late, when nobody asks any more.
  virtual void WhenReady(std::function<void()> go) { go(); }
};

}  // namespace leadline::rpc
