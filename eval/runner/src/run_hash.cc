#include "run_hash.h"

#include <algorithm>
#include <vector>

#include "hash_feeder.h"

namespace leadline::eval {
namespace {

/// Pointers to `items` by ascending id.
template <typename T>
std::vector<const T*> ById(const std::vector<T>& items) {
  std::vector<const T*> sorted;
  sorted.reserve(items.size());
  for (const T& item : items) {
    sorted.push_back(&item);
  }
  std::sort(sorted.begin(), sorted.end(), [](const T* a, const T* b) { return a->id < b->id; });
  return sorted;
}

}  // namespace

uint64_t HashQueries(std::span<const InputQuery> queries) {
  HashFeeder feed;
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
  HashFeeder feed;
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
  return feed.HexDigest();
}

std::string HashQrels(const Qrels& qrels) {
  HashFeeder feed;
  for (const JudgedQuery* query : ById(qrels.queries)) {
    feed.Text(query->id);
    feed.Number(query->docs.size());
    for (const JudgedDoc* doc : ById(query->docs)) {
      feed.Text(doc->id);
      feed.Number(static_cast<uint64_t>(static_cast<int64_t>(doc->relevance)));
    }
  }
  return feed.HexDigest();
}

}  // namespace leadline::eval
