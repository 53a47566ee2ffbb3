#include "run_hash.h"

#include <array>
#include <bit>
#include <cstdio>

#include "leadline/core/hash.h"

namespace leadline::eval {
namespace {

/// Feeds values so that no two sequences of values give the same bytes.
class Feeder {
 public:
  void Number(uint64_t value) {
    std::array<char, 8> bytes{};
    for (size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = static_cast<char>(value >> (8 * i));
    }
    hasher_.Update({bytes.data(), bytes.size()});
  }

  void Text(std::string_view text) {
    Number(text.size());
    hasher_.Update(text);
  }

  void Bits(float value) { Number(std::bit_cast<uint32_t>(value)); }

  [[nodiscard]] uint64_t Digest() const { return hasher_.Digest(); }

 private:
  Hasher hasher_;
};

}  // namespace

uint64_t HashQueries(std::span<const InputQuery> queries) {
  Feeder feed;
  for (const InputQuery& query : queries) {
    feed.Text(query.id);
    feed.Text(query.text);
    feed.Text(query.filter);
    feed.Number(query.vector.size());
    for (const float value : query.vector) {
      feed.Bits(value);
    }
  }
  return feed.Digest();
}

std::string HashRun(const RunResult& result) {
  Feeder feed;
  for (const auto& [name, value] : PinList(result.pins)) {
    feed.Text(name);
    feed.Text(value);
  }
  for (const QueryOutcome& query : result.queries) {
    feed.Text(query.id);
    feed.Text(query.error);
    feed.Number(query.hits.size());
    for (const RunHit& hit : query.hits) {
      feed.Text(hit.id);
      feed.Bits(hit.score);
    }
  }
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%016llx",
                static_cast<unsigned long long>(feed.Digest()));
  return text.data();
}

}  // namespace leadline::eval
