// What an application does: create a database, write, search with a filter, reopen, close.
#include <cstdio>
#include <vector>

#include <leadline/leadline.h>

namespace {

leadline::Status Run(const char* path) {
  leadline::DatabaseOptions options;
  options.create_if_missing = true;
  LEADLINE_ASSIGN_OR_RETURN(auto db, leadline::Database::Open(path, options));

  leadline::CollectionOptions shape;
  leadline::VectorField field;
  field.dim = 3;
  field.metric = leadline::Metric::kL2;
  shape.vectors.push_back(field);
  LEADLINE_ASSIGN_OR_RETURN(auto points, db->CreateCollection("points", shape));

  std::vector<leadline::Record> records(100);
  for (size_t i = 0; i < records.size(); ++i) {
    records[i].id = "p" + std::to_string(i);
    records[i].vector = {static_cast<float>(i), 0.0F, 1.0F};
    records[i].payload = "{\"even\":" + std::string(i % 2 == 0 ? "true" : "false") + "}";
  }
  LEADLINE_RETURN_IF_ERROR(points->Upsert(std::move(records)).status());

  leadline::SearchOptions search;
  search.limit = 3;
  LEADLINE_ASSIGN_OR_RETURN(search.filter, leadline::Filter::Parse("even = true"));
  const std::vector<float> query = {41.0F, 0.0F, 1.0F};
  LEADLINE_ASSIGN_OR_RETURN(const auto found, points->Search(query, search));
  for (const leadline::Hit& hit : found.hits) {
    std::printf("%s %g\n", hit.id.c_str(), static_cast<double>(hit.score));
  }
  if (found.hits.size() != 3 || found.hits[0].score != 1.0F || found.hits[1].score != 1.0F) {
    return leadline::InternalError("wrong hits");
  }
  points.reset();
  LEADLINE_RETURN_IF_ERROR(db->Close());

  LEADLINE_ASSIGN_OR_RETURN(db, leadline::Database::Open(path));
  LEADLINE_ASSIGN_OR_RETURN(points, db->OpenCollection("points"));
  LEADLINE_ASSIGN_OR_RETURN(const uint64_t rows, points->Count(std::nullopt));
  if (rows != 100) {
    return leadline::InternalError("rows lost: " + std::to_string(rows));
  }
  points.reset();
  return db->Close();
}

}  // namespace

int main(int argc, char** argv) {
  const leadline::Status status = argc == 2 ? Run(argv[1]) : leadline::InvalidArgumentError("path");
  std::printf("%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
