#pragma once

#include <array>
#include <string_view>

namespace leadline::rpc {

/// By v1::Work, as metrics call them.
inline constexpr std::array<std::string_view, 4> kLaneNames = {"none", "search", "blocking",
                                                               "long"};

}  // namespace leadline::rpc
