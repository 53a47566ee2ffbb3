#pragma once

#include "json_text.h"
#include "leadline/eval/ann_runner.h"

namespace leadline::eval {

/// AnnPointJson as an object.
Json AnnPointObject(const AnnPoint& point);

}  // namespace leadline::eval
