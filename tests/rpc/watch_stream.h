#pragma once

#include <memory>
#include <optional>
#include <string>

#include <google/protobuf/message.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "leadline/v1/evaluation.pb.h"

namespace leadline::rpc {

/// A stream of the states of one job, on a connection of its own.
class WatchStream {
 public:
  WatchStream(const std::string& address, const std::string& job, const std::string& token = "")
      : stub_(grpc::CreateChannel(address, grpc::InsecureChannelCredentials())) {
    if (!token.empty()) {
      context_.AddMetadata("authorization", "Bearer " + token);
    }
    stream_ = stub_.PrepareCall(&context_, "/leadline.v1.Evaluation/Watch", &queue_);
    stream_->StartCall(this);
    EXPECT_TRUE(Step());
    v1::WatchJobRequest request;
    request.set_job(job);
    const grpc::Slice slice(request.SerializeAsString());
    stream_->WriteLast(grpc::ByteBuffer(&slice, 1), grpc::WriteOptions(), this);
    Step();
  }

  WatchStream(const WatchStream&) = delete;
  WatchStream& operator=(const WatchStream&) = delete;

  ~WatchStream() {
    context_.TryCancel();
    queue_.Shutdown();
    while (Step()) {
    }
  }

  /// Nothing once the stream has ended.
  std::optional<v1::Job> Next() {
    grpc::ByteBuffer bytes;
    stream_->Read(&bytes, this);
    if (!Step()) {
      return std::nullopt;
    }
    grpc::Slice slice;
    v1::Job job;
    EXPECT_TRUE(bytes.DumpToSingleSlice(&slice).ok());
    EXPECT_TRUE(job.ParseFromArray(slice.begin(), static_cast<int>(slice.size())));
    return job;
  }

  /// How it ended; after Next has said that it has.
  grpc::Status End() {
    grpc::Status status;
    stream_->Finish(&status, this);
    EXPECT_TRUE(Step());
    return status;
  }

 private:
  bool Step() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }

  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
};

}  // namespace leadline::rpc
