#pragma once

/// An independent model of one collection: a std::map, plain loops in double, nothing of the
/// engine. The oracle of model_test and of the crash tests.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "leadline/leadline.h"

namespace leadline::testing {

/// The second vector field, where a collection has one.
inline constexpr char kImageField[] = "image";

struct ModelRecord {
  std::vector<float> vector;  ///< empty: absent
  std::vector<float> image;   ///< empty: absent
  int64_t group = 0;          ///< payload "group", in [0, 1000)
  std::string tag;            ///< payload "tag", "" for absent
  int64_t version = 0;        ///< payload "version", rises with every upsert
  std::optional<int64_t> expires_at_ms;
  uint64_t order = 0;  ///< rises with every write; scrolls follow it
  /// Payload "note", a text too long to be indexed, in one group of ten.
  bool with_notes = false;

  /// As the engine stores it, keys sorted.
  [[nodiscard]] std::string Payload() const {
    std::string json = "{\"group\":" + std::to_string(group);
    if (HasNote()) {
      json += ",\"note\":\"" + std::string(300, 'n') + (group % 20 == 0 ? " even" : " odd") + "\"";
    }
    if (!tag.empty()) {
      json += ",\"tag\":\"" + tag + "\"";
    }
    return json + ",\"version\":" + std::to_string(version) + "}";
  }

  [[nodiscard]] bool HasNote() const { return with_notes && group % 10 == 0; }

  [[nodiscard]] const std::vector<float>& VectorOf(uint32_t field) const {
    return field == 0 ? vector : image;
  }

  [[nodiscard]] Record ToRecord(const std::string& id) const {
    Record record;
    record.id = id;
    record.vector = vector;
    if (!image.empty()) {
      record.named_vectors.push_back({kImageField, image});
    }
    record.payload = Payload();
    record.expires_at_ms = expires_at_ms;
    return record;
  }
};

/// A filter as text for the engine and as a predicate for the model.
struct ModelFilter {
  std::string text;
  std::optional<int64_t> group_from;
  std::optional<int64_t> group_below;
  std::optional<std::string> tag;
  bool negate_tag = false;
  bool even_note = false;

  [[nodiscard]] bool Matches(const ModelRecord& record) const {
    if ((group_from.has_value() && record.group < *group_from) ||
        (group_below.has_value() && record.group >= *group_below)) {
      return false;
    }
    if (even_note && (!record.HasNote() || record.group % 20 != 0)) {
      return false;
    }
    return !tag.has_value() || (record.tag == *tag) != negate_tag;
  }

  [[nodiscard]] std::optional<Filter> Parsed() const {
    return text.empty() ? std::nullopt : std::optional<Filter>(Filter::Parse(text).value());
  }

  static ModelFilter GroupBelow(int64_t bound) {
    ModelFilter filter;
    filter.group_below = bound;
    filter.text = "group < " + std::to_string(bound);
    return filter;
  }
};

/// One row of a search's answer.
struct ModelHit {
  double score = 0;
  std::string id;
  const ModelRecord* record = nullptr;
};

class ReferenceModel {
 public:
  using Records = std::map<std::string, ModelRecord>;

  explicit ReferenceModel(std::vector<Metric> metrics) : metrics_(std::move(metrics)) {}

  Records records;  ///< expired ones too
  int64_t now_ms = 0;

  [[nodiscard]] Metric metric(uint32_t field) const { return metrics_[field]; }

  [[nodiscard]] bool Visible(const ModelRecord& record) const {
    return !record.expires_at_ms.has_value() || *record.expires_at_ms > now_ms;
  }

  /// The visible record with this id, or null.
  [[nodiscard]] const ModelRecord* Find(const std::string& id) const {
    const auto found = records.find(id);
    return found != records.end() && Visible(found->second) ? &found->second : nullptr;
  }

  /// Visible matches by order of writing.
  [[nodiscard]] std::vector<std::pair<std::string, const ModelRecord*>> Matches(
      const ModelFilter& filter) const {
    std::vector<std::pair<std::string, const ModelRecord*>> matches;
    for (const auto& [id, record] : records) {
      if (Visible(record) && filter.Matches(record)) {
        matches.emplace_back(id, &record);
      }
    }
    std::sort(matches.begin(), matches.end(),
              [](const auto& a, const auto& b) { return a.second->order < b.second->order; });
    return matches;
  }

  /// Every visible match that has the field, best first; ties in any order.
  [[nodiscard]] std::vector<ModelHit> Search(const std::vector<float>& query, uint32_t field,
                                             const ModelFilter& filter) const {
    std::vector<ModelHit> hits;
    for (const auto& [id, record] : records) {
      if (Visible(record) && filter.Matches(record) && !record.VectorOf(field).empty()) {
        hits.push_back({Score(query, record.VectorOf(field), field), id, &record});
      }
    }
    const bool higher = metrics_[field] != Metric::kL2;
    std::sort(hits.begin(), hits.end(), [higher](const ModelHit& a, const ModelHit& b) {
      return higher ? a.score > b.score : a.score < b.score;
    });
    return hits;
  }

  /// The first of each group among `hits`; by tag, or by group number.
  static std::vector<ModelHit> BestOfGroups(const std::vector<ModelHit>& hits, bool by_tag) {
    std::set<std::string> seen = {""};
    std::vector<ModelHit> best;
    for (const ModelHit& hit : hits) {
      if (seen.insert(by_tag ? hit.record->tag : std::to_string(hit.record->group)).second) {
        best.push_back(hit);
      }
    }
    return best;
  }

  [[nodiscard]] double Score(const std::vector<float>& a, const std::vector<float>& b,
                             uint32_t field) const {
    double dot = 0;
    double l2 = 0;
    double na = 0;
    double nb = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      const double x = a[i];
      const double y = b[i];
      dot += x * y;
      l2 += (x - y) * (x - y);
      na += x * x;
      nb += y * y;
    }
    switch (metrics_[field]) {
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
  std::vector<Metric> metrics_;
};

}  // namespace leadline::testing
