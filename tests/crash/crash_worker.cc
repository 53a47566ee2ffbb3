// The process that gets killed.
//
//   crash_worker write PATH SEED DURABILITY START0 START1 START2
//     Prints "R" when the database is open, then runs the steps of all streams from the given
//     indexes on, one thread a stream, until it is killed. After each acknowledged step it prints
//     "A STREAM INDEX". Searches and holds snapshots meanwhile and ends when one of those is wrong.
//   crash_worker open PATH
//     Opens PATH for writing, prints "R", closes it; again and again.
//   crash_worker read PATH SUM
//     Opens PATH read-only and refreshes until standard input closes; exits 1 as soon as the sum of
//     payload field "amount" over a snapshot differs from SUM. Prints "P" after each round, and at
//     the end "=ROUNDS SEQUENCES": rounds and distinct sequences seen.

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include "crash_workload.h"
#include "leadline/core/file_system.h"

namespace leadline::testing {
namespace {

constexpr uint64_t kSearchEvery = 8;
constexpr uint64_t kSnapshotEvery = 32;

[[noreturn]] void Fail(const std::string& what, const Status& status) {
  std::fprintf(stderr, "crash_worker: %s: %s\n", what.c_str(), status.ToString().c_str());
  std::_Exit(3);
}

void Print(const std::string& line) {
  if (::write(STDOUT_FILENO, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    std::_Exit(4);
  }
}

/// A filtered search through the index; every hit must match.
void SearchOnce(Database* database, int stream, Rng* rng) {
  const Result<std::shared_ptr<Collection>> collection =
      database->OpenCollection(CollectionOf(stream));
  if (!collection.ok()) {
    return;  // stream 2 before its create
  }
  const int64_t below = 1 + static_cast<int64_t>(rng->Uniform(900));
  SearchOptions options;
  options.full_scan_threshold = 0;
  options.ef_search = 12;
  options.with_payload = true;
  options.filter = Filter::Parse("group < " + std::to_string(below)).value();
  const Result<SearchResponse> found =
      (*collection)->Search(RandomCrashRecord(rng, 0).vector, options);
  if (!found.ok()) {
    Fail("search", found.status());
  }
  for (const Hit& hit : found->hits) {
    if (std::atoll(hit.payload.c_str() + std::strlen("{\"group\":")) >= below) {
      Fail("search", InternalError("hit does not match the filter: " + hit.payload));
    }
  }
}

/// A snapshot that is held across many writes and must read the same at its end.
class HeldSnapshot {
 public:
  HeldSnapshot(Database* database, int stream) : database_(database), stream_(stream) {}

  void Renew() {
    Result<std::shared_ptr<Collection>> collection =
        database_->OpenCollection(CollectionOf(stream_));
    if (!collection.ok()) {
      Fail("open collection", collection.status());
    }
    if (snapshot_ != nullptr && Read(collection->get()) != image_) {
      Fail("snapshot", InternalError("a held snapshot has changed"));
    }
    Result<std::shared_ptr<const Snapshot>> taken = database_->TakeSnapshot();
    if (!taken.ok()) {
      Fail("snapshot", taken.status());
    }
    snapshot_ = *taken;
    image_ = Read(collection->get());
  }

 private:
  CrashImage Read(Collection* collection) const {
    Result<CrashImage> image = ReadImage(collection, "", snapshot_);
    if (!image.ok()) {
      Fail("read snapshot", image.status());
    }
    return *image;
  }

  Database* const database_;
  const int stream_;
  std::shared_ptr<const Snapshot> snapshot_;
  CrashImage image_;
};

void RunStream(Database* database, const std::string& path, uint64_t seed, int stream,
               uint64_t start) {
  Rng rng(seed + start + static_cast<uint64_t>(stream));
  HeldSnapshot held(database, stream);
  for (uint64_t index = start;; ++index) {
    const CrashStep step = MakeCrashStep(seed, stream, index);
    const Status done = RunStep(database, FileSystem::Posix(), path, stream, step);
    if (!done.ok()) {
      Fail("step " + std::to_string(index) + " of stream " + std::to_string(stream), done);
    }
    Print("A " + std::to_string(stream) + " " + std::to_string(index) + "\n");
    if (index % kSearchEvery == 3) {
      SearchOnce(database, stream, &rng);
    }
    if (stream < 2 && index % kSnapshotEvery == 5) {
      held.Renew();
    }
  }
}

std::unique_ptr<Database> OpenOrFail(const std::string& path, const DatabaseOptions& options) {
  Result<std::unique_ptr<Database>> database = Database::Open(path, options);
  if (!database.ok()) {
    Fail("open", database.status());
  }
  return std::move(database).value();
}

int Write(const std::string& path, uint64_t seed, const std::string& durability,
          const std::vector<uint64_t>& starts) {
  DatabaseOptions options = CrashDatabase();
  options.durability = durability == "os"         ? Durability::kOs
                       : durability == "interval" ? Durability::kInterval
                                                  : Durability::kSync;
  options.interval_ms = 10;
  const std::unique_ptr<Database> database = OpenOrFail(path, options);
  Print("R\n");
  std::vector<std::thread> threads;
  for (int stream = 0; stream < kCrashStreams; ++stream) {
    threads.emplace_back([&, stream] {
      RunStream(database.get(), path, seed, stream, starts[static_cast<size_t>(stream)]);
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  return 0;
}

int OpenAndClose(const std::string& path) {
  while (true) {
    const std::unique_ptr<Database> database = OpenOrFail(path, CrashDatabase());
    Print("R\n");
    const Status closed = database->Close();
    if (!closed.ok()) {
      Fail("close", closed);
    }
  }
}

Result<int64_t> SumOfAmounts(Database* database, std::set<SequenceNumber>* sequences) {
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> collection,
                            database->OpenCollection("c"));
  ScrollOptions options;
  options.read.with_vectors = false;
  LEADLINE_ASSIGN_OR_RETURN(options.read.snapshot, database->TakeSnapshot());
  sequences->insert(options.read.snapshot->sequence());
  int64_t sum = 0;
  do {
    LEADLINE_ASSIGN_OR_RETURN(const ScrollPage page, collection->Scroll(options));
    for (const Record& record : page.records) {
      sum += std::atoll(record.payload.c_str() + std::string_view("{\"amount\":").size());
    }
    options.cursor = page.next_cursor;
  } while (!options.cursor.empty());
  return sum;
}

int Read(const std::string& path, int64_t expected) {
  DatabaseOptions options;
  options.read_only = true;
  const std::unique_ptr<Database> database = OpenOrFail(path, options);
  std::atomic<bool> stop{false};
  std::thread watcher([&] {
    char byte = 0;
    while (::read(STDIN_FILENO, &byte, 1) > 0) {
    }
    stop.store(true);
  });
  int rounds = 0;
  int result = 0;
  std::set<SequenceNumber> sequences;
  bool last = false;
  while (!last && result == 0) {
    // One more round once the input has ended: it sees all that was written before.
    last = stop.load();
    const Status refreshed = database->Refresh();
    if (!refreshed.ok()) {
      Fail("refresh", refreshed);
    }
    const SequenceNumber newest = sequences.empty() ? 0 : *sequences.rbegin();
    const Result<int64_t> sum = SumOfAmounts(database.get(), &sequences);
    if (!sum.ok()) {
      Fail("scroll", sum.status());
    }
    if (*sum != expected || *sequences.rbegin() < newest) {
      std::fprintf(stderr, "crash_worker: torn read: sum=%lld\n", static_cast<long long>(*sum));
      result = 1;
    }
    ++rounds;
    Print("P\n");
  }
  Print("=" + std::to_string(rounds) + " " + std::to_string(sequences.size()) + "\n");
  std::_Exit(result);
}

}  // namespace
}  // namespace leadline::testing

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  if (args.size() == 7 && args[0] == "write") {
    return leadline::testing::Write(
        args[1], std::stoull(args[2]), args[3],
        {std::stoull(args[4]), std::stoull(args[5]), std::stoull(args[6])});
  }
  if (args.size() == 2 && args[0] == "open") {
    return leadline::testing::OpenAndClose(args[1]);
  }
  if (args.size() == 3 && args[0] == "read") {
    return leadline::testing::Read(args[1], std::stoll(args[2]));
  }
  std::fprintf(stderr,
               "usage: crash_worker write PATH SEED DURABILITY START0 START1 START2 | open PATH | "
               "read PATH SUM\n");
  return 2;
}
