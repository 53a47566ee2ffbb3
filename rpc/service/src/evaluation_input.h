#pragma once

/// What evaluations are made from, out of messages. All errors are kInvalidArgument and name the
/// field.

#include <optional>
#include <string>
#include <vector>

#include "leadline/core/options.h"
#include "leadline/eval/ann_runner.h"
#include "leadline/eval/ground.h"
#include "leadline/eval/metrics.h"
#include "leadline/eval/query_reader.h"
#include "leadline/v1/evaluation.pb.h"

namespace leadline::rpc {

using JudgmentList = google::protobuf::RepeatedPtrField<v1::QueryJudgments>;
using ResultList = google::protobuf::RepeatedPtrField<v1::QueryResults>;
using QueryList = google::protobuf::RepeatedPtrField<v1::EvaluationQuery>;
using MeasureNames = google::protobuf::RepeatedPtrField<std::string>;

/// At least one query. That ids occur once is for eval::Score to tell.
Result<eval::Qrels> ReadJudgments(const JudgmentList& judgments);
eval::RankedRun ReadResults(const ResultList& run);

/// At least one query; each has a vector of its size or a text, and an
/// id of its own.
Result<std::vector<eval::InputQuery>> ReadQueries(const QueryList& queries);

/// `fallback` where there are no names.
Result<std::vector<eval::Measure>> ReadMeasures(const MeasureNames& names,
                                                const std::vector<std::string>& fallback);

eval::TrecRules ReadRules(v1::TrecRules rules);

/// The vector that is searched, the first one where `name` is empty.
Result<VectorField> ReadSearchedField(const CollectionOptions& options, const std::string& name);

/// The settings of a sweep, in the order given; none where the message has none.
Result<std::vector<eval::AnnSetting>> ReadSweep(const v1::StartAnnRequest& request);

/// One response and what is known of it.
struct GroundTask {
  GroundInput input;
  std::optional<bool> grounded;
};

/// At least one, each with an id of its own and contexts within the judge's bounds.
Result<std::vector<GroundTask>> ReadGroundTasks(const v1::StartGroundRequest& request);

}  // namespace leadline::rpc
