// Callers of every kind at once, for ThreadSanitizer: server and client in one process, over gRPC
// and HTTP.

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "channel.h"
#include "leadline/core/filter.h"
#include "leadline/leadline.h"
#include "leadline/v1/evaluation.pb.h"
#include "leadline/v1/records.pb.h"
#include "leadline/v1/search.pb.h"
#include "pipelined_stream.h"
#include "raw_call.h"
#include "raw_http.h"
#include "served_database.h"
#include "watch_stream.h"

namespace leadline::rpc {
namespace {

constexpr size_t kDim = 8;
constexpr int kRows = 300;
constexpr int kRounds = 30;

std::vector<float> VectorOf(int number) {
  std::vector<float> vector(kDim, 1);
  vector[static_cast<size_t>(number) % kDim] = static_cast<float>(number);
  return vector;
}

Record RecordOf(const std::string& id, int number) {
  Record record;
  record.id = id;
  record.vector = VectorOf(number);
  record.payload = "{\"n\":" + std::to_string(number) + "}";
  return record;
}

class ServiceConcurrency : public ::testing::Test {
 protected:
  static GrpcServerOptions Impatient() {
    GrpcServerOptions options;
    options.transfer_ms = 300;
    return options;
  }

  ServiceConcurrency() : served_({}, Impatient()) {
    CollectionOptions options;
    options.vectors = {{.dim = kDim, .metric = Metric::kL2, .index = IndexKind::kHnsw}};
    docs_ = *served_.database()->CreateCollection("docs", options);
    std::vector<Record> records;
    for (int i = 0; i < kRows; ++i) {
      records.push_back(RecordOf(std::to_string(i), i));
    }
    EXPECT_OK(docs_->Upsert(std::move(records)));
    EXPECT_OK(docs_->Optimize());
  }

  static void RunAll(const std::vector<std::function<void()>>& callers) {
    std::vector<std::thread> threads;
    threads.reserve(callers.size());
    for (const auto& caller : callers) {
      threads.emplace_back(caller);
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
  }

  [[nodiscard]] std::shared_ptr<grpc::Channel> NewChannel() const {
    return grpc::CreateChannel(served_.address(), grpc::InsecureChannelCredentials());
  }

  void Reads(Database* client) const {
    const std::shared_ptr<Collection> docs = *client->OpenCollection("docs");
    const auto few = *Filter::Parse("n < 10");
    constexpr size_t kMany = 100;  // answered in several steps
    const std::vector<float> many(kMany * kDim, 1);
    for (int i = 0; i < kRounds; ++i) {
      SearchOptions options;
      options.limit = 5;
      const auto found = docs->Search(VectorOf(i), options);
      ASSERT_OK(found);
      EXPECT_EQ(found->hits.size(), 5U);
      EXPECT_OK(docs->SearchBatch({many.data(), kMany, kDim}, options));
      EXPECT_OK(docs->Get({std::to_string(i)}));
      EXPECT_GE(*docs->Count(few), 10U);
      EXPECT_OK(docs->Scroll({}));
    }
  }

  /// Leaves `writer`-0 to `writer`-9.
  void Writes(Database* client, const std::string& writer) const {
    const std::shared_ptr<Collection> docs = *client->OpenCollection("docs");
    for (int i = 0; i < kRounds; ++i) {
      const std::string id = writer + "-" + std::to_string(i);
      EXPECT_OK(docs->Upsert({RecordOf(id, kRows + i)}));
      const auto moment = client->TakeSnapshot();
      ASSERT_OK(moment);
      SearchOptions options;
      options.snapshot = *moment;
      EXPECT_OK(docs->Search(VectorOf(i), options));
      if (i >= 10) {
        EXPECT_OK(docs->Delete({id}));
      }
    }
  }

  void Streams() const {
    int sent = 0;
    int answered = 0;
    bench::PipelinedStream<v1::SearchRequest, v1::SearchResponse> searches(
        NewChannel(), "/leadline.v1.Search/SearchStream", 8);
    EXPECT_OK(searches.Run(
        [&sent](v1::SearchRequest* request) {
          request->set_collection("docs");
          for (const float value : VectorOf(sent)) {
            request->add_vector(value);
          }
          return sent++ < 4 * kRounds;
        },
        [&answered](const v1::SearchResponse&, int64_t) { ++answered; }));
    EXPECT_EQ(answered, 4 * kRounds);
    bench::PipelinedStream<v1::UpsertRequest, v1::WriteResponse> ingest(
        NewChannel(), "/leadline.v1.Records/Ingest", 8);
    sent = 0;
    EXPECT_OK(ingest.Run(
        [&sent](v1::UpsertRequest* request) {
          request->set_collection("docs");
          v1::Record* record = request->add_records();
          record->set_id("s-" + std::to_string(sent));
          for (const float value : VectorOf(sent)) {
            record->add_vector(value);
          }
          return sent++ < kRounds;
        },
        [&answered](const v1::WriteResponse&, int64_t) { ++answered; }));
    EXPECT_EQ(answered, 5 * kRounds);
  }

  /// Starts evaluations, watches them to their end, and cancels every other one.
  void Jobs() const {
    Channel channel(served_.address(), "", 60'000);
    for (int i = 0; i < 6; ++i) {
      v1::StartRunRequest request;
      request.set_collection("docs");
      for (int q = 0; q < (i % 2 == 0 ? 20 : 5'000); ++q) {
        v1::EvaluationQuery* query = request.add_queries();
        query->set_id("q" + std::to_string(q));
        for (const float value : VectorOf(q)) {
          query->add_vector(value);
        }
      }
      v1::QueryJudgments* judged = request.add_judgments();
      judged->set_query("q1");
      judged->add_docs()->set_id("1");
      judged->mutable_docs(0)->set_relevance(1);
      request.set_all_queries(true);
      v1::Job job;
      ASSERT_OK(channel.Call("/leadline.v1.Evaluation/StartRun", request, &job, {}));
      WatchStream watch(served_.address(), job.job());
      if (i % 2 != 0) {
        v1::CancelJobRequest cancel;
        cancel.set_job(job.job());
        ASSERT_OK(channel.Call("/leadline.v1.Evaluation/Cancel", cancel, &job, {}));
      }
      while (const auto state = watch.Next()) {
        job = *state;
      }
      EXPECT_EQ(job.state(), i % 2 == 0 ? v1::JOB_STATE_DONE : v1::JOB_STATE_CANCELLED);
    }
  }

  void AsksOverHttp() const {
    RawHttp http(served_.http()->port());
    for (int i = 0; i < kRounds; ++i) {
      EXPECT_EQ(http.Ask("POST", "/v1/collections/docs/search",
                         R"({"vector":[1,2,3,4,5,6,7,8],"limit":3})")
                    .status,
                200);
      EXPECT_EQ(http.Ask("GET", "/metrics").status, 200);
    }
  }

  ServedDatabase served_;
  std::shared_ptr<Collection> docs_;
};

TEST_F(ServiceConcurrency, CallersOfEveryKindShareAServer) {
  const std::unique_ptr<Database> shared = served_.Connect();
  const std::unique_ptr<Database> other = served_.Connect();
  RunAll({
      [&] { Reads(shared.get()); },
      [&] { Reads(shared.get()); },
      [&] { Reads(other.get()); },
      [&] { Writes(shared.get(), "a"); },
      [&] { Writes(other.get(), "b"); },
      [&] { Streams(); },
      [&] { Jobs(); },
      [&] { AsksOverHttp(); },
      [&] {
        for (int i = 0; i < kRounds; ++i) {
          served_.service()->Tick();
          EXPECT_OK(served_.Connect()->ListCollections());
        }
      },
  });
  EXPECT_EQ(*docs_->Count(std::nullopt), kRows + 20U + kRounds);
}

TEST_F(ServiceConcurrency, CallersLeaveInTheMiddle) {
  const auto leave = [this] {
    for (int i = 0; i < kRounds; ++i) {
      v1::ScrollRequest request;
      request.set_collection("docs");
      grpc::GenericStub stub(NewChannel());
      grpc::ClientContext context;
      grpc::CompletionQueue queue;
      const auto call = stub.PrepareCall(&context, "/leadline.v1.Records/Scroll", &queue);
      void* tag = nullptr;
      bool ok = false;
      call->StartCall(nullptr);
      queue.Next(&tag, &ok);
      const grpc::Slice slice(request.SerializeAsString());
      call->WriteLast(grpc::ByteBuffer(&slice, 1), grpc::WriteOptions(), nullptr);
      queue.Next(&tag, &ok);
      context.TryCancel();
      grpc::Status status;
      call->Finish(&status, nullptr);
      queue.Next(&tag, &ok);
    }
  };
  const std::unique_ptr<Database> client = served_.Connect();
  RunAll({leave, leave, [&] { Reads(client.get()); }});
}

TEST_F(ServiceConcurrency, ADrainAmongWritersLosesNothingAcknowledged) {
  ClientOptions once;
  once.max_retries = 0;
  std::vector<int> acknowledged(4, 0);
  std::atomic<int> writing{0};
  std::vector<std::thread> threads;
  for (size_t writer = 0; writer < acknowledged.size(); ++writer) {
    threads.emplace_back([&, writer] {
      const auto client = *Client::Connect(served_.address(), once);
      const auto docs = *client->OpenCollection("docs");
      const std::string name(1, static_cast<char>('a' + writer));
      while (true) {
        const int number = acknowledged[writer];
        const auto written = docs->Upsert({RecordOf(name + std::to_string(number), number)});
        if (!written.ok()) {
          EXPECT_EQ(written.status().code(), StatusCode::kUnavailable)
              << written.status().ToString();
          return;
        }
        if (++acknowledged[writer] == 5) {
          ++writing;
        }
      }
    });
  }
  while (writing.load() < 4) {
    std::this_thread::yield();
  }
  served_.service()->Drain();
  served_.service()->FinishJobs();
  served_.server()->Shutdown(2'000);
  served_.http()->Shutdown(2'000);
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (size_t writer = 0; writer < acknowledged.size(); ++writer) {
    for (int i = 0; i < acknowledged[writer]; ++i) {
      const std::string id = std::string(1, static_cast<char>('a' + writer)) + std::to_string(i);
      const auto found = docs_->Get({id});
      ASSERT_OK(found);
      EXPECT_TRUE((*found)[0].has_value()) << id;
    }
  }
}

}  // namespace
}  // namespace leadline::rpc
