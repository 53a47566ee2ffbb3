#include "kill_driver.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <sstream>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "child_process.h"
#include "status_matchers.h"

namespace leadline::testing {
namespace {

using SteadyClock = std::chrono::steady_clock;

/// A worker that is neither ready nor dead after this long hangs.
constexpr std::chrono::seconds kHangs{120};

int MillisUntil(SteadyClock::time_point moment) {
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(moment - SteadyClock::now()).count();
  return static_cast<int>(std::max<int64_t>(left, 0));
}

}  // namespace

KillDriver::KillDriver(std::string path, uint64_t seed)
    : path_(std::move(path)), kill_log_(path_ + "-kills"), seed_(seed), rng_(seed) {
  for (int stream = 0; stream < kCrashStreams; ++stream) {
    states_[static_cast<size_t>(stream)] = InitialState(stream);
  }
  Result<std::unique_ptr<Database>> database = Database::Open(path_, CrashDatabase());
  EXPECT_OK(database);
  EXPECT_OK((*database)->CreateCollection(CollectionOf(0), CrashCollection(0)));
  EXPECT_OK((*database)->Close());
}

KillOutcome KillDriver::RunAndKill(const KillPlan& plan) {
  std::filesystem::remove(kill_log_);
  std::vector<std::pair<std::string, std::string>> environment = {{"LEADLINE_KILL_LOG", kill_log_}};
  if (!plan.point.empty()) {
    environment.emplace_back("LEADLINE_KILL_POINT",
                             plan.point + ":" + std::to_string(plan.countdown));
  }
  std::vector<std::string> command = {LEADLINE_CRASH_WORKER, "open", path_};
  if (!plan.recover_only) {
    command = {LEADLINE_CRASH_WORKER, "write", path_, std::to_string(seed_), plan.durability};
    for (const uint64_t done : done_) {
      command.push_back(std::to_string(done));
    }
  }
  ChildProcess worker(command, environment);
  KillOutcome outcome;
  std::string text;
  SteadyClock::time_point deadline = SteadyClock::now() + kHangs;
  while (worker.ReadSome(&text, MillisUntil(deadline))) {
    if (!outcome.ready && text.find('R') != std::string::npos) {
      outcome.ready = true;
      deadline = SteadyClock::now() + std::chrono::milliseconds(plan.patience_ms);
    }
    if (SteadyClock::now() >= deadline) {
      worker.Kill();
      text += worker.ReadAll();
      break;
    }
  }
  outcome.ready = outcome.ready || text.find('R') != std::string::npos;
  const int status = worker.Wait();
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
      << "worker ended by itself: " << DescribeStatus(status);
  outcome.by_point = std::filesystem::exists(kill_log_);
  EXPECT_TRUE(outcome.ready || outcome.by_point) << "worker did not come to an open database";
  TakeAcknowledgements(text, &outcome);
  return outcome;
}

void KillDriver::TakeAcknowledgements(const std::string& text, KillOutcome* outcome) {
  std::istringstream lines(text);
  for (std::string letter; lines >> letter;) {
    if (letter != "A") {
      continue;
    }
    size_t stream = 0;
    uint64_t index = 0;
    lines >> stream >> index;
    ASSERT_LT(stream, done_.size());
    ASSERT_EQ(index, done_[stream]);
    Apply(MakeCrashStep(seed_, static_cast<int>(stream), index), &states_[stream]);
    done_[stream] = index + 1;
    ++outcome->acknowledged;
  }
}

void KillDriver::Verify() {
  ASSERT_OK_AND_ASSIGN(const auto database, Database::Open(path_, CrashDatabase()));
  for (int stream = 0; stream < kCrashStreams; ++stream) {
    VerifyStream(database.get(), stream);
    if (::testing::Test::HasFailure()) {
      return;
    }
  }
  CrashRecords shared = states_[0].records;
  shared.insert(states_[1].records.begin(), states_[1].records.end());
  VerifyCollection(database.get(), CollectionOf(0), shared);
  if (states_[2].exists) {
    VerifyCollection(database.get(), CollectionOf(2), states_[2].records);
  }
  VerifyLeftovers();
  ASSERT_OK(database->Close());
}

void KillDriver::VerifyStream(Database* database, int stream) {
  const auto s = static_cast<size_t>(stream);
  CrashState next = states_[s];
  const CrashStep step = MakeCrashStep(seed_, stream, done_[s]);
  Apply(step, &next);
  const Result<std::shared_ptr<Collection>> collection =
      database->OpenCollection(CollectionOf(stream));
  CrashImage found;
  if (collection.ok()) {
    ASSERT_OK_AND_ASSIGN(found, ReadImage(collection->get(), PrefixOf(stream)));
  } else {
    ASSERT_EQ(collection.status().code(), StatusCode::kNotFound) << collection.status().ToString();
  }
  if (collection.ok() == states_[s].exists && found == ImageOf(states_[s].records)) {
    return;
  }
  ASSERT_EQ(collection.ok(), next.exists)
      << "stream " << stream << " after " << done_[s] << " acknowledged steps: the collection is "
      << (collection.ok() ? "there" : "gone");
  ASSERT_EQ(found, ImageOf(next.records))
      << "stream " << stream << " holds neither its " << done_[s]
      << " acknowledged steps nor one more: something acknowledged is lost, something deleted is "
         "back, or half a batch is there";
  states_[s] = next;
  ++done_[s];
}

void KillDriver::VerifyCollection(Database* database, const std::string& name,
                                  const CrashRecords& records) {
  ASSERT_OK_AND_ASSIGN(const auto collection, database->OpenCollection(name));
  for (const std::string& problem :
       Disagreements(database, collection.get(), records, rng_.Next(), &tally_)) {
    ADD_FAILURE() << name << ": " << problem;
  }
}

void KillDriver::VerifyLeftovers() {
  for (const char* suffix : {"-backup", "-restored"}) {
    const std::string directory = path_ + suffix;
    // Under its final name a copy is whole.
    if (std::filesystem::exists(directory)) {
      DatabaseOptions options;
      options.read_only = true;
      ASSERT_OK_AND_ASSIGN(const auto copy, Database::Open(directory, options));
      ASSERT_OK_AND_ASSIGN(const CheckReport report, copy->Check());
      EXPECT_TRUE(report.ok()) << directory << ": " << report.problems[0].invariant << " "
                               << report.problems[0].where << " " << report.problems[0].detail;
    }
    std::filesystem::remove_all(directory);
    std::filesystem::remove_all(directory + ".partial");
    std::filesystem::remove_all(directory + "-trash");
  }
}

}  // namespace leadline::testing
