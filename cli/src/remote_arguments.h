#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "arguments.h"
#include "leadline/client.h"
#include "leadline/core/database.h"

namespace leadline::cli {

inline constexpr std::string_view kRemoteOption = "--remote";

/// A server in the place of a directory, and how it is reached.
struct RemoteArguments {
  std::string address;  ///< empty: a directory
  ClientOptions client;
  uint64_t timeout_ms = 60'000;

  [[nodiscard]] bool given() const { return !address.empty(); }
};

/// --remote and what goes with it.
void DeclareRemote(Arguments& arguments, RemoteArguments* target);

/// Only to be read: the arguments of DeclareRemote.
const Arguments& RemoteOptions();

/// True for what DeclareRemote declares beside --remote.
bool IsConnectionOption(const Argument& argument);

/// kInvalidArgument for what is no address; else the errors of Client::Connect.
Result<std::unique_ptr<Database>> Connect(const RemoteArguments& remote);

}  // namespace leadline::cli
