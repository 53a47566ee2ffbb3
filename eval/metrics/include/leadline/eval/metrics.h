#pragma once

/// Retrieval measures with trec_eval's definitions, tie rules and names.
///
///   Result<std::vector<Measure>> measures = ParseMeasures({"ndcg@10", "map", "recall_100"});
///   Result<ScoreReport> report = Score(run, qrels, *measures, ScoreOptions{});
///   report->means[0].value.value;  // nDCG@10 over all judged queries
///
/// Order: a ranking is its documents by descending score, ties by descending document id compared
/// byte by byte; the order of the input and any rank column have no influence.
/// Judged means: listed in the qrels with a relevance >= 0. A listed document with a negative
/// relevance is in the pool but unjudged. Both kinds of unjudged documents count as not relevant,
/// except where bpref, infAP, unj, judged and rbp_resid say otherwise.
/// Source: trec_eval 9.0.8 and 10.0 (Buckley; Soboroff), which the tests compare with.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "leadline/core/status.h"

namespace leadline::eval {

struct JudgedDoc {
  std::string id;
  int32_t relevance = 0;  ///< grade; negative: in the pool, not judged
  uint32_t line = 0;      ///< of `Qrels::file`; 0: none. For messages, as in ScoredDoc
};

struct JudgedQuery {
  std::string id;
  std::vector<JudgedDoc> docs;  ///< any order, ids unique
};

/// Judgments of a query set; query ids unique, any order.
struct Qrels {
  std::vector<JudgedQuery> queries;
  std::string file{};  ///< where they were read from; empty: nowhere. For messages
};

struct ScoredDoc {
  std::string id;
  double score = 0;  ///< higher is better; not NaN
  uint32_t line = 0;
};

struct RankedQuery {
  std::string id;
  std::vector<ScoredDoc> docs;  ///< any order, ids unique
};

/// Results of one system; query ids unique, any order.
struct RankedRun {
  std::string tag;  ///< the last column of a TREC run file
  std::vector<RankedQuery> queries;
  std::string file{};  ///< as in Qrels
};

/// R = documents of the query with relevance >= the relevance level. k = `Measure::cutoff`.
/// All lie in [0, 1] and higher is better, all are 0 where nothing relevant is judged or nothing
/// was returned, unless a line says otherwise.
enum class MeasureKind : uint8_t {
  kNumQueries,             ///< num_q: queries averaged over; summary only
  kNumRetrieved,           ///< num_ret: documents returned; summed, not averaged
  kNumRelevant,            ///< num_rel: R; summed
  kNumRelevantRetrieved,   ///< num_rel_ret; summed
  kNumNonrelJudgedRet,     ///< num_nonrel_judged_ret; summed; lower is better
  kAveragePrecision,       ///< map, map_cut_k: sum of P at each relevant rank (<= k) / R
  kGeometricMap,           ///< gm_map: geometric mean of AP floored at 1e-5; summary only
  kGeometricBpref,         ///< gm_bpref: same of bpref; summary only
  kRPrecision,             ///< Rprec: relevant in the top R / R
  kRPrecisionMultiple,     ///< Rprec_mult_m: precision at rank m * R; m = `parameter`
  kBpref,                  ///< bpref: share of judged non-relevant documents ranked below
  kReciprocalRank,         ///< recip_rank, recip_rank_cut_k: 1 / rank of the first relevant
  kInterpolatedPrecision,  ///< iprec_at_recall_x: best precision at recall >= x = `parameter`
  kElevenPointAverage,     ///< 11pt_avg: mean of the former at 0, .1, .. 1
  kPrecision,              ///< P_k: relevant in the top k / k, also when fewer came back
  kRelativePrecision,      ///< relative_P_k: relevant in the top k / min(k, R)
  kRecall,                 ///< recall_k: relevant in the top k / R
  kNdcg,                   ///< ndcg, ndcg_cut_k: gain = grade, discount log2(rank + 1); ideal from
                           ///< all judged documents, cut at k; no influence of the level
  kSuccess,                ///< success_k: 1 with a relevant document in the top k
  kInferredAp,             ///< infAP (Yilmaz & Aslam 2006), epsilon 1e-5
  kSetPrecision,           ///< set_P: relevant returned / returned
  kSetRelativePrecision,   ///< set_relative_P: relevant returned / min(returned, R)
  kSetRecall,              ///< set_recall: relevant returned / R
  kSetMap,                 ///< set_map: set_P * set_recall
  kSetF,                   ///< set_F: harmonic mean of set_P and set_recall
  kRankBiasedPrecision,    ///< rbp (Moffat & Zobel 2008): (1-p) sum of gain * p^(rank-1); gain =
                           ///< grade / highest grade judged for the query; p = `parameter`, .9
  kRankBiasedResidual,     ///< rbp_resid: what unjudged documents could add; lower is better; 0
                           ///< where every returned document is judged
  kUnjudged,               ///< unj_k: unjudged documents in the top k / k; lower is better
  kJudged,                 ///< judged_k = 1 - unj_k; undefined where nothing was returned
};

/// One number to compute. Value type.
struct Measure {
  MeasureKind kind = MeasureKind::kAveragePrecision;
  uint32_t cutoff = 0;   ///< ranks looked at; 0: all
  double parameter = 0;  ///< see MeasureKind

  /// trec_eval's name, "ndcg_cut_10".
  [[nodiscard]] std::string name() const;
  [[nodiscard]] bool higher_is_better() const;
  /// True for num_*: the summary is a sum over queries, not a mean.
  [[nodiscard]] bool is_count() const;

  friend bool operator==(const Measure&, const Measure&) = default;
};

/// Reads names in either style, letter case ignored: "ndcg_cut_10" or "ndcg@10", "P_5" or "p@5",
/// "map", "ap", "map_cut_100" or "ap@100", "rr", "mrr", "mrr@10", "recall@100", "hit@1",
/// "rbp", "rbp_p=0.95"; families "ndcg_cut" (trec_eval's cutoffs) and "ndcg_cut.5,10"; sets
/// "official" and "all_trec". Repeated measures are kept once.
/// Errors: kInvalidArgument names the word. Cutoffs lie in [1, 1,000,000].
Result<std::vector<Measure>> ParseMeasures(std::span<const std::string> names);
/// trec_eval's default output, then judged_10: what to print when nobody chose.
std::vector<Measure> OfficialMeasures();

enum class TrecRules : uint8_t {
  kTrec9,   ///< 9.0.8 and pytrec_eval: scores compared as 32-bit floats; recall levels of iprec and
            ///< 11pt_avg rounded otherwise (docs/measures.md)
  kTrec10,  ///< 10.0: scores compared as doubles; `#` starts a comment line in files
};

enum class QuerySet : uint8_t {
  kAllJudged,     ///< every query of the qrels; one without results counts as 0 (trec_eval -c)
  kOnlyReturned,  ///< queries in both the run and the qrels
};

struct ScoreOptions {
  TrecRules rules = TrecRules::kTrec10;
  QuerySet queries = QuerySet::kAllJudged;
  int32_t relevance_level = 1;  ///< lowest relevance that counts as relevant, in [1, 2^31)
  size_t max_docs = 0;          ///< ranks evaluated per query; 0: all (trec_eval -M)
  bool judged_only = false;     ///< drop unjudged documents before ranking (trec_eval -J)
  /// Leave queries without a relevant judgment undefined instead of 0; such queries are counted in
  /// either case.
  bool exclude_without_relevant = false;
};

enum class UndefinedReason : uint8_t {
  kDefined = 0,
  kNoRelevant,       ///< the query has no relevant judgment and the options exclude such queries
  kNothingReturned,  ///< the measure needs a returned document
  kSummaryOnly,      ///< the measure exists over a query set only
  kNoQueries,        ///< a mean over nothing
  kNoNeighbors,      ///< ANN recall: exact search found nothing to compare with
  kNoScores,         ///< ANN recall: exact neighbours are known by id only
};

/// "no_relevant", "nothing_returned", ...; "defined" for kDefined.
std::string_view UndefinedReasonName(UndefinedReason reason);

/// A value, or why there is none. Never NaN.
struct MetricValue {
  double value = 0;  ///< 0 where undefined
  UndefinedReason reason = UndefinedReason::kDefined;

  [[nodiscard]] bool defined() const { return reason == UndefinedReason::kDefined; }
};

/// Mean (or sum, or geometric mean, see MeasureKind) over the `n_used` queries where it is defined.
struct MeanValue {
  MetricValue value;
  size_t n_used = 0;
  size_t n_total = 0;  ///< queries evaluated
};

struct QueryScores {
  std::string id;
  bool missing = false;             ///< judged, but not in the run
  std::vector<MetricValue> values;  ///< one per measure
};

struct ScoreCounts {
  size_t queries_judged = 0;            ///< in the qrels
  size_t queries_returned = 0;          ///< in the run
  size_t queries_evaluated = 0;         ///< averaged over
  size_t queries_missing = 0;           ///< judged, but not in the run
  size_t queries_extra = 0;             ///< in the run, but not judged: ignored
  size_t queries_without_relevant = 0;  ///< evaluated ones with judgments, none of them relevant
  size_t docs_returned = 0;             ///< over the evaluated queries
  size_t docs_unjudged = 0;             ///< of docs_returned
};

struct ScoreReport {
  std::vector<Measure> measures;
  std::vector<QueryScores> queries;  ///< evaluated ones, by ascending id
  std::vector<MeanValue> means;      ///< one per measure
  ScoreCounts counts;
};

/// Scores a run.
///
/// Errors: kInvalidArgument for a query or document id that occurs twice (naming file and both
///         lines where they are known), a NaN score, a relevance level below 1.
/// Threads: reentrant. Cost: O(n log n) in documents returned, O(n) where already in rank order.
Result<ScoreReport> Score(const RankedRun& run, const Qrels& qrels,
                          std::span<const Measure> measures, const ScoreOptions& options);

}  // namespace leadline::eval
