#include "leadline/eval/sweep_fit.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "leadline/eval/ann_report.h"

namespace leadline::eval {
namespace {

using Parameter = AnnSetting::Parameter;

/// What an index of this kind reads; nothing where every row is compared, or the kind is not known.
std::optional<Parameter> ParameterOf(IndexKind kind) {
  switch (kind) {
    case IndexKind::kAuto:
    case IndexKind::kFlat:
      return std::nullopt;
    case IndexKind::kIvf:
      return Parameter::kNprobe;
    case IndexKind::kHnsw:
      break;
  }
  return Parameter::kEfSearch;
}

/// The plan of one search in an arbitrary direction.
Result<Plan> PlanOf(Collection& collection, const VectorField& field, SearchOptions search) {
  search.explain = true;
  search.exact = false;
  const std::vector<float> direction(field.dim, 1.0F);
  LEADLINE_ASSIGN_OR_RETURN(SearchResponse response, collection.Search(direction, search));
  return response.plan ? *std::move(response.plan) : Plan();
}

bool WalksAnIndex(const Plan& plan) {
  return std::any_of(plan.steps.begin(), plan.steps.end(), [](const PlanStep& step) {
    return step.strategy == "hnsw" || step.strategy == "ivf";
  });
}

/// Rows that are searched by `strategy`.
uint64_t RowsBy(const Plan& plan, std::string_view strategy) {
  uint64_t rows = 0;
  for (const PlanStep& step : plan.steps) {
    rows += step.strategy == strategy ? step.rows : 0;
  }
  return rows;
}

/// The kind that most rows of sealed segments have: what `auto` came to.
Result<IndexKind> BuiltKind(Collection& collection, const VectorField& field,
                            SearchOptions search) {
  if (field.index != IndexKind::kAuto) {
    return field.index;
  }
  search.filter.reset();
  search.full_scan_threshold = 0;  // an index that is there is used
  LEADLINE_ASSIGN_OR_RETURN(const Plan plan, PlanOf(collection, field, std::move(search)));
  if (!WalksAnIndex(plan)) {
    return IndexKind::kFlat;
  }
  return RowsBy(plan, "hnsw") >= RowsBy(plan, "ivf") ? IndexKind::kHnsw : IndexKind::kIvf;
}

/// Why a search that ran by `plan` walked no index.
Result<std::string> ReasonOf(Collection& collection, const VectorField& field, const Plan& plan,
                             const SearchOptions& search) {
  const bool damaged = std::any_of(plan.steps.begin(), plan.steps.end(), [](const PlanStep& step) {
    return step.strategy == "store scan";
  });
  if (damaged) {
    return std::string("a segment cannot be read and is answered from the store (leadline check)");
  }
  if (field.index == IndexKind::kFlat) {
    return std::string("the index is flat");
  }
  if (search.filter) {
    SearchOptions all = search;
    all.filter = std::nullopt;
    LEADLINE_ASSIGN_OR_RETURN(const Plan unfiltered, PlanOf(collection, field, all));
    if (WalksAnIndex(unfiltered)) {
      return std::string("the filter passes few rows");
    }
  }
  return std::string("the rows are too few for an index, or not yet in one (leadline optimize)");
}

}  // namespace

Status CheckSweep(const std::vector<AnnSetting>& sweep, IndexKind kind, const std::string& name) {
  const std::optional<Parameter> parameter = ParameterOf(kind);
  for (const AnnSetting& setting : sweep) {
    if (parameter.has_value() && setting.parameter != *parameter) {
      const std::string wanted = *parameter == Parameter::kNprobe ? "nprobe" : "ef_search";
      return InvalidFieldError("no index here reads this parameter", name,
                               setting.name() + "=" + std::to_string(setting.value),
                               wanted + ", index " + std::string(IndexKindName(kind)));
    }
  }
  return OkStatus();
}

Result<std::vector<AnnSetting>> FitSweep(std::vector<AnnSetting> given, Collection& collection,
                                         const VectorField& field, const SearchOptions& search,
                                         const std::string& name) {
  LEADLINE_ASSIGN_OR_RETURN(const IndexKind kind, BuiltKind(collection, field, search));
  if (given.empty()) {
    return DefaultSweep(kind);
  }
  LEADLINE_RETURN_IF_ERROR(CheckSweep(given, kind, name));
  return given;
}

Result<std::optional<std::string>> ExactScanWarning(Collection& collection,
                                                    const VectorField& field,
                                                    const SearchOptions& search) {
  LEADLINE_ASSIGN_OR_RETURN(const Plan plan, PlanOf(collection, field, search));
  if (WalksAnIndex(plan)) {
    return std::optional<std::string>();
  }
  LEADLINE_ASSIGN_OR_RETURN(const std::string reason, ReasonOf(collection, field, plan, search));
  return std::optional<std::string>(
      "every row is compared exactly here, so no setting changes recall or cost: " + reason);
}

}  // namespace leadline::eval
