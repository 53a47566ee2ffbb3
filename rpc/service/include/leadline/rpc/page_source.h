#pragma once

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
};

}  // namespace leadline::rpc
