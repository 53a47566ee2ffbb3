// The real program under `leadline serve`: ended by SIGTERM or killed under writers, and started on
// addresses and databases that it must refuse. What a client was told is there is there.

#include <atomic>
#include <csignal>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "leadline/client.h"
#include "leadline/core/mutex.h"
#include "leadline/leadline.h"
#include "served_program.h"
#include "status_matchers.h"
#include "temp_dir.h"
#include "test_environment.h"

namespace leadline {
namespace {

using testing::Json;
using testing::ProgramOutput;
using testing::RunningProgram;
using testing::StatusIs;

constexpr int kWriters = 4;
constexpr int kBatch = 5;

/// What clients know of their batches. Thread-safe.
class Acknowledgements {
 public:
  void Sent(const std::string& batch) {
    MutexLock lock(&mutex_);
    sent_.insert(batch);
  }

  void Acknowledged(const std::string& batch) {
    MutexLock lock(&mutex_);
    acknowledged_.insert(batch);
  }

  /// Expects every acknowledged batch whole in the database at `path`, every other one whole or not
  /// at all, and nothing else.
  void ExpectKept(const std::string& path) {
    ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Database> database, Database::Open(path));
    ASSERT_OK_AND_ASSIGN(const auto collection, database->OpenCollection("c"));
    std::map<std::string, int> found;
    ScrollOptions options;
    do {
      ASSERT_OK_AND_ASSIGN(const ScrollPage page, collection->Scroll(options));
      for (const Record& record : page.records) {
        ++found[record.id.substr(0, record.id.rfind('/'))];
      }
      options.cursor = page.next_cursor;
    } while (!options.cursor.empty());
    MutexLock lock(&mutex_);
    for (const std::string& batch : acknowledged_) {
      EXPECT_EQ(found[batch], kBatch) << "lost: " << batch;
    }
    for (const auto& [batch, rows] : found) {
      EXPECT_TRUE(rows == kBatch || rows == 0) << "torn: " << batch;
      EXPECT_TRUE(sent_.contains(batch)) << "never sent: " << batch;
    }
    EXPECT_TRUE(database->Check()->ok());
  }

  size_t acknowledged() {
    MutexLock lock(&mutex_);
    return acknowledged_.size();
  }

 private:
  Mutex mutex_;
  std::set<std::string> sent_ LEADLINE_GUARDED_BY(mutex_);
  std::set<std::string> acknowledged_ LEADLINE_GUARDED_BY(mutex_);
};

/// Upserts batches until a call fails; returns that failure.
Status WriteUntilFailure(Database* database, const std::string& name, Acknowledgements* known) {
  LEADLINE_ASSIGN_OR_RETURN(const auto collection, database->OpenCollection("c"));
  for (int number = 0;; ++number) {
    const std::string batch = name + "-" + std::to_string(number);
    std::vector<Record> records(kBatch);
    for (int i = 0; i < kBatch; ++i) {
      records[static_cast<size_t>(i)].id = batch + "/" + std::to_string(i);
      records[static_cast<size_t>(i)].vector = {static_cast<float>(number), static_cast<float>(i)};
    }
    known->Sent(batch);
    LEADLINE_RETURN_IF_ERROR(collection->Upsert(std::move(records)).status());
    known->Acknowledged(batch);
  }
}

/// Runs writers against `served` until `end` has ended it; returns what stopped them.
template <typename End>
std::vector<Status> WriteWhile(const ServedProgram& served, const std::string& name,
                               Acknowledgements* known, const End& end) {
  std::vector<Status> failures(kWriters);
  std::vector<std::unique_ptr<Database>> clients(kWriters);
  for (std::unique_ptr<Database>& client : clients) {
    client = served.Connect();  // all of them before `end`
  }
  std::vector<std::thread> writers;
  for (size_t i = 0; i < kWriters; ++i) {
    writers.emplace_back([&, i] {
      failures[i] = WriteUntilFailure(clients[i].get(), name + "w" + std::to_string(i), known);
    });
  }
  const size_t before = known->acknowledged();
  while (known->acknowledged() < before + 20) {
    std::this_thread::yield();
  }
  end();
  for (std::thread& writer : writers) {
    writer.join();
  }
  return failures;
}

class Serve : public ::testing::Test {
 protected:
  void SetUp() override {
    DatabaseOptions options;
    options.create_if_missing = true;
    ASSERT_OK_AND_ASSIGN(const auto database, Database::Open(path_, options));
    CollectionOptions collection;
    collection.vectors = {{.dim = 2, .metric = Metric::kL2}};
    ASSERT_OK(database->CreateCollection("c", collection));
    ASSERT_OK(database->Close());
  }

  testing::TempDir dir_;
  const std::string path_ = dir_.file("db");
};

TEST_F(Serve, SigtermLosesNothingThatWasAcknowledged) {
  ServedProgram served(path_);
  Acknowledgements known;
  const std::vector<Status> failures = WriteWhile(served, "", &known, [&served] {
    served.program().Signal(SIGTERM);
    const ProgramOutput output = served.program().Wait();
    EXPECT_EQ(output.exit_code, 0) << output.err;
  });
  for (const Status& failure : failures) {
    EXPECT_THAT(failure, StatusIs(StatusCode::kUnavailable));
  }
  known.ExpectKept(path_);
}

TEST_F(Serve, KillLosesNothingThatWasAcknowledged) {
  const uint64_t cycles = testing::FromEnvironment("LEADLINE_SERVER_KILLS", 10);
  Acknowledgements known;
  for (uint64_t cycle = 0; cycle < cycles && !HasFailure(); ++cycle) {
    ServedProgram served(path_);
    for (Status& failure : WriteWhile(served, std::to_string(cycle), &known, [&served] {
           served.program().Signal(SIGKILL);
           EXPECT_EQ(served.program().Wait().exit_code, 128 + SIGKILL);
         })) {
      EXPECT_THAT(failure, StatusIs(StatusCode::kUnavailable));
    }
    if (cycle % 10 == 9 || cycle + 1 == cycles) {
      known.ExpectKept(path_);
    }
  }
}

TEST_F(Serve, RefusesAddressesThatOthersReachAndWhatIsTaken) {
  for (const char* address : {"0.0.0.0:0", "192.0.2.1:7701", "[::]:0", "example.org:1", ":7701"}) {
    const ProgramOutput output = testing::Leadline({"serve", path_, "--grpc", address});
    EXPECT_EQ(output.exit_code, 2) << address;
    EXPECT_NE(output.err.find("--grpc"), std::string::npos) << output.err;
  }
  ServedProgram served(path_);
  const ProgramOutput second = testing::Leadline({"serve", path_, "--grpc", "127.0.0.1:0"});
  EXPECT_EQ(second.exit_code, 4);
  EXPECT_NE(second.err.find(std::to_string(served.program().pid())), std::string::npos)
      << second.err;
  const ProgramOutput same_port = testing::Leadline(
      {"serve", dir_.file("other"), "--grpc", "127.0.0.1:" + std::to_string(served.port())});
  EXPECT_EQ(same_port.exit_code, 4) << same_port.err;
}

TEST_F(Serve, ListensOnASocketThatOnlyTheOwnerOpens) {
  const std::string socket = dir_.file("s");
  RunningProgram program({"serve", path_, "--grpc", "unix:" + socket, "--http", "", "--json"});
  std::string line;
  ASSERT_TRUE(program.ReadLine(&line));
  ASSERT_OK_AND_ASSIGN(const auto client, Client::Connect("unix:" + socket));
  EXPECT_EQ(client->ListCollections()->size(), 1U);
  struct stat info = {};
  ASSERT_EQ(::stat(socket.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
}

TEST_F(Serve, TokensAreMadeListedAndRevokedWhileItRuns) {
  ServedProgram served(path_);
  ASSERT_OK(served.Connect()->ListCollections());
  const ProgramOutput made = testing::Leadline(
      {"token", "create", path_, "--role", "write", "--collection", "c", "--days", "1", "--json"});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  ClientOptions options;
  options.token = made.OneJson()["token"];
  const std::string address = "127.0.0.1:" + std::to_string(served.port());
  // The server reads the file again within a second.
  Status open = OkStatus();
  for (int i = 0; i < 100 && open.ok(); ++i) {
    open = Client::Connect(address).status();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_THAT(open, StatusIs(StatusCode::kUnauthenticated));
  ASSERT_OK_AND_ASSIGN(const auto client, Client::Connect(address, options));
  EXPECT_OK((*client->OpenCollection("c"))->Count(std::nullopt));
  EXPECT_THAT(client->DropCollection("c"), StatusIs(StatusCode::kPermissionDenied));
  const Json listed = testing::Leadline({"token", "list", path_, "--json"}).OneJson();
  EXPECT_EQ(listed["role"], "write");
  EXPECT_EQ(listed["collections"], Json::array({"c"}));
  EXPECT_EQ(testing::Leadline({"token", "revoke", path_, listed["id"]}).exit_code, 0);
  Status revoked = OkStatus();
  for (int i = 0; i < 100 && revoked.ok(); ++i) {
    revoked = client->ListCollections().status();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_THAT(revoked, StatusIs(StatusCode::kUnauthenticated));
  EXPECT_NE(testing::Leadline({"token", "revoke", path_, listed["id"]}).exit_code, 0);
}

}  // namespace
}  // namespace leadline
