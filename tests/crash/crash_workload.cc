#include "crash_workload.h"

#include <algorithm>
#include <cmath>

namespace leadline::testing {

Result<CrashImage> ReadImage(Collection* collection, const std::string& prefix) {
  CrashImage image;
  ScrollOptions options;
  options.read.with_vectors = false;
  do {
    LEADLINE_ASSIGN_OR_RETURN(const ScrollPage page, collection->Scroll(options));
    for (const Record& record : page.records) {
      if (record.id.rfind(prefix, 0) == 0) {
        image.push_back(ImageLine(record.id, record.payload));
      }
    }
    options.cursor = page.next_cursor;
  } while (!options.cursor.empty());
  std::sort(image.begin(), image.end());
  return image;
}

namespace {

void CompareSearches(Collection* collection, const CrashRecords& records, uint64_t seed,
                     std::vector<std::string>* problems) {
  BruteForceModel model(Metric::kL2);
  model.records() = records;
  Rng rng(seed);
  for (const bool exact : {true, false}) {
    const std::vector<float> query = RandomModelRecord(&rng, kCrashDim, 0).vector;
    SearchOptions options;
    options.limit = exact ? std::max<size_t>(records.size() + 5, 1) : 10;
    options.exact = exact;
    const Result<SearchResponse> found = collection->Search(query, options);
    if (!found.ok()) {
      problems->push_back("search failed: " + found.status().ToString());
      continue;
    }
    const auto expected = model.Search(query, {});
    if (found->hits.size() != std::min(options.limit, expected.size())) {
      problems->push_back("search returned " + std::to_string(found->hits.size()) + " of " +
                          std::to_string(expected.size()) + " records");
      continue;
    }
    for (size_t i = 0; i < found->hits.size(); ++i) {
      const Hit& hit = found->hits[i];
      const auto record = records.find(hit.id);
      if (record == records.end()) {
        problems->push_back("search returned a record that should not exist: " + hit.id);
      } else if (std::abs(hit.score - model.Score(query, record->second.vector)) > 1e-3) {
        problems->push_back("search returned a wrong score for " + hit.id);
      } else if (exact && std::abs(hit.score - expected[i].first) > 1e-3) {
        problems->push_back("exact search is out of order at rank " + std::to_string(i));
      }
    }
  }
}

}  // namespace

std::vector<std::string> Disagreements(Database* database, Collection* collection,
                                       const CrashRecords& records, uint64_t seed) {
  std::vector<std::string> problems;
  const Result<uint64_t> count = collection->Count(std::nullopt);
  if (!count.ok() || *count != records.size()) {
    problems.push_back("count is " +
                       (count.ok() ? std::to_string(*count) : count.status().ToString()) +
                       ", expected " + std::to_string(records.size()));
  }
  const Result<uint64_t> filtered = collection->Count(Filter::Parse("group < 500").value());
  const auto below = std::count_if(records.begin(), records.end(),
                                   [](const auto& entry) { return entry.second.group < 500; });
  if (!filtered.ok() || *filtered != static_cast<uint64_t>(below)) {
    problems.push_back("filtered count is wrong");
  }
  CompareSearches(collection, records, seed, &problems);
  const Result<CheckReport> check = database->Check();
  if (!check.ok()) {
    problems.push_back("check failed: " + check.status().ToString());
  } else {
    for (const CheckProblem& problem : check->problems) {
      problems.push_back("check: " + problem.invariant + " " + problem.where + " " +
                         problem.detail);
    }
  }
  return problems;
}

}  // namespace leadline::testing
