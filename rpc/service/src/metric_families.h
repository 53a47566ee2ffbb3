#pragma once

/// Metrics that are looked up when somebody asks, rather than counted.

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <prometheus/metric_family.h>

#include "leadline/core/database.h"
#include "leadline/core/file_system.h"

namespace leadline::rpc {

using MetricFamilies = std::vector<prometheus::MetricFamily>;
using MetricLabels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

/// Adds one value to the family `name` (the last one, or a new one behind it). A name that ends in
/// "_total" is a counter.
void AddMetric(std::string_view name, std::string_view help, MetricLabels labels, double value,
               MetricFamilies* families);

/// The database and its collections, the first kMaxScrapedCollections by name. What cannot be read
/// is left out.
void AddEngineMetrics(Database* database, MetricFamilies* families);

inline constexpr size_t kMaxScrapedCollections = 1'000;

/// This process, under the names that client libraries of Prometheus share. Only on Linux.
void AddProcessMetrics(FileSystem* fs, MetricFamilies* families);

}  // namespace leadline::rpc
