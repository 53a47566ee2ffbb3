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
//     payload field "amount" over a moment differs from SUM, or counts and searches of that moment
//     tell of other records than its pages. Prints "P" after each round, and at the end
//     "=ROUNDS SEQUENCES": rounds and distinct sequences seen.

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
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

int64_t AmountOf(const std::string& payload) {
  return std::atoll(payload.c_str() + std::string_view("{\"amount\":").size());
}

/// One moment of collection "c", as its pages show it.
struct Moment {
  std::map<std::string, int64_t> amounts;  ///< by id
  int64_t sum = 0;
};

Result<Moment> ScrollMoment(Collection* collection, std::shared_ptr<const Snapshot> snapshot) {
  ScrollOptions options;
  options.read.with_vectors = false;
  options.read.snapshot = std::move(snapshot);
  Moment moment;
  do {
    LEADLINE_ASSIGN_OR_RETURN(const ScrollPage page, collection->Scroll(options));
    for (const Record& record : page.records) {
      const int64_t amount = AmountOf(record.payload);
      if (!moment.amounts.emplace(record.id, amount).second) {
        return InternalError("a page repeats a record: " + record.id);
      }
      moment.sum += amount;
    }
    options.cursor = page.next_cursor;
  } while (!options.cursor.empty());
  return moment;
}

/// Counts all records of the moment, and those above an amount.
Status CompareCounts(Collection* collection, const Moment& moment, const ReadOptions& read) {
  constexpr int64_t kBound = 1000;
  LEADLINE_ASSIGN_OR_RETURN(const uint64_t all, collection->Count(std::nullopt, read));
  LEADLINE_ASSIGN_OR_RETURN(const Filter filter,
                            Filter::Compare("amount", CompareOp::kGreater, kBound));
  LEADLINE_ASSIGN_OR_RETURN(const uint64_t above, collection->Count(filter, read));
  const auto expected = std::count_if(moment.amounts.begin(), moment.amounts.end(),
                                      [](const auto& entry) { return entry.second > kBound; });
  return all == moment.amounts.size() && above == static_cast<uint64_t>(expected)
             ? OkStatus()
             : InternalError("counts differ from the pages: all=" + std::to_string(all) +
                             " above=" + std::to_string(above) +
                             " expected=" + std::to_string(expected));
}

/// Every hit must be a record of the moment with its amount, and none missing or there twice.
Status CompareSearch(Collection* collection, const Moment& moment, SearchOptions options) {
  options.with_payload = true;
  const std::vector<float> query(collection->options().vectors[0].dim, 0.25F);
  LEADLINE_ASSIGN_OR_RETURN(const SearchResponse found, collection->Search(query, options));
  std::set<std::string> ids;
  for (const Hit& hit : found.hits) {
    const auto record = moment.amounts.find(hit.id);
    if (record == moment.amounts.end() || record->second != AmountOf(hit.payload) ||
        !ids.insert(hit.id).second) {
      return InternalError("a hit is none of the pages' records: " + hit.id + " " + hit.payload);
    }
  }
  const size_t expected = std::min(options.limit, moment.amounts.size());
  return ids.size() == expected ? OkStatus()
                                : InternalError("a search gave " + std::to_string(ids.size()) +
                                                " records of " + std::to_string(expected));
}

/// Reads the newest moment in every way. Between two refreshes it is the same with a snapshot and
/// without. kInternal where the ways disagree.
Status CompareReads(Database* database, int64_t expected, bool by_snapshot,
                    std::set<SequenceNumber>* sequences) {
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> collection,
                            database->OpenCollection("c"));
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<const Snapshot> snapshot,
                            database->TakeSnapshot());
  const SequenceNumber newest = sequences->empty() ? 0 : *sequences->rbegin();
  sequences->insert(snapshot->sequence());
  LEADLINE_ASSIGN_OR_RETURN(const Moment moment, ScrollMoment(collection.get(), snapshot));
  if (moment.sum != expected || snapshot->sequence() < newest) {
    return InternalError("torn read: sum=" + std::to_string(moment.sum) +
                         " sequence=" + std::to_string(snapshot->sequence()));
  }
  ReadOptions read;
  SearchOptions exact;
  SearchOptions approximate;
  if (by_snapshot) {
    read.snapshot = snapshot;
    exact.snapshot = snapshot;
    approximate.snapshot = snapshot;
  }
  LEADLINE_RETURN_IF_ERROR(CompareCounts(collection.get(), moment, read));
  exact.exact = true;
  exact.limit = moment.amounts.size() + 10;
  LEADLINE_RETURN_IF_ERROR(CompareSearch(collection.get(), moment, exact));
  approximate.ef_search = 12;
  approximate.nprobe = 3;
  approximate.full_scan_threshold = 0;
  return CompareSearch(collection.get(), moment, approximate);
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
    const Status read = CompareReads(database.get(), expected, rounds % 2 == 0, &sequences);
    if (!read.ok() && read.code() != StatusCode::kInternal) {
      Fail("read", read);
    }
    if (!read.ok()) {
      std::fprintf(stderr, "crash_worker: %s\n", read.ToString().c_str());
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
