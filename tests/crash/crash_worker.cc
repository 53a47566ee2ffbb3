// The process that gets killed.
//
//   crash_worker write PATH SEED START0 START1
//     Writes the batches of both streams from the given indexes on, one thread a stream, until it
//     is killed. After each acknowledged batch it prints "A STREAM INDEX".
//   crash_worker read PATH SUM
//     Opens PATH read-only and refreshes until standard input closes; exits 1 as soon as the sum of
//     payload field "amount" over a snapshot differs from SUM.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include "crash_workload.h"

namespace leadline::testing {
namespace {

constexpr uint64_t kOptimizeEvery = 61;

[[noreturn]] void Fail(const std::string& what, const Status& status) {
  std::fprintf(stderr, "crash_worker: %s: %s\n", what.c_str(), status.ToString().c_str());
  std::_Exit(3);
}

void RunStream(Collection* collection, uint64_t seed, int stream, uint64_t start) {
  for (uint64_t index = start;; ++index) {
    const Result<WriteResult> written =
        collection->Write(ToWriteBatch(MakeCrashBatch(seed, stream, index)));
    if (!written.ok()) {
      Fail("write", written.status());
    }
    char line[64];
    const int length = std::snprintf(line, sizeof line, "A %d %llu\n", stream,
                                     static_cast<unsigned long long>(index));
    if (::write(STDOUT_FILENO, line, static_cast<size_t>(length)) != length) {
      std::_Exit(4);
    }
    if (stream == 0 && index % kOptimizeEvery == kOptimizeEvery - 1) {
      const Status optimized = collection->Optimize();
      if (!optimized.ok()) {
        Fail("optimize", optimized);
      }
    }
  }
}

int Write(const std::string& path, uint64_t seed, const std::vector<uint64_t>& starts) {
  Result<std::unique_ptr<Database>> database = Database::Open(path, CrashDatabase());
  if (!database.ok()) {
    Fail("open", database.status());
  }
  Result<std::shared_ptr<Collection>> collection = (*database)->OpenCollection("c");
  if (!collection.ok()) {
    collection = (*database)->CreateCollection("c", CrashCollection());
  }
  if (!collection.ok()) {
    Fail("collection", collection.status());
  }
  std::vector<std::thread> threads;
  for (int stream = 0; stream < kCrashStreams; ++stream) {
    threads.emplace_back(
        [&, stream] { RunStream(collection->get(), seed, stream, starts[stream]); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  return 0;
}

Result<int64_t> SumOfAmounts(Database* database) {
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> collection,
                            database->OpenCollection("c"));
  ScrollOptions options;
  options.read.with_vectors = false;
  LEADLINE_ASSIGN_OR_RETURN(options.read.snapshot, database->TakeSnapshot());
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
  Result<std::unique_ptr<Database>> database = Database::Open(path, options);
  if (!database.ok()) {
    Fail("open", database.status());
  }
  std::atomic<bool> stop{false};
  std::thread watcher([&] {
    char byte = 0;
    while (::read(STDIN_FILENO, &byte, 1) > 0) {
    }
    stop.store(true);
  });
  int rounds = 0;
  int result = 0;
  while (!stop.load() && result == 0) {
    const Status refreshed = (*database)->Refresh();
    if (!refreshed.ok()) {
      Fail("refresh", refreshed);
    }
    const Result<int64_t> sum = SumOfAmounts(database->get());
    if (!sum.ok()) {
      Fail("scroll", sum.status());
    }
    if (*sum != expected) {
      std::fprintf(stderr, "crash_worker: torn read: sum=%lld\n", static_cast<long long>(*sum));
      result = 1;
    }
    ++rounds;
  }
  std::fprintf(stderr, "crash_worker: %d rounds\n", rounds);
  std::_Exit(result);
}

}  // namespace
}  // namespace leadline::testing

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  if (args.size() == 5 && args[0] == "write") {
    return leadline::testing::Write(args[1], std::stoull(args[2]),
                                    {std::stoull(args[3]), std::stoull(args[4])});
  }
  if (args.size() == 3 && args[0] == "read") {
    return leadline::testing::Read(args[1], std::stoll(args[2]));
  }
  std::fprintf(stderr, "usage: crash_worker write PATH SEED START0 START1 | read PATH SUM\n");
  return 2;
}
