#pragma once

/// Addresses that servers listen on and clients connect to, and who can reach them or did.

#include <cstdint>
#include <string>
#include <string_view>
#include <sys/socket.h>

#include "leadline/core/status.h"

namespace leadline::rpc {

/// "HOST:PORT", "[V6]:PORT" or "unix:PATH".
struct Address {
  std::string path;  ///< of a socket in the file system; empty for a host
  std::string host;  ///< without brackets
  uint16_t port = 0;
};

/// kInvalidArgument about `field`.
Result<Address> ParseAddress(std::string_view field, std::string_view text);

/// True for what no other machine reaches: paths, 127.0.0.0/8, ::1 and the name localhost.
bool IsThisMachine(const Address& address);

/// The one way to write down who is at the other end: "1.2.3.4:5", also where IPv6 carries it;
/// "[::1]:5", "[fe80::1%2]:5" on the link of interface 2; "unix"; empty for anything else.
std::string PeerName(const sockaddr_storage& peer);

/// PeerName of whom the socket is connected with; empty where nobody is any more.
std::string PeerOf(int socket);

/// PeerName of the peer that gRPC writes as "ipv4:1.2.3.4:5", "ipv6:%5B::1%5D:5" or "unix:" with or
/// without a path.
std::string PeerInUri(std::string_view uri);

/// The rule of every listening address: beyond this machine only with TLS and with a store that
/// asks for tokens. kInvalidArgument about `flag`, naming all that is missing.
Status CheckReach(std::string_view flag, std::string_view text, bool has_tls, bool needs_token);

}  // namespace leadline::rpc
