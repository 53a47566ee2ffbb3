#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "leadline/core/search.h"
#include "read_view.h"
#include "searcher.h"

namespace leadline::engine {

/// One Search or SearchBatch call over one view: checks the request, runs the Searcher, groups,
/// cuts and fills the hits. Thread-compatible.
class SearchCall {
 public:
  /// Borrowed; must outlive the object. `share_scan` as in index::SearchParams.
  SearchCall(const ReadView& view, const SearchOptions& options, bool share_scan,
             const CallControl& control)
      : view_(view), options_(options), share_scan_(share_scan), control_(control) {}

  /// Checks everything about the request that needs no data. kInvalidArgument names the field.
  static Status Validate(const CollectionOptions& collection, const SearchOptions& options);
  /// Turns queries into search form; kInvalidArgument names query, field, value and limit.
  static Result<std::vector<float>> PrepareQueries(const VectorField& field, MatrixView queries);

  /// `queries` [n x dim] in search form. kAborted when a record it needs vanished meanwhile: take a
  /// newer view and try again.
  Result<std::vector<SearchResponse>> Run(MatrixView queries, uint32_t field);

 private:
  Result<std::vector<SearchResponse>> RunPlain(Searcher* searcher, MatrixView queries,
                                               uint32_t field);
  Result<SearchResponse> RunGrouped(Searcher* searcher, VectorView query, uint32_t field);

  /// Group of every row looked at so far.
  struct GroupKeys {
    std::vector<std::string> path;
    std::unordered_map<uint64_t, std::string> by_ordinal;  ///< empty: in no group
  };

  /// The best candidate of each of the first `limit` groups of acceptable score among `found`. Sets
  /// `complete` when candidates beyond `found` could not change that.
  Result<std::vector<Candidate>> BestOfGroups(const Searcher& searcher,
                                              const std::vector<Candidate>& found, uint32_t field,
                                              GroupKeys* keys, bool* complete);
  Result<SearchResponse> MakeResponse(const Searcher& searcher, const std::vector<Candidate>& found,
                                      uint32_t field);
  Result<Hit> MakeHit(const Searcher& searcher, const Candidate& candidate, uint32_t field);
  Result<std::string> LoadPayload(const Searcher& searcher, const Candidate& candidate,
                                  std::string* id);
  [[nodiscard]] SearchSettings Settings() const;
  [[nodiscard]] bool Acceptable(float score, Metric metric) const;

  const ReadView& view_;
  const SearchOptions& options_;
  const bool share_scan_;
  const CallControl& control_;
};

}  // namespace leadline::engine
