/// Word pieces per second, texts embedded per second, words and sentences split per second, on the
/// example abstracts and on Thai. One thread; items are word pieces (tokenizer, embedder) or bytes.

#include <fstream>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <nlohmann/json.hpp>

#include "leadline/text/embedder.h"
#include "leadline/text/sentences.h"
#include "leadline/text/wordpiece.h"
#include "leadline/text/words.h"
#include "static_model.h"

namespace leadline::text {
namespace {

constexpr size_t kDocuments = 1000;

const std::vector<std::string>& Abstracts() {
  static const std::vector<std::string> kTexts = [] {
    std::vector<std::string> out;
    std::ifstream lines(std::string(LEADLINE_SOURCE_DIR) + "/examples/scifact/corpus.jsonl");
    for (std::string line; out.size() < kDocuments && std::getline(lines, line);) {
      const auto row = nlohmann::json::parse(line);
      out.push_back(row["title"].get<std::string>() + " " + row["text"].get<std::string>());
    }
    return out;
  }();
  return kTexts;
}

const std::vector<std::string>& Thai() {
  static const std::vector<std::string> kTexts(
      200,
      "กรุงเทพมหานครเป็นเมืองหลวงและนครที่มีประชากรมากที่สุดของประเทศไทย "
      "เป็นศูนย์กลางการปกครอง การศึกษา การคมนาคมขนส่ง และการเงินการธนาคาร");
  return kTexts;
}

size_t Bytes(const std::vector<std::string>& texts) {
  size_t bytes = 0;
  for (const std::string& text : texts) {
    bytes += text.size();
  }
  return bytes;
}

WordPieceTokenizer Tokenizer() {
  return std::move(
      *WordPieceTokenizer::Create(StaticModel::Parse(EmbeddedModelBytes())->vocabulary()));
}

size_t CountPieces(const std::vector<std::string>& texts) {
  const WordPieceTokenizer tokenizer = Tokenizer();
  std::vector<uint32_t> ids;
  for (const std::string& text : texts) {
    tokenizer.Tokenize(text, &ids);
  }
  return ids.size();
}

void SetRates(benchmark::State& state, const std::vector<std::string>& texts, size_t items) {
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(items));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(Bytes(texts)));
}

void BenchTokenize(benchmark::State& state, const std::vector<std::string>& texts) {
  const WordPieceTokenizer tokenizer = Tokenizer();
  std::vector<uint32_t> ids;
  for (auto _ : state) {
    for (const std::string& text : texts) {
      ids.clear();
      tokenizer.Tokenize(text, &ids);
      benchmark::DoNotOptimize(ids.data());
    }
  }
  SetRates(state, texts, CountPieces(texts));
}

void BenchEmbed(benchmark::State& state, const std::vector<std::string>& texts) {
  const auto embedder = OpenEmbedder("static");
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  std::vector<float> out(texts.size() * (*embedder)->dim());
  for (auto _ : state) {
    if (!(*embedder)->Embed(views, out).ok()) {
      state.SkipWithError("embedding failed");
    }
    benchmark::DoNotOptimize(out.data());
  }
  SetRates(state, texts, CountPieces(texts));
  state.counters["texts"] = benchmark::Counter(
      static_cast<double>(state.iterations()) * static_cast<double>(texts.size()),
      benchmark::Counter::kIsRate);
}

void BenchSplit(benchmark::State& state, const std::vector<std::string>& texts, bool words) {
  size_t spans = 0;
  for (auto _ : state) {
    for (const std::string& text : texts) {
      spans += words ? SplitWords(text).size() : SplitSentences(text).size();
    }
  }
  benchmark::DoNotOptimize(spans);
  state.SetItemsProcessed(static_cast<int64_t>(spans));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(Bytes(texts)));
}

void BenchCreateTokenizer(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(Tokenizer().vocabulary_size());
  }
}

BENCHMARK_CAPTURE(BenchTokenize, abstracts, Abstracts());
BENCHMARK_CAPTURE(BenchTokenize, thai, Thai());
BENCHMARK_CAPTURE(BenchEmbed, abstracts, Abstracts());
BENCHMARK_CAPTURE(BenchSplit, sentences, Abstracts(), false);
BENCHMARK_CAPTURE(BenchSplit, words, Abstracts(), true);
BENCHMARK_CAPTURE(BenchSplit, thai_words, Thai(), true);
BENCHMARK(BenchCreateTokenizer);

}  // namespace
}  // namespace leadline::text
