// Who is at the other end, told alike of an address, a socket and what gRPC says.

#include "leadline/rpc/address.h"

#include <string>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

namespace leadline::rpc {
namespace {

sockaddr_storage V4(const char* text, uint16_t port) {
  sockaddr_storage peer = {};
  auto* address = reinterpret_cast<sockaddr_in*>(&peer);
  address->sin_family = AF_INET;
  address->sin_port = htons(port);
  EXPECT_EQ(::inet_pton(AF_INET, text, &address->sin_addr), 1);
  return peer;
}

sockaddr_storage V6(const char* text, uint16_t port, uint32_t link = 0) {
  sockaddr_storage peer = {};
  auto* address = reinterpret_cast<sockaddr_in6*>(&peer);
  address->sin6_family = AF_INET6;
  address->sin6_port = htons(port);
  address->sin6_scope_id = link;
  EXPECT_EQ(::inet_pton(AF_INET6, text, &address->sin6_addr), 1);
  return peer;
}

TEST(PeerName, AnAddressAndWhatGrpcSaysOfItHaveOneName) {
  const auto expect = [](const sockaddr_storage& peer, const char* uri, const char* name) {
    EXPECT_EQ(PeerName(peer), name);
    EXPECT_EQ(PeerInUri(uri), name);
  };
  expect(V4("127.0.0.1", 7701), "ipv4:127.0.0.1:7701", "127.0.0.1:7701");
  expect(V6("::1", 80), "ipv6:%5B::1%5D:80", "[::1]:80");
  expect(V6("2001:db8::a", 65535), "ipv6:%5b2001:db8::a%5d:65535", "[2001:db8::a]:65535");
  expect(V6("::ffff:10.0.0.1", 80), "ipv4:10.0.0.1:80", "10.0.0.1:80");
  expect(V6("fe80::1", 80, 2), "ipv6:%5Bfe80::1%252%5D:80", "[fe80::1%2]:80");
  sockaddr_storage path = {};
  path.ss_family = AF_UNIX;
  expect(path, "unix:", "unix");
  expect(path, "unix:/run/leadline.sock", "unix");
  path.ss_family = AF_UNSPEC;
  expect(path, "", "");
}

TEST(PeerName, OddThingsThatGrpcMightSayStayAsTheyAre) {
  EXPECT_EQ(PeerInUri("unknown"), "");
  EXPECT_EQ(PeerInUri("ipv4:"), "");
  EXPECT_EQ(PeerInUri("ipv6:%"), "%");
  EXPECT_EQ(PeerInUri("ipv6:%5"), "%5");
  EXPECT_EQ(PeerInUri("ipv6:%5G%+5%5D"), "%5G%+5]");
}

TEST(PeerName, ASocketTellsItsPeer) {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  const int caller = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_storage address = V4("127.0.0.1", 0);
  socklen_t size = sizeof(sockaddr_in);
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  ASSERT_EQ(::bind(listener, any, size), 0);
  ASSERT_EQ(::listen(listener, 1), 0);
  ASSERT_EQ(::getsockname(listener, any, &size), 0);
  EXPECT_EQ(PeerOf(caller), "") << "connected with nobody";
  ASSERT_EQ(::connect(caller, any, size), 0);
  EXPECT_EQ(PeerOf(caller), PeerName(address));
  EXPECT_TRUE(PeerOf(caller).starts_with("127.0.0.1:"));
  int pair[2] = {};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  EXPECT_EQ(PeerOf(pair[0]), "unix");
  for (const int socket : {listener, caller, pair[0], pair[1]}) {
    ::close(socket);
  }
}

}  // namespace
}  // namespace leadline::rpc
