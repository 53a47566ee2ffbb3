#pragma once

#include <cmath>
#include <cstdlib>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace leadline::rpc {

/// Reads the Prometheus text format 0.0.4, written from its description and knowing nothing of the
/// library that writes it. Everything that the format forbids is a failure of the test.
class MetricsText {
 public:
  using Labels = std::map<std::string, std::string>;

  explicit MetricsText(const std::string& text) {
    EXPECT_TRUE(text.ends_with('\n'));
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) {
      SCOPED_TRACE(line);
      if (line.starts_with("# ")) {
        ReadComment(line);
      } else if (!line.empty()) {
        ReadSample(line);
      }
    }
    CheckHistograms();
  }

  /// -1 where there is no such series.
  [[nodiscard]] double Value(const std::string& name, const Labels& labels = {}) const {
    const auto found = samples_.find({name, labels});
    return found != samples_.end() ? found->second : -1;
  }

  /// Of all series that have `labels` among theirs.
  [[nodiscard]] double Sum(const std::string& name, const Labels& labels = {}) const {
    double sum = 0;
    for (const auto& [key, value] : samples_) {
      bool matches = key.first == name;
      for (const auto& label : labels) {
        const auto found = key.second.find(label.first);
        matches = matches && found != key.second.end() && found->second == label.second;
      }
      sum += matches ? value : 0;
    }
    return sum;
  }

  [[nodiscard]] const std::map<std::string, std::string>& types() const { return types_; }

  [[nodiscard]] const std::map<std::pair<std::string, Labels>, double>& samples() const {
    return samples_;
  }

 private:
  static bool IsName(const std::string& name) {
    bool good = !name.empty() && std::isdigit(static_cast<unsigned char>(name[0])) == 0;
    for (const char c : name) {
      good = good && (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == ':');
    }
    return good;
  }

  void ReadComment(const std::string& line) {
    std::istringstream words(line);
    std::string hash;
    std::string kind;
    std::string name;
    std::string rest;
    words >> hash >> kind >> name;
    std::getline(words, rest);
    EXPECT_TRUE(IsName(name));
    if (kind == "HELP") {
      EXPECT_GT(rest.size(), 3U);
      EXPECT_TRUE(helped_.insert(name).second) << "second HELP";
    } else {
      ASSERT_EQ(kind, "TYPE");
      const std::string type = rest.substr(1);
      EXPECT_TRUE(type == "counter" || type == "gauge" || type == "histogram") << type;
      EXPECT_TRUE(types_.emplace(name, type).second) << "second TYPE";
      EXPECT_EQ(type == "counter", name.ends_with("_total")) << "named against convention";
      family_ = name;
    }
  }

  /// Reads "{name="value",..}" at `at`, which moves behind it.
  static Labels ReadLabels(const std::string& line, size_t* at) {
    Labels labels;
    if (line[*at] != '{') {
      return labels;
    }
    ++*at;
    while (*at < line.size() && line[*at] != '}') {
      const size_t equals = line.find("=\"", *at);
      if (equals == std::string::npos) {
        ADD_FAILURE() << "label without a value";
        return labels;
      }
      const std::string name = line.substr(*at, equals - *at);
      EXPECT_TRUE(IsName(name) && name.find(':') == std::string::npos) << name;
      std::string value;
      for (*at = equals + 2; *at < line.size() && line[*at] != '"'; ++*at) {
        if (line[*at] == '\\') {
          ++*at;
          EXPECT_TRUE(line[*at] == '\\' || line[*at] == '"' || line[*at] == 'n');
          value += line[*at] == 'n' ? '\n' : line[*at];
        } else {
          value += line[*at];
        }
      }
      EXPECT_TRUE(labels.emplace(name, value).second) << "label twice";
      ++*at;
      if (line[*at] == ',') {
        ++*at;
      }
    }
    ++*at;
    return labels;
  }

  void ReadSample(const std::string& line) {
    size_t at = line.find_first_of("{ ");
    ASSERT_NE(at, std::string::npos);
    const std::string name = line.substr(0, at);
    EXPECT_TRUE(IsName(name));
    ASSERT_TRUE(types_.contains(family_) && helped_.contains(family_));
    const std::string suffix = name.starts_with(family_) ? name.substr(family_.size()) : "?";
    const bool of_histogram = suffix == "_bucket" || suffix == "_sum" || suffix == "_count";
    EXPECT_TRUE(types_[family_] == "histogram" ? of_histogram : suffix.empty()) << suffix;
    const Labels labels = ReadLabels(line, &at);
    ASSERT_EQ(line[at], ' ');
    const std::string number = line.substr(at + 1);
    char* end = nullptr;
    const double value = std::strtod(number.c_str(), &end);
    EXPECT_TRUE(end != number.c_str() && *end == '\0') << "not a number: " << number;
    EXPECT_TRUE(std::isfinite(value));
    EXPECT_TRUE(samples_.emplace(std::make_pair(name, labels), value).second) << "series twice";
  }

  /// Buckets add up, and the last one is the count.
  void CheckHistograms() const {
    for (const auto& [key, count] : samples_) {
      const std::string& name = key.first;
      if (!name.ends_with("_count")) {
        continue;
      }
      SCOPED_TRACE(name);
      const std::string family = name.substr(0, name.size() - 6);
      EXPECT_GE(Value(family + "_sum", key.second), 0);
      std::map<double, double> buckets;
      for (const auto& [other, value] : samples_) {
        Labels labels = other.second;
        const auto bound = labels.extract("le");
        if (other.first == family + "_bucket" && labels == key.second && !bound.empty()) {
          buckets[std::strtod(bound.mapped().c_str(), nullptr)] = value;
        }
      }
      ASSERT_FALSE(buckets.empty());
      EXPECT_TRUE(std::isinf(buckets.rbegin()->first));
      EXPECT_EQ(buckets.rbegin()->second, count);
      double before = 0;
      for (const auto& [bound, value] : buckets) {
        EXPECT_GE(value, before) << bound;
        before = value;
      }
    }
  }

  std::string family_;
  std::set<std::string> helped_;
  std::map<std::string, std::string> types_;
  std::map<std::pair<std::string, Labels>, double> samples_;
};

}  // namespace leadline::rpc
