// Every method with every kind of token, from the descriptors: who may call what, over a real
// connection, and that a refused call changes nothing.

#include <gtest/gtest.h>

#include "channel.h"
#include "leadline/core/database.h"
#include "leadline/rpc/method_table.h"
#include "leadline/v1/collections.pb.h"
#include "leadline/v1/health.pb.h"
#include "leadline/v1/maintenance.pb.h"
#include "leadline/v1/records.pb.h"
#include "served_database.h"

namespace leadline::rpc {
namespace {

using testing::StatusIs;

constexpr int64_t kTimeoutMs = 20'000;

/// Calls `method` of `address` with an empty request but for the collection.
StatusCode CallWith(const std::string& address, const std::string& token, const Method& method,
                    const std::string& collection) {
  Channel channel(address, token, kTimeoutMs);
  const std::unique_ptr<google::protobuf::Message> request(method.request->New());
  if (method.collection != nullptr) {
    request->GetReflection()->SetString(request.get(), method.collection, collection);
  }
  const std::unique_ptr<google::protobuf::Message> response(method.response->New());
  return channel.Call(method.path, *request, response.get(), {}).code();
}

bool IsRefusal(StatusCode code) {
  return code == StatusCode::kUnauthenticated || code == StatusCode::kPermissionDenied;
}

class Access : public ::testing::Test {
 protected:
  Access() {
    CollectionOptions options;
    options.vectors = {{.dim = 2}};
    for (const char* name : {"mine", "other"}) {
      EXPECT_OK(served_.database()->CreateCollection(name, options));
    }
  }

  std::string Token(v1::Role role, std::vector<std::string> collections = {},
                    std::optional<int64_t> expires_at_ms = {}) {
    Result<std::string> token =
        served_.tokens()->Create({role, std::move(collections), "", expires_at_ms});
    EXPECT_OK(token);
    return *std::move(token);
  }

  ServedDatabase served_;
};

TEST_F(Access, WithoutTokensEverybodyMayDoEverything) {
  for (const Method& method : Methods()) {
    EXPECT_FALSE(IsRefusal(CallWith(served_.address(), "", method, "none"))) << method.path;
  }
}

TEST_F(Access, EveryMethodAsksForItsRole) {
  const std::string read = Token(v1::ROLE_READ);
  const std::string write = Token(v1::ROLE_WRITE);
  const std::string admin = Token(v1::ROLE_ADMIN);
  std::string wrong = admin;
  wrong.back() = wrong.back() == '0' ? '1' : '0';

  const struct {
    std::string name;
    std::string token;
    v1::Role role;
    StatusCode refusal;
  } callers[] = {
      {"none", "", v1::ROLE_PUBLIC, StatusCode::kUnauthenticated},
      {"garbage", "x", v1::ROLE_UNSPECIFIED, StatusCode::kUnauthenticated},
      {"wrong", wrong, v1::ROLE_UNSPECIFIED, StatusCode::kUnauthenticated},
      {"expired", Token(v1::ROLE_ADMIN, {}, 1), v1::ROLE_UNSPECIFIED, StatusCode::kUnauthenticated},
      {"read", read, v1::ROLE_READ, StatusCode::kPermissionDenied},
      {"write", write, v1::ROLE_WRITE, StatusCode::kPermissionDenied},
      {"admin", admin, v1::ROLE_ADMIN, StatusCode::kPermissionDenied},
  };

  const SequenceNumber before = served_.database()->Stats()->sequence;
  for (const auto& caller : callers) {
    for (const Method& method : Methods()) {
      SCOPED_TRACE(caller.name + " calls " + method.path);
      const StatusCode code = CallWith(served_.address(), caller.token, method, "none");
      if (caller.role >= method.rule.role()) {
        EXPECT_FALSE(IsRefusal(code));
      } else {
        EXPECT_EQ(code, caller.refusal);
      }
    }
  }
  EXPECT_EQ(served_.database()->Stats()->sequence, before);
  EXPECT_EQ(served_.database()->ListCollections()->size(), 2U);
}

/// Requests that change something of the collection "mine", each in another way.
std::vector<std::pair<std::string, std::unique_ptr<google::protobuf::Message>>> Changes() {
  std::vector<std::pair<std::string, std::unique_ptr<google::protobuf::Message>>> changes;
  const auto add = [&changes](const char* method, const auto& request) {
    changes.emplace_back(std::string("/leadline.v1.") + method,
                         std::make_unique<std::decay_t<decltype(request)>>(request));
  };
  v1::UpsertRequest upsert;
  upsert.set_collection("mine");
  upsert.add_records()->set_id("b");
  upsert.mutable_records(0)->add_vector(1);
  upsert.mutable_records(0)->add_vector(2);
  add("Records/Upsert", upsert);
  v1::WriteRequest write;
  write.set_collection("mine");
  *write.add_changes()->mutable_upsert() = upsert.records(0);
  add("Records/Write", write);
  v1::PatchRequest patch;
  patch.set_collection("mine");
  patch.add_patches()->set_id("a");
  patch.mutable_patches(0)->set_patch(R"({"n":1})");
  add("Records/Patch", patch);
  v1::DeleteRequest remove;
  remove.set_collection("mine");
  remove.add_ids("a");
  add("Records/Delete", remove);
  v1::CreateCollectionRequest create;
  create.set_name("new");
  create.set_dim(2);
  add("Collections/Create", create);
  v1::DropCollectionRequest drop;
  drop.set_collection("other");
  add("Collections/Drop", drop);
  v1::BackupRequest backup;
  backup.set_name("copy");
  add("Maintenance/Backup", backup);
  return changes;
}

TEST_F(Access, WhoMayNotChangesNothing) {
  ASSERT_OK_AND_ASSIGN(const auto mine, served_.database()->OpenCollection("mine"));
  Record record;
  record.id = "a";
  record.vector = {1, 2};
  ASSERT_OK(mine->Upsert({record}).status());
  const std::string admin = Token(v1::ROLE_ADMIN);
  std::string wrong = admin;
  wrong.back() = wrong.back() == '0' ? '1' : '0';
  const std::string refused[] = {"",
                                 "x",
                                 wrong,
                                 Token(v1::ROLE_ADMIN, {}, 1),
                                 Token(v1::ROLE_READ),
                                 Token(v1::ROLE_ADMIN, {"nothing"})};
  const auto call = [this](const std::string& token, const std::string& path,
                           const google::protobuf::Message& request) {
    Channel channel(served_.address(), token, kTimeoutMs);
    const std::unique_ptr<google::protobuf::Message> response(FindMethod(path)->response->New());
    return channel.Call(path, request, response.get(), {});
  };
  const SequenceNumber before = served_.database()->Stats()->sequence;
  for (const std::string& token : refused) {
    for (const auto& [path, request] : Changes()) {
      EXPECT_TRUE(IsRefusal(call(token, path, *request).code())) << path << " '" << token << "'";
    }
  }
  EXPECT_EQ(served_.database()->Stats()->sequence, before);
  EXPECT_EQ(*served_.database()->ListCollections(), (std::vector<std::string>{"mine", "other"}));
  EXPECT_FALSE(FileSystem::Posix()->FileExists(served_.path("copy")).ok());
  // The same requests change something for whoever may.
  for (const auto& [path, request] : Changes()) {
    EXPECT_OK(call(admin, path, *request)) << path;
  }
  EXPECT_EQ(*served_.database()->ListCollections(), (std::vector<std::string>{"mine", "new"}));
  EXPECT_OK(FileSystem::Posix()->FileExists(served_.path("copy")));
}

TEST_F(Access, NoMethodForgetsItsRule) {
  EXPECT_GE(Methods().size(), 20U);
  for (const Method& method : Methods()) {
    SCOPED_TRACE(method.path);
    EXPECT_GE(method.rule.role(), v1::ROLE_PUBLIC);
    EXPECT_EQ(FindMethod(method.path), &method);
    EXPECT_EQ(method.rule.collection_field().empty(), method.collection == nullptr);
    EXPECT_TRUE(!method.rule.writes() || method.rule.role() >= v1::ROLE_WRITE);
  }
  EXPECT_EQ(FindMethod("/leadline.v1.Records/Nothing"), nullptr);
  EXPECT_EQ(FindMethod(""), nullptr);
}

TEST_F(Access, ATokenForSomeCollectionsReachesNoOther) {
  const std::string token = Token(v1::ROLE_ADMIN, {"mine"});
  for (const Method& method : Methods()) {
    SCOPED_TRACE(method.path);
    if (method.collection != nullptr) {
      EXPECT_EQ(CallWith(served_.address(), token, method, "other"), StatusCode::kPermissionDenied);
    } else if (method.rule.role() > v1::ROLE_PUBLIC && !method.rule.any_scope()) {
      EXPECT_EQ(CallWith(served_.address(), token, method, ""), StatusCode::kPermissionDenied);
    }
  }
  const std::unique_ptr<Database> client = served_.Connect(token);
  EXPECT_EQ(*client->ListCollections(), std::vector<std::string>{"mine"});
  EXPECT_OK((*client->OpenCollection("mine"))->Count(std::nullopt));
  EXPECT_THAT(client->OpenCollection("other"), StatusIs(StatusCode::kPermissionDenied));
  EXPECT_EQ(served_.database()->ListCollections()->size(), 2U);
}

TEST_F(Access, ARevokedTokenEndsAndTheDoorStaysShut) {
  const std::string token = Token(v1::ROLE_READ);
  const Method& list = *FindMethod("/leadline.v1.Collections/List");
  EXPECT_EQ(CallWith(served_.address(), token, list, ""), StatusCode::kOk);
  ASSERT_OK_AND_ASSIGN(const auto records, served_.tokens()->List());
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].digest.find(token), std::string::npos);
  ASSERT_OK(served_.tokens()->Revoke(records[0].id));
  EXPECT_EQ(CallWith(served_.address(), token, list, ""), StatusCode::kUnauthenticated);
  EXPECT_EQ(CallWith(served_.address(), "", list, ""), StatusCode::kUnauthenticated);
  EXPECT_THAT(served_.tokens()->Revoke("000000000000"), StatusIs(StatusCode::kNotFound));
}

TEST_F(Access, HealthNeedsNoTokenAndTurnsWhileDraining) {
  Token(v1::ROLE_READ);
  Channel channel(served_.address(), "", kTimeoutMs);
  const auto health = [&channel] {
    v1::HealthResponse response;
    EXPECT_OK(channel.Call("/grpc.health.v1.Health/Check", v1::HealthRequest(), &response, {}));
    return response.status();
  };
  EXPECT_EQ(health(), v1::HealthResponse::SERVING);
  for (const char* name : {"leadline.v1.Search", "grpc.health.v1.Health"}) {
    v1::HealthRequest request;
    request.set_service(name);
    v1::HealthResponse response;
    EXPECT_OK(channel.Call("/grpc.health.v1.Health/Check", request, &response, {}));
    EXPECT_EQ(response.status(), v1::HealthResponse::SERVING);
  }
  for (const char* name :
       {"leadline.v1.Nothing", "leadline.v1", "/", "leadline.v1.Search/Search"}) {
    v1::HealthRequest request;
    request.set_service(name);
    v1::HealthResponse response;
    EXPECT_THAT(channel.Call("/grpc.health.v1.Health/Check", request, &response, {}),
                StatusIs(StatusCode::kNotFound, "no such service"));
  }
  served_.service()->Drain();
  EXPECT_EQ(health(), v1::HealthResponse::NOT_SERVING);
  v1::InfoResponse info;
  EXPECT_THAT(channel.Call("/leadline.v1.Nothing/Nothing", v1::InfoRequest(), &info, {}),
              StatusIs(StatusCode::kUnimplemented));
}

TEST_F(Access, ADamagedTokenFileShutsTheDoor) {
  ASSERT_OK(WriteFileAtomically(FileSystem::Posix(), served_.path("db") + "/tokens.json", "{"));
  TokenStore tokens(FileSystem::Posix(), Clock::System(), served_.path("db"));
  Service service(served_.database(), &tokens, {});
  EXPECT_THAT(service.Authenticate(""), StatusIs(StatusCode::kDataLoss, "tokens.json"));
  EXPECT_THAT(tokens.Create({}), StatusIs(StatusCode::kDataLoss));
}

}  // namespace
}  // namespace leadline::rpc
