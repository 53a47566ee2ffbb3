/// Loads a running `leadline serve`, or the same database in this process, and prints one JSON line
/// (bench/service/run.py runs it). Starts nothing.
///
///   leadline_service_load search --address 127.0.0.1:7701 --queries Q.fvecs --truth T.ivecs
///   leadline_service_load search --database DIR --queries Q.fvecs --truth T.ivecs --clients 2
///
/// What is measured:
///   search   one query a call (Collection::Search)
///   async    one query a call (Collection::SearchAsync), --clients of them under way at a time
///   http     one query a call as JSON over HTTP; --address is that of the HTTP port
///   batch    --batch queries a call (Collection::SearchBatch)
///   empty    a call that does next to nothing (Database::ListCollections): the way there and back
///   stream   one query a request over one Search.SearchStream for each client, --window under way
///   ingest   the rows of --base, --batch a request: Records.Ingest with --window under way, or
///            Collection::Upsert with --database. Makes the collection anew.
/// search, batch and empty go through leadline::Database either way, so that a ratio is about the
/// same call. They follow each other, or with --rate fall due at random moments; latency then
/// counts from the moment a call fell due (no coordinated omission).

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <absl/synchronization/mutex.h>

#include "http_search.h"
#include "leadline/client.h"
#include "leadline/leadline.h"
#include "leadline/rpc/record_wire.h"
#include "leadline/rpc/search_wire.h"
#include "leadline/v1/records.pb.h"
#include "leadline/v1/search.pb.h"
#include "load_loop.h"
#include "pipelined_stream.h"
#include "workload.h"

namespace leadline::bench {
namespace {

struct Arguments {
  std::string what;
  std::string address;
  std::string token;
  std::string database;
  std::string collection = "bench";
  std::string base;
  std::string queries;
  std::string truth;
  std::string durability = "sync";
  size_t clients = 1;
  size_t connections = 1;
  size_t batch = 32;
  size_t window = 16;
  size_t rows = 100'000;
  size_t ef_search = 64;
  bool no_recall = false;
  LoopOptions loop;
};

/// Connects with room for the largest messages.
std::shared_ptr<grpc::Channel> ConnectTo(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(16 << 20);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

/// The databases that clients take in turn: one of this process, or --connections remote ones.
std::vector<std::shared_ptr<Database>> OpenDatabases(const Arguments& args, bool read_only) {
  std::vector<std::shared_ptr<Database>> databases;
  if (!args.database.empty()) {
    DatabaseOptions options;
    options.read_only = read_only;
    options.create_if_missing = !read_only;
    options.durability = args.durability == "os" ? Durability::kOs : Durability::kSync;
    databases.push_back(OrDie(Database::Open(args.database, options)));
    return databases;
  }
  ClientOptions options;
  options.token = args.token;
  for (size_t i = 0; i < args.connections; ++i) {
    databases.push_back(OrDie(leadline::Client::Connect(args.address, options)));
  }
  return databases;
}

SearchOptions OptionsOf(const Arguments& args) {
  SearchOptions options;
  options.limit = kTop;
  options.ef_search = args.ef_search;
  return options;
}

Caller SearchCaller(std::shared_ptr<Collection> collection, const Workload& work,
                    const SearchOptions& options) {
  return [collection = std::move(collection), &work, options](size_t number) -> Result<Answer> {
    LEADLINE_ASSIGN_OR_RETURN(const SearchResponse found,
                              collection->Search(work.query(number), options));
    return Answer{1, work.CountRight(number, found.hits)};
  };
}

Caller BatchCaller(std::shared_ptr<Collection> collection, const Workload& work, size_t batch,
                   const SearchOptions& options) {
  return
      [collection = std::move(collection), &work, batch, options](size_t number) -> Result<Answer> {
        const size_t first = work.FirstOfBatch(number, batch);
        LEADLINE_ASSIGN_OR_RETURN(const std::vector<SearchResponse> found,
                                  collection->SearchBatch(work.batch(first, batch), options));
        Answer answer{found.size(), 0};
        for (size_t i = 0; i < found.size(); ++i) {
          answer.right += work.CountRight(first + i, found[i].hits);
        }
        return answer;
      };
}

Caller EmptyCaller(std::shared_ptr<Database> database) {
  return [database = std::move(database)](size_t) -> Result<Answer> {
    LEADLINE_RETURN_IF_ERROR(database->ListCollections().status());
    return Answer{};
  };
}

LoopResult RunHttp(const Arguments& args, const Workload& work) {
  const std::string url = "http://" + args.address + "/v1/collections/" + args.collection;
  std::vector<Caller> clients;
  for (size_t i = 0; i < args.clients; ++i) {
    clients.push_back(NewHttpSearchCaller(url, args.token, work, args.ef_search));
  }
  LoopOptions options = args.loop;
  options.pass_calls = work.size();
  return RunLoop(clients, options);
}

LoopResult RunCalls(const Arguments& args, const Workload& work) {
  const std::vector<std::shared_ptr<Database>> databases = OpenDatabases(args, true);
  std::vector<Caller> clients;
  for (size_t i = 0; i < args.clients; ++i) {
    const std::shared_ptr<Database>& database = databases[i % databases.size()];
    if (args.what == "empty") {
      clients.push_back(EmptyCaller(database));
      continue;
    }
    auto collection = OrDie(database->OpenCollection(args.collection));
    clients.push_back(args.what == "search"
                          ? SearchCaller(std::move(collection), work, OptionsOf(args))
                          : BatchCaller(std::move(collection), work, args.batch, OptionsOf(args)));
  }
  LoopOptions options = args.loop;
  options.pass_calls = args.no_recall          ? 0
                       : args.what == "search" ? work.size()
                       : args.what == "batch"  ? work.size() / args.batch
                                               : 0;
  return RunLoop(clients, options);
}

/// Searches that are under way at a time: each answer begins the next. Answers come on one thread.
class AsyncSearches {
 public:
  AsyncSearches(std::shared_ptr<Collection> collection, const Workload& work,
                const SearchOptions& options)
      : collection_(std::move(collection)), work_(work), options_(options) {}

  /// `clients` at a time for `seconds`, and until each of the first `pass` queries was answered.
  LoopResult Run(size_t clients, double seconds, size_t pass) {
    pass_ = pass;
    end_ = SteadyClock::now() + std::chrono::nanoseconds(std::llround(seconds * 1e9));
    const ProcessUse before = ProcessUse::Now();
    const auto start = SteadyClock::now();
    open_ = clients;
    for (size_t i = 0; i < clients; ++i) {
      Begin();
    }
    for (size_t open = open_.load(); open != 0; open = open_.load()) {
      open_.wait(open);
    }
    result_.calls = result_.nanos.size();
    result_.all_calls = result_.calls;
    result_.Close(before, start);
    return std::move(result_);
  }

 private:
  using SteadyClock = std::chrono::steady_clock;

  void Begin() {
    const size_t number = next_.fetch_add(1);
    if (number >= pass_ && SteadyClock::now() >= end_) {
      if (open_.fetch_sub(1) == 1) {
        open_.notify_one();
      }
      return;
    }
    collection_->SearchAsync(
        work_.query(number), options_,
        [this, number, since = SteadyClock::now()](Result<SearchResponse> found) {
          Take(number, since, OrDie(std::move(found)));
          Begin();
        });
  }

  void Take(size_t number, SteadyClock::time_point since, const SearchResponse& found) {
    result_.nanos.push_back(std::chrono::nanoseconds(SteadyClock::now() - since).count());
    ++result_.queries;
    const size_t right = work_.CountRight(number, found.hits);
    if (number < pass_) {
      ++result_.pass_queries;
      result_.pass_right += right;
    }
  }

  const std::shared_ptr<Collection> collection_;
  const Workload& work_;
  const SearchOptions options_;
  size_t pass_ = 0;
  SteadyClock::time_point end_;
  std::atomic<size_t> next_{0};
  std::atomic<size_t> open_{0};
  LoopResult result_;  // of the thread that takes answers, until none is open
};

LoopResult RunAsync(const Arguments& args, const Workload& work) {
  const auto database = OpenDatabases(args, true).front();
  const auto collection = OrDie(database->OpenCollection(args.collection));
  const SearchOptions options = OptionsOf(args);
  const LoopResult warm =
      AsyncSearches(collection, work, options)
          .Run(args.clients, args.loop.warmup_seconds, args.no_recall ? 0 : work.size());
  LoopResult timed =
      AsyncSearches(collection, work, options).Run(args.clients, args.loop.seconds, 0);
  timed.pass_queries = warm.pass_queries;
  timed.pass_right = warm.pass_right;
  timed.all_calls += warm.all_calls;
  return timed;
}

/// Sends the first `pass` queries over one stream, then more until `seconds` are over.
LoopResult RunStream(const Arguments& args, const std::shared_ptr<grpc::Channel>& channel,
                     const Workload& work, double seconds, size_t pass) {
  v1::SearchRequest request;
  request.set_collection(args.collection);
  rpc::WriteSearchOptions(OptionsOf(args), request.mutable_options());
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  size_t sent = 0;
  LoopResult result;
  PipelinedStream<v1::SearchRequest, v1::SearchResponse> stream(
      channel, "/leadline.v1.Search/SearchStream", args.window);
  OrDie(stream.Run(
      [&](v1::SearchRequest* next) {
        const VectorView query = work.query(sent++);
        *next = request;
        next->set_vector_f32(query.data(), query.size() * sizeof(float));
        return sent <= pass || std::chrono::steady_clock::now() < end;
      },
      [&](const v1::SearchResponse& response, int64_t nanos) {
        const SearchResponse found = OrDie(rpc::ReadSearchResponse(response));
        const size_t right = work.CountRight(result.queries, found.hits);
        if (result.queries++ < pass) {
          ++result.pass_queries;
          result.pass_right += right;
        }
        result.nanos.push_back(nanos);
      }));
  return result;
}

/// As many streams at once as there are clients.
LoopResult RunStreams(const Arguments& args, const Workload& work, double seconds, size_t pass) {
  const auto channel = ConnectTo(args.address);
  std::vector<LoopResult> parts(args.clients);
  std::vector<std::thread> threads;
  threads.reserve(parts.size());
  const ProcessUse before = ProcessUse::Now();
  const auto start = std::chrono::steady_clock::now();
  for (LoopResult& part : parts) {
    threads.emplace_back([&] { part = RunStream(args, channel, work, seconds, pass); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  LoopResult sum;
  for (const LoopResult& part : parts) {
    sum.Add(part);
  }
  sum.Close(before, start);
  return sum;
}

/// Makes the collection anew with the index of the other runs.
std::shared_ptr<Collection> MakeCollection(const Arguments& args, size_t dim, Database* database) {
  const Status dropped = database->DropCollection(args.collection);
  if (dropped.code() != StatusCode::kNotFound) {
    OrDie(dropped);
  }
  CollectionOptions options;
  options.vectors = {{.dim = static_cast<uint32_t>(dim),
                      .metric = Metric::kCosine,
                      .index = IndexKind::kHnsw,
                      .codes = CodeType::kF32}};
  return OrDie(database->CreateCollection(args.collection, options));
}

void IngestHere(Collection* collection, std::vector<std::vector<Record>>* batches,
                LoopResult* result) {
  auto before = std::chrono::steady_clock::now();
  for (std::vector<Record>& batch : *batches) {
    OrDie(collection->Upsert(std::move(batch)));
    const auto now = std::chrono::steady_clock::now();
    result->nanos.push_back((now - before).count());
    before = now;
  }
}

void IngestThere(const Arguments& args, std::vector<std::vector<Record>>* batches,
                 LoopResult* result) {
  size_t sent = 0;
  PipelinedStream<v1::UpsertRequest, v1::WriteResponse> stream(
      ConnectTo(args.address), "/leadline.v1.Records/Ingest", args.window);
  OrDie(stream.Run(
      [&](v1::UpsertRequest* next) {
        if (sent == batches->size()) {
          return false;
        }
        next->set_collection(args.collection);
        for (Record& record : (*batches)[sent++]) {
          rpc::WriteRecord(std::move(record), rpc::VectorAs::kBytes, next->add_records());
        }
        return true;
      },
      [&](const v1::WriteResponse&, int64_t nanos) { result->nanos.push_back(nanos); }));
}

/// Time is that of the writes alone, from the first that is sent to the last that is acknowledged.
LoopResult RunIngest(const Arguments& args) {
  std::vector<std::vector<Record>> batches = ReadBatches(args.base, args.rows, args.batch);
  const auto database = OpenDatabases(args, false).front();
  const auto collection = MakeCollection(args, batches[0][0].vector.size(), database.get());
  LoopResult result;
  for (const std::vector<Record>& batch : batches) {
    result.queries += batch.size();
  }
  const ProcessUse before = ProcessUse::Now();
  const auto start = std::chrono::steady_clock::now();
  if (args.database.empty()) {
    IngestThere(args, &batches, &result);
  } else {
    IngestHere(collection.get(), &batches, &result);
  }
  result.calls = result.nanos.size();
  result.all_calls = result.calls;
  result.Close(before, start);
  return result;
}

double Micros(const std::vector<int64_t>& sorted, double quantile) {
  const auto last = static_cast<double>(sorted.size() - 1);
  return static_cast<double>(sorted[static_cast<size_t>(std::lround(quantile * last))]) / 1000;
}

/// `per_second` and `recall` are of queries, or of rows for ingest; latency is of calls.
void Print(const Arguments& args, LoopResult result) {
  if (result.nanos.empty()) {
    Fail("no call was answered");
  }
  std::sort(result.nanos.begin(), result.nanos.end());
  const auto calls = static_cast<double>(result.calls);
  const double items = args.what == "empty" ? calls : static_cast<double>(result.queries);
  std::printf(
      "{\"what\": \"%s\", \"where\": \"%s\", \"clients\": %zu, \"calls\": %zu, "
      "\"seconds\": %.4f, \"per_second\": %.1f, \"refused\": %zu, ",
      args.what.c_str(), args.database.empty() ? "server" : "process", args.clients, result.calls,
      result.seconds, items / result.seconds, result.refused);
  if (result.pass_queries > 0) {
    std::printf("\"recall\": %.5f, ", static_cast<double>(result.pass_right) /
                                          static_cast<double>(result.pass_queries * kTop));
  }
  std::printf(
      "\"all_calls\": %zu, \"cpu_us_per_call\": %.2f, \"switches_per_call\": %.3f, \"latency_us\": "
      "{",
      result.all_calls, result.cpu_seconds * 1e6 / calls,
      static_cast<double>(result.context_switches) / calls);
  const double mean =
      static_cast<double>(std::accumulate(result.nanos.begin(), result.nanos.end(), int64_t{0})) /
      static_cast<double>(result.nanos.size());
  std::printf("\"mean\": %.1f, ", mean / 1000);
  for (const auto& [name, quantile] :
       {std::pair{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}}) {
    std::printf("\"%s\": %.1f, ", name, Micros(result.nanos, quantile));
  }
  std::printf("\"max\": %.1f}}\n", Micros(result.nanos, 1));
}

void Declare(CLI::App* app, Arguments* args) {
  app->add_option("WHAT", args->what, "search, async, http, batch, empty, stream or ingest")
      ->required()
      ->check(CLI::IsMember({"search", "async", "http", "batch", "empty", "stream", "ingest"}));
  auto* address = app->add_option("--address", args->address, "of a running server");
  app->add_option("--database", args->database, "directory, for calls in this process")
      ->excludes(address);
  app->add_option("--token", args->token, "sent with every call");
  app->add_option("--collection", args->collection, "what is searched or made");
  app->add_option("--base", args->base, "rows for ingest, .fvecs");
  app->add_option("--queries", args->queries, ".fvecs");
  app->add_option("--truth", args->truth, "exact neighbours of the queries, .ivecs");
  app->add_option("--durability", args->durability, "of --database: sync or os")
      ->check(CLI::IsMember({"sync", "os"}));
  app->add_option("--clients", args->clients, "threads that call, or async calls under way")
      ->check(CLI::Range(1, 4096));
  app->add_option("--connections", args->connections, "that they share")
      ->check(CLI::Range(1, 1024));
  app->add_option("--batch", args->batch, "queries or rows a call")->check(CLI::Range(1, 100'000));
  app->add_option("--window", args->window, "requests of a stream without an answer")
      ->check(CLI::Range(1, 1024));
  app->add_option("--rows", args->rows, "of --base, at most");
  app->add_option("--ef", args->ef_search, "ef_search");
  app->add_flag("--no-recall", args->no_recall,
                "search, batch: measure at once, without a call for each query before");
  app->add_option("--seconds", args->loop.seconds, "of measuring")->check(CLI::PositiveNumber);
  app->add_option("--warmup", args->loop.warmup_seconds, "seconds before");
  app->add_option("--rate", args->loop.rate,
                  "calls that fall due each second; 0: one after another");
  app->add_option("--seed", args->loop.seed, "of the moments of --rate");
}

int Main(int argc, char** argv) {
  // As docs/service.md advises: Debian's Abseil checks the order of locks otherwise.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  Arguments args;
  CLI::App app("Loads a running leadline serve, or a database in this process.");
  Declare(&app, &args);
  CLI11_PARSE(app, argc, argv);
  if (args.address.empty() == args.database.empty() ||
      ((args.what == "stream" || args.what == "http" || args.what == "async") &&
       args.address.empty())) {
    Fail("either --address or --database, and --address for async, streams and HTTP");
  }
  if (args.what == "ingest") {
    Print(args, RunIngest(args));
    return 0;
  }
  const Workload work(args.queries, args.truth);
  if (args.what == "stream") {
    LoopResult warm = RunStreams(args, work, args.loop.warmup_seconds, work.size());
    LoopResult timed = RunStreams(args, work, args.loop.seconds, 0);
    timed.pass_queries = warm.pass_queries;
    timed.pass_right = warm.pass_right;
    timed.all_calls += warm.all_calls;
    Print(args, std::move(timed));
  } else if (args.what == "async") {
    Print(args, RunAsync(args, work));
  } else if (args.what == "http") {
    Print(args, RunHttp(args, work));
  } else {
    Print(args, RunCalls(args, work));
  }
  return 0;
}

}  // namespace
}  // namespace leadline::bench

int main(int argc, char** argv) {
  return leadline::bench::Main(argc, argv);
}
