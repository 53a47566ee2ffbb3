#pragma once

#include <optional>
#include <string>
#include <vector>

#include "leadline/core/collection.h"
#include "leadline/core/options.h"
#include "leadline/core/search.h"
#include "leadline/eval/ann_runner.h"

namespace leadline::eval {

/// Refuses a sweep over a parameter that another kind of index reads: its points would be one
/// measurement under several names. kInvalidArgument names the sweep as its caller does (`name`)
/// and what this kind reads. Where every row is compared any sweep passes, for ExactScanWarning to
/// speak of: whether `auto` builds an index depends on the rows.
Status CheckSweep(const std::vector<AnnSetting>& sweep, IndexKind kind, const std::string& name);

/// The sweep for the searched `field` of a collection: `given`, checked against the indexes that
/// are there, or a few values that fit them where it is empty. Errors: as CheckSweep, those of a
/// search.
Result<std::vector<AnnSetting>> FitSweep(std::vector<AnnSetting> given, Collection& collection,
                                         const VectorField& field, const SearchOptions& search,
                                         const std::string& name);

/// What to tell people where searches with these options compare every row, so that no setting
/// changes anything; nullopt where an index is walked.
Result<std::optional<std::string>> ExactScanWarning(Collection& collection,
                                                    const VectorField& field,
                                                    const SearchOptions& search);

}  // namespace leadline::eval
