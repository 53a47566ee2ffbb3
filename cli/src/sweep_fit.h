#pragma once

#include <optional>
#include <string>
#include <vector>

#include "database_opening.h"
#include "leadline/core/options.h"
#include "leadline/core/search.h"
#include "leadline/eval/ann_runner.h"

namespace leadline::cli {

/// Refuses a sweep over a parameter that another kind of index reads: its points would be one
/// measurement under several names. kInvalidArgument names --sweep and what this kind reads. Where
/// every row is compared any sweep passes, for ExactScanWarning to speak of: whether `auto` builds
/// an index depends on the rows.
Status CheckSweep(const std::vector<eval::AnnSetting>& sweep, IndexKind kind);

/// The sweep for the searched field of a collection: `given`, checked against the indexes that are
/// there, or a few values that fit them where it is empty.
Result<std::vector<eval::AnnSetting>> FitSweep(std::vector<eval::AnnSetting> given,
                                               const OpenedCollection& opened,
                                               const SearchOptions& search);

/// What to tell people where searches with these options compare every row, so that no setting
/// changes anything; nullopt where an index is walked.
Result<std::optional<std::string>> ExactScanWarning(const OpenedCollection& opened,
                                                    const SearchOptions& search);

}  // namespace leadline::cli
