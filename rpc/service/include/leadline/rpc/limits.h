#pragma once

/// Limits of the service beside those of single fields (rpc/proto) and of the data model
/// (leadline/core/types.h).

#include <cstddef>
#include <cstdint>

namespace leadline::rpc {

/// Of one message, either way.
inline constexpr uint32_t kMaxMessageBytes = uint32_t{16} << 20;
/// Of the metadata or headers of one call.
inline constexpr uint32_t kMaxHeaderBytes = 8 << 10;
/// Calls at a time over one connection.
inline constexpr uint32_t kMaxStreamsPerConnection = 128;
/// Who sends or takes messages slower than that, on the whole and beyond some seconds, is cut.
inline constexpr size_t kMinBytesPerSecond = 64 << 10;
/// A call without a deadline gets this one.
inline constexpr int64_t kDefaultTimeoutMs = 60'000;
/// How long searches may be gathered into one batch.
inline constexpr uint64_t kMaxGatherMicros = 10'000;

}  // namespace leadline::rpc
