// Cost of scoring a run that is in memory, and of reading one, per run line.

#include <algorithm>
#include <filesystem>
#include <random>
#include <string>

#include <benchmark/benchmark.h>

#include "leadline/core/file_system.h"
#include "leadline/eval/judgments.h"
#include "leadline/eval/metrics.h"

namespace leadline::eval {
namespace {

struct Collection {
  RankedRun run;
  Qrels qrels;
};

Collection MakeCollection(size_t queries, size_t depth, bool in_rank_order) {
  std::mt19937 rng(20240601);
  Collection made;
  for (size_t q = 0; q < queries; ++q) {
    RankedQuery ranked{.id = std::to_string(q), .docs = {}};
    JudgedQuery judged{.id = ranked.id, .docs = {}};
    double score = 30;
    for (size_t d = 0; d < depth; ++d) {
      score -= static_cast<double>(rng() % 3) * 0.01;
      ranked.docs.push_back({"doc_" + std::to_string(10'000'000 - d), score});
      if (d % 20 == 0) {
        judged.docs.push_back({ranked.docs.back().id, static_cast<int32_t>(rng() % 3)});
      }
    }
    if (!in_rank_order) {
      std::shuffle(ranked.docs.begin(), ranked.docs.end(), rng);
    }
    made.run.queries.push_back(std::move(ranked));
    made.qrels.queries.push_back(std::move(judged));
  }
  return made;
}

void ScoreRun(benchmark::State& state) {
  const auto depth = static_cast<size_t>(state.range(0));
  const Collection made = MakeCollection(100, depth, state.range(1) != 0);
  const std::vector<std::string> names = {"map", "ndcg@10", "recall@100", "mrr", "bpref"};
  const auto measures = ParseMeasures(names);
  for (auto _ : state) {
    auto report = Score(made.run, made.qrels, *measures, {});
    benchmark::DoNotOptimize(report);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(100 * depth));
}

BENCHMARK(ScoreRun)
    ->ArgNames({"depth", "sorted"})
    ->Args({100, 1})
    ->Args({1000, 1})
    ->Args({1000, 0});

void ReadRunFile(benchmark::State& state) {
  const std::string path =
      (std::filesystem::temp_directory_path() / "leadline_metrics_bench.trec").string();
  const Collection made = MakeCollection(100, 1000, true);
  std::string text;
  for (const RankedQuery& query : made.run.queries) {
    for (const ScoredDoc& doc : query.docs) {
      text += query.id + " Q0 " + doc.id + " 1 " + std::to_string(doc.score) + " bench\n";
    }
  }
  WriteFileAtomically(FileSystem::Posix(), path, text).IgnoreError();
  for (auto _ : state) {
    auto run = ReadRun(FileSystem::Posix(), path, TrecRules::kTrec10);
    benchmark::DoNotOptimize(run);
  }
  state.SetItemsProcessed(state.iterations() * 100'000);
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
  FileSystem::Posix()->DeleteFile(path).IgnoreError();
}

BENCHMARK(ReadRunFile);

}  // namespace
}  // namespace leadline::eval
