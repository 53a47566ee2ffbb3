// measure_recall DB - builds an HNSW index over 20,000 random vectors and tells, for several widths
// of the beam, how much of the exact answer it finds and how many distances that took. The exact
// answer comes from the same collection at the same snapshot.
#include <cstdio>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <leadline/leadline.h>

namespace {

using leadline::Status;

constexpr size_t kRows = 20'000;
constexpr size_t kQueries = 100;
constexpr uint32_t kDim = 32;

/// Rows of vectors around 200 centres, which is easier for an index than pure noise and closer to
/// what embedders make.
std::vector<float> MakeVectors(size_t rows, uint32_t seed) {
  std::mt19937 centres(7);
  std::mt19937 noise(seed);
  std::normal_distribution<float> normal;
  std::vector<float> centre(size_t{200} * kDim);
  for (float& value : centre) {
    value = normal(centres);
  }
  std::vector<float> vectors(rows * kDim);
  for (size_t row = 0; row < rows; ++row) {
    const size_t near = noise() % 200;
    for (size_t d = 0; d < kDim; ++d) {
      vectors[row * kDim + d] = centre[near * kDim + d] + 0.5F * normal(noise);
    }
  }
  return vectors;
}

Status Fill(leadline::Collection& points) {
  const std::vector<float> vectors = MakeVectors(kRows, 1);
  std::vector<leadline::Record> batch;
  for (size_t row = 0; row < kRows; ++row) {
    leadline::Record record;
    record.id = std::to_string(row);
    record.vector.assign(vectors.begin() + row * kDim, vectors.begin() + (row + 1) * kDim);
    batch.push_back(std::move(record));
    if (batch.size() == 1000) {
      LEADLINE_RETURN_IF_ERROR(points.Upsert(std::move(batch)).status());
      batch.clear();
    }
  }
  return points.Optimize();  // returns when every row is in an indexed segment
}

/// Mean share of the exact ten that a search with `options` returns.
Status Measure(leadline::Collection& points, const std::vector<leadline::SearchResponse>& truth,
               leadline::MatrixView queries, leadline::SearchOptions options) {
  LEADLINE_ASSIGN_OR_RETURN(const auto found, points.SearchBatch(queries, options));
  size_t shared = 0;
  size_t distances = 0;
  for (size_t q = 0; q < found.size(); ++q) {
    std::set<std::string> wanted;
    for (const leadline::Hit& hit : truth[q].hits) {
      wanted.insert(hit.id);
    }
    for (const leadline::Hit& hit : found[q].hits) {
      shared += wanted.count(hit.id);
    }
    distances += found[q].plan->distances;
  }
  std::printf("%9zu  %9.4f  %9zu\n", options.ef_search,
              static_cast<double>(shared) / static_cast<double>(found.size() * options.limit),
              distances / found.size());
  return {};
}

Status Run(const char* path) {
  leadline::DatabaseOptions database;
  database.create_if_missing = true;
  LEADLINE_ASSIGN_OR_RETURN(const auto db, leadline::Database::Open(path, database));
  leadline::CollectionOptions shape;
  shape.vectors.resize(1);
  shape.vectors[0].dim = kDim;
  shape.vectors[0].metric = leadline::Metric::kL2;
  shape.vectors[0].index = leadline::IndexKind::kHnsw;
  LEADLINE_ASSIGN_OR_RETURN(const auto points, db->CreateCollection("points", shape));
  LEADLINE_RETURN_IF_ERROR(Fill(*points));

  leadline::SearchOptions options;
  options.explain = true;
  LEADLINE_ASSIGN_OR_RETURN(options.snapshot, db->TakeSnapshot());
  const std::vector<float> vectors = MakeVectors(kQueries, 2);
  const leadline::MatrixView queries{vectors.data(), kQueries, kDim};
  options.exact = true;
  LEADLINE_ASSIGN_OR_RETURN(const auto truth, points->SearchBatch(queries, options));
  options.exact = false;
  std::printf("ef_search  recall@10  distances\n");
  for (const size_t ef_search : {10, 20, 40, 80, 160}) {
    options.ef_search = ef_search;
    LEADLINE_RETURN_IF_ERROR(Measure(*points, truth, queries, options));
  }
  options.snapshot.reset();
  return db->Close();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: measure_recall DB (a new one)\n", stderr);
    return 2;
  }
  const Status status = Run(argv[1]);
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", status.ToString().c_str());
  }
  return status.ok() ? 0 : 1;
}
