#pragma once

#include "leadline/eval/ground.h"

namespace leadline::judge {

/// Computes the trivial scores. Cost: linear in the bytes of response and contexts.
GroundBaselines MeasureBaselines(const GroundInput& input);

/// All four undefined for one reason.
GroundBaselines UndefinedBaselines(const std::string& reason);

}  // namespace leadline::judge
