// search_texts DB TEXT - keeps a few sentences with the vectors of the built-in embedder and prints
// those nearest to TEXT, with and without a filter. Run again, it finds the database it made.
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include <leadline/leadline.h>
#include <leadline/text/embedder.h>

namespace {

using leadline::Result;
using leadline::Status;

struct Sentence {
  const char* id;
  const char* text;
  int year;
};

constexpr Sentence kSentences[] = {
    {"statins", "Statins lower cholesterol and the risk of heart attacks.", 2019},
    {"aspirin", "Low doses of aspirin prevent blood clots.", 2011},
    {"vitamin", "Vitamin D deficiency is common in northern countries.", 2021},
    {"glacier", "Glaciers in the Alps lost a third of their ice.", 2022},
    {"battery", "Sodium batteries are cheaper than lithium ones and heavier.", 2023},
};

/// The collection "sentences", filled when it is new.
Result<std::shared_ptr<leadline::Collection>> OpenSentences(leadline::Database& db) {
  Result<std::shared_ptr<leadline::Collection>> existing = db.OpenCollection("sentences");
  if (existing.ok() || existing.status().code() != leadline::StatusCode::kNotFound) {
    return existing;
  }
  leadline::CollectionOptions shape;
  shape.embedder = "static";  // decides the dimension; the collection records its version
  shape.text_fields = {"text"};
  LEADLINE_ASSIGN_OR_RETURN(auto sentences, db.CreateCollection("sentences", shape));
  LEADLINE_ASSIGN_OR_RETURN(const auto embedder, sentences->OpenEmbedder());
  std::vector<leadline::Record> records;
  for (const Sentence& sentence : kSentences) {
    leadline::Record record;
    record.id = sentence.id;
    record.vector.resize(embedder->dim());
    const std::string_view text = sentence.text;
    LEADLINE_RETURN_IF_ERROR(embedder->Embed({&text, 1}, record.vector));
    record.payload =
        "{\"text\":\"" + std::string(text) + "\",\"year\":" + std::to_string(sentence.year) + "}";
    records.push_back(std::move(record));
  }
  LEADLINE_RETURN_IF_ERROR(sentences->Upsert(std::move(records)).status());
  return sentences;
}

Status Print(leadline::Collection& sentences, std::string_view text, const char* filter) {
  leadline::SearchOptions options;
  options.limit = 3;
  options.with_payload = true;
  options.fields = {"text"};
  if (filter != nullptr) {
    LEADLINE_ASSIGN_OR_RETURN(options.filter, leadline::Filter::Parse(filter));
  }
  LEADLINE_ASSIGN_OR_RETURN(const leadline::SearchResponse found,
                            sentences.SearchText(text, options));
  std::printf("%s:\n", filter == nullptr ? "nearest" : filter);
  for (const leadline::Hit& hit : found.hits) {
    std::printf("  %.3f  %s  %s\n", static_cast<double>(hit.score), hit.id.c_str(),
                hit.payload.c_str());
  }
  return {};
}

Status Run(const char* path, std::string_view text) {
  leadline::DatabaseOptions options;
  options.create_if_missing = true;
  LEADLINE_ASSIGN_OR_RETURN(const auto db, leadline::Database::Open(path, options));
  LEADLINE_ASSIGN_OR_RETURN(const auto sentences, OpenSentences(*db));
  LEADLINE_RETURN_IF_ERROR(Print(*sentences, text, nullptr));
  LEADLINE_RETURN_IF_ERROR(Print(*sentences, text, "year >= 2020"));
  return db->Close();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: search_texts DB TEXT\n", stderr);
    return 2;
  }
  const Status status = Run(argv[1], argv[2]);
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", status.ToString().c_str());
  }
  return status.ok() ? 0 : 1;
}
