// What an application does: create a database, write, search with a filter, reopen, close. With
// CONSUMER_OF_SERVICE the database is that of a service, and one line differs.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#ifdef CONSUMER_OF_SERVICE
#include <leadline/client.h>
#endif
#include <leadline/leadline.h>

namespace {

leadline::Result<std::unique_ptr<leadline::Database>> Open(const char* where) {
#ifdef CONSUMER_OF_SERVICE
  return leadline::Client::Connect(where);
#else
  leadline::DatabaseOptions options;
  options.create_if_missing = true;
  return leadline::Database::Open(where, options);
#endif
}

leadline::Status Run(const char* where) {
  LEADLINE_ASSIGN_OR_RETURN(auto db, Open(where));

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

  LEADLINE_ASSIGN_OR_RETURN(db, Open(where));
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
  const leadline::Status status =
      argc == 2 ? Run(argv[1]) : leadline::InvalidArgumentError("path or address");
  std::printf("%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
