#pragma once

/// Records and vectors between processes.

#include <string_view>
#include <vector>

#include "leadline/core/record.h"
#include "leadline/core/status.h"
#include "leadline/v1/common.pb.h"
#include "leadline/v1/records.pb.h"

namespace leadline::rpc {

/// The three forms in which a message may hold one vector.
struct VectorForms {
  const google::protobuf::RepeatedField<float>& values;
  std::string_view f32;
  std::string_view bf16;
};

/// The vector of at most one form; none gives an empty one. kInvalidArgument names `field` where
/// several are given, or bytes that are no whole number of values.
Status ReadVector(const VectorForms& forms, std::string_view field, std::vector<float>* out);

/// kInvalidArgument names the field, as "records[3].vector_f32" where `where` is "records[3].".
Status ReadRecord(const v1::Record& in, std::string_view where, Record* out);

/// How vectors are written.
enum class VectorAs { kNumbers, kBytes };

void WriteRecord(Record record, VectorAs form, v1::Record* out);

/// Adds `changes` to `batch`, in order. kInvalidArgument names the change.
Status ReadChanges(const google::protobuf::RepeatedPtrField<v1::Change>& changes,
                   WriteBatch* batch);
void WriteChanges(const WriteBatch& batch, google::protobuf::RepeatedPtrField<v1::Change>* changes);

void WriteResultTo(const WriteResult& result, v1::WriteResponse* out);
WriteResult ReadWriteResult(const v1::WriteResponse& response);

}  // namespace leadline::rpc
