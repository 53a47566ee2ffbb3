#pragma once

/// An independent model of one collection: a std::map, plain loops, nothing of the engine. The
/// oracle of the model and crash tests.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "leadline/core/rng.h"
#include "leadline/leadline.h"

namespace leadline::testing {

struct ModelRecord {
  std::vector<float> vector;
  int64_t group = 0;    ///< payload "group": integer in [0, 1000)
  std::string tag;      ///< payload "tag": one of a few words, or "" for absent
  int64_t version = 0;  ///< payload "version": rises with every write of the id
  std::optional<int64_t> expires_at_ms;

  [[nodiscard]] std::string Payload() const {
    std::string json = "{\"group\":" + std::to_string(group);
    if (!tag.empty()) {
      json += ",\"tag\":\"" + tag + "\"";
    }
    return json + ",\"version\":" + std::to_string(version) + "}";
  }
};

/// A filter as text for the engine and as a predicate for the model.
struct ModelFilter {
  std::string text;
  std::optional<int64_t> group_from;
  std::optional<int64_t> group_below;
  std::optional<std::string> tag;
  bool negate_tag = false;

  [[nodiscard]] bool Matches(const ModelRecord& record) const {
    if ((group_from.has_value() && record.group < *group_from) ||
        (group_below.has_value() && record.group >= *group_below)) {
      return false;
    }
    if (tag.has_value()) {
      return (record.tag == *tag) != negate_tag;
    }
    return true;
  }

  [[nodiscard]] std::optional<Filter> Parsed() const {
    return text.empty() ? std::nullopt : std::optional<Filter>(Filter::Parse(text).value());
  }
};

class BruteForceModel {
 public:
  using Records = std::map<std::string, ModelRecord>;

  explicit BruteForceModel(Metric metric) : metric_(metric) {}

  Records& records() { return records_; }

  [[nodiscard]] const Records& records() const { return records_; }

  /// Score of every matching record as the API reports it, best first; ties in any order.
  [[nodiscard]] std::vector<std::pair<double, std::string>> Search(
      const std::vector<float>& query, const ModelFilter& filter) const {
    std::vector<std::pair<double, std::string>> all;
    for (const auto& [id, record] : records_) {
      if (filter.Matches(record)) {
        all.emplace_back(Score(query, record.vector), id);
      }
    }
    const bool higher = metric_ != Metric::kL2;
    std::sort(all.begin(), all.end(), [higher](const auto& a, const auto& b) {
      return higher ? a.first > b.first : a.first < b.first;
    });
    return all;
  }

  [[nodiscard]] double Score(const std::vector<float>& a, const std::vector<float>& b) const {
    double dot = 0;
    double l2 = 0;
    double na = 0;
    double nb = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      dot += static_cast<double>(a[i]) * b[i];
      l2 += (static_cast<double>(a[i]) - b[i]) * (static_cast<double>(a[i]) - b[i]);
      na += static_cast<double>(a[i]) * a[i];
      nb += static_cast<double>(b[i]) * b[i];
    }
    switch (metric_) {
      case Metric::kL2:
        return l2;
      case Metric::kInnerProduct:
        return dot;
      case Metric::kCosine:
        return dot / std::sqrt(na * nb);
    }
    return 0;
  }

 private:
  Metric metric_;
  Records records_;
};

/// A random record; vectors fall into clusters, so that filters can correlate with distance.
inline ModelRecord RandomModelRecord(Rng* rng, size_t dim, int64_t version) {
  static const char* const kTags[] = {"", "red", "green", "blue"};
  ModelRecord record;
  record.group = static_cast<int64_t>(rng->Uniform(1000));
  record.tag = kTags[rng->Uniform(4)];
  record.version = version;
  for (size_t i = 0; i < dim; ++i) {
    const double centre = i % 4 == static_cast<size_t>(record.group) % 4 ? 2.0 : 0.0;
    record.vector.push_back(static_cast<float>(centre + rng->Gaussian()));
  }
  return record;
}

inline ModelFilter RandomModelFilter(Rng* rng) {
  ModelFilter filter;
  switch (rng->Uniform(6)) {
    case 0:
      filter.group_below = static_cast<int64_t>(rng->Uniform(1001));
      filter.text = "group < " + std::to_string(*filter.group_below);
      break;
    case 1:
      filter.tag = "red";
      filter.text = "tag = 'red'";
      break;
    case 2:
      filter.tag = "blue";
      filter.negate_tag = true;
      filter.text = "NOT tag = 'blue'";
      break;
    case 3:
      filter.tag = "green";
      filter.group_below = static_cast<int64_t>(rng->Uniform(30));
      filter.text = "tag = 'green' AND group < " + std::to_string(*filter.group_below);
      break;
    default:
      break;
  }
  return filter;
}

inline Record ToRecord(const std::string& id, const ModelRecord& record) {
  Record out;
  out.id = id;
  out.vector = record.vector;
  out.payload = record.Payload();
  out.expires_at_ms = record.expires_at_ms;
  return out;
}

}  // namespace leadline::testing
