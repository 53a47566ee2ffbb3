#include "crash_workload.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include <gtest/gtest.h>

#include "leadline/core/file_system.h"
#include "leadline/core/hash.h"

namespace leadline::testing {
namespace {

constexpr uint64_t kIds = 300;
/// Records of a stream's first write: enough rows for an index to be worth walking at once.
constexpr uint64_t kLoad = 200;
constexpr int64_t kPastMs = 1000;
constexpr int64_t kFarFutureMs = 4'000'000'000'000;
constexpr size_t kLimit = 5;
constexpr size_t kEf = 12;
constexpr size_t kNprobe = 3;

/// Streams that share a collection have groups apart, so that a filter can name one's records.
int64_t GroupOf(int stream, uint64_t draw) {
  return stream * 300 + static_cast<int64_t>(draw % 300);
}

CrashBatch MakeBatch(Rng* rng, int stream, uint64_t index, bool load) {
  CrashBatch batch;
  const size_t ops = load ? kLoad : 1 + rng->Uniform(8);
  for (size_t i = 0; i < ops; ++i) {
    CrashOp op;
    op.id = PrefixOf(stream) + std::to_string(load ? i : rng->Uniform(kIds));
    op.kind = !load && rng->Uniform(4) == 0 ? WriteBatch::Kind::kDelete : WriteBatch::Kind::kUpsert;
    op.record = RandomCrashRecord(rng, static_cast<int64_t>(index));
    op.record.group = GroupOf(stream, static_cast<uint64_t>(op.record.group));
    const uint64_t expiry = rng->Uniform(24);
    if (expiry < 2) {
      op.record.expires_at_ms = expiry == 0 ? kPastMs : kFarFutureMs;
    }
    batch.push_back(op);
    // What has expired cannot be patched.
    if (op.kind == WriteBatch::Kind::kUpsert && rng->Uniform(6) == 0 && expiry != 0) {
      op.kind = WriteBatch::Kind::kPatch;
      op.record.group = GroupOf(stream, rng->Next());
      batch.push_back(op);
    }
  }
  return batch;
}

ModelFilter MakeFilter(Rng* rng, int stream) {
  ModelFilter filter;
  filter.group_from = GroupOf(stream, rng->Uniform(270));
  filter.group_below = *filter.group_from + 1 + static_cast<int64_t>(rng->Uniform(30));
  filter.text = "group >= " + std::to_string(*filter.group_from) + " AND group < " +
                std::to_string(*filter.group_below);
  return filter;
}

StepKind KindOf(int stream, uint64_t index) {
  if (stream < 2) {
    if (index % 17 == 16) {
      return StepKind::kDeleteWhere;
    }
    return stream == 0 && index % 10 == 9 ? StepKind::kOptimize : StepKind::kWrite;
  }
  switch (index % 24) {
    case 0:
      return StepKind::kCreate;
    case 8:
      return StepKind::kOptimize;
    case 12:
      return StepKind::kBackup;
    case 16:
      return StepKind::kDeleteWhere;
    case 18:
      return StepKind::kAlter;
    case 23:
      return StepKind::kDrop;
    default:
      return StepKind::kWrite;
  }
}

/// Deletes under another name, so that what stands under the given one is always whole.
Status Discard(FileSystem* fs, const std::string& directory) {
  const std::string trash = directory + "-trash";
  LEADLINE_RETURN_IF_ERROR(DeleteRecursively(fs, trash));
  if (!fs->FileExists(directory).ok()) {
    return {};
  }
  LEADLINE_RETURN_IF_ERROR(fs->RenameFile(directory, trash));
  return DeleteRecursively(fs, trash);
}

Status BackUpAndRestore(Database* database, FileSystem* fs, const std::string& path) {
  const std::string backup = path + "-backup";
  const std::string restored = path + "-restored";
  LEADLINE_RETURN_IF_ERROR(Discard(fs, backup));
  LEADLINE_RETURN_IF_ERROR(Discard(fs, restored));
  LEADLINE_RETURN_IF_ERROR(database->Backup(backup).status());
  LEADLINE_RETURN_IF_ERROR(Database::Restore(backup, restored, {}, fs).status());
  LEADLINE_RETURN_IF_ERROR(Discard(fs, restored));
  return Discard(fs, backup);
}

WriteBatch ToWriteBatch(const CrashBatch& batch) {
  WriteBatch out;
  for (const CrashOp& op : batch) {
    switch (op.kind) {
      case WriteBatch::Kind::kUpsert:
        out.Upsert(op.record.ToRecord(op.id));
        break;
      case WriteBatch::Kind::kPatch:
        out.PatchPayload(op.id, "{\"group\":" + std::to_string(op.record.group) + "}");
        break;
      case WriteBatch::Kind::kDelete:
        out.Delete(op.id);
        break;
    }
  }
  return out;
}

bool Expired(const ModelRecord& record) {
  return record.expires_at_ms.has_value() && *record.expires_at_ms == kPastMs;
}

std::string ImageLine(const std::string& id, const std::string& payload,
                      const std::vector<float>& vector) {
  return id + " " + payload + " " +
         std::to_string(
             Hash64(reinterpret_cast<const char*>(vector.data()), vector.size() * sizeof(float)));
}

}  // namespace

std::string PrefixOf(int stream) {
  return "s" + std::to_string(stream) + "-";
}

std::string CollectionOf(int stream) {
  return stream < 2 ? "c" : "v";
}

/// From lists to a graph.
CollectionChanges CrashChanges() {
  CollectionChanges changes;
  VectorFieldChanges& field = changes.vectors.emplace_back();
  field.index = IndexKind::kHnsw;
  field.m = 6;
  return changes;
}

CollectionOptions CrashCollection(int stream) {
  CollectionOptions options;
  VectorField field;
  field.dim = kCrashDim;
  field.metric = Metric::kL2;
  field.index = stream < 2 ? IndexKind::kHnsw : IndexKind::kIvf;
  field.m = 8;
  field.ef_construction = 40;
  field.nlist = 8;
  options.vectors.push_back(field);
  return options;
}

DatabaseOptions CrashDatabase() {
  DatabaseOptions options;
  options.create_if_missing = true;
  options.seal_rows = 64;
  return options;
}

ModelRecord RandomCrashRecord(Rng* rng, int64_t version) {
  static const char* const kTags[] = {"", "red", "green", "blue"};
  ModelRecord record;
  record.group = static_cast<int64_t>(rng->Uniform(1000));
  record.tag = kTags[rng->Uniform(4)];
  record.version = version;
  for (size_t i = 0; i < kCrashDim; ++i) {
    const double centre = i % 4 == static_cast<size_t>(record.group) % 4 ? 2.0 : 0.0;
    record.vector.push_back(static_cast<float>(centre + rng->Gaussian()));
  }
  return record;
}

CrashStep MakeCrashStep(uint64_t seed, int stream, uint64_t index) {
  Rng rng(seed * 1'000'003 + static_cast<uint64_t>(stream) * 7919 + index * 104'729);
  CrashStep step;
  step.kind = KindOf(stream, index);
  const bool load = stream < 2 ? index == 0 : index % 24 == 1;
  if (step.kind == StepKind::kWrite) {
    step.batch = MakeBatch(&rng, stream, index, load);
  } else if (step.kind == StepKind::kDeleteWhere) {
    step.filter = MakeFilter(&rng, stream);
  }
  return step;
}

CrashState InitialState(int stream) {
  CrashState state;
  state.exists = stream < 2;
  return state;
}

void Apply(const CrashStep& step, CrashState* state) {
  switch (step.kind) {
    case StepKind::kCreate:
      state->exists = true;
      break;
    case StepKind::kDrop:
      *state = {};
      break;
    case StepKind::kDeleteWhere:
      std::erase_if(state->records, [&](const auto& entry) {
        return !Expired(entry.second) && step.filter.Matches(entry.second);
      });
      break;
    case StepKind::kAlter:
    case StepKind::kOptimize:
    case StepKind::kBackup:
      break;
    case StepKind::kWrite:
      for (const CrashOp& op : step.batch) {
        if (op.kind == WriteBatch::Kind::kDelete) {
          state->records.erase(op.id);
        } else if (op.kind == WriteBatch::Kind::kPatch) {
          state->records[op.id].group = op.record.group;
        } else {
          state->records[op.id] = op.record;
        }
      }
      break;
  }
}

Status RunStep(Database* database, FileSystem* fs, const std::string& path, int stream,
               const CrashStep& step) {
  const std::string name = CollectionOf(stream);
  switch (step.kind) {
    case StepKind::kCreate:
      return database->CreateCollection(name, CrashCollection(stream)).status();
    case StepKind::kAlter:
      return database->AlterCollection(name, CrashChanges()).status();
    case StepKind::kDrop:
      return database->DropCollection(name);
    case StepKind::kBackup:
      return BackUpAndRestore(database, fs, path);
    default:
      break;
  }
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> collection,
                            database->OpenCollection(name));
  switch (step.kind) {
    case StepKind::kOptimize:
      return collection->Optimize();
    case StepKind::kDeleteWhere:
      return collection->DeleteWhere(*step.filter.Parsed()).status();
    default:
      return collection->Write(ToWriteBatch(step.batch)).status();
  }
}

CrashRecords Visible(const CrashRecords& records) {
  CrashRecords visible = records;
  std::erase_if(visible, [](const auto& entry) { return Expired(entry.second); });
  return visible;
}

CrashImage ImageOf(const CrashRecords& records) {
  CrashImage image;
  for (const auto& [id, record] : records) {
    if (!Expired(record)) {
      image.push_back(ImageLine(id, record.Payload(), record.vector));
    }
  }
  std::sort(image.begin(), image.end());
  return image;
}

Result<CrashImage> ReadImage(Collection* collection, const std::string& prefix,
                             std::shared_ptr<const Snapshot> snapshot) {
  CrashImage image;
  ScrollOptions options;
  options.limit = 10'000;
  options.read.snapshot = std::move(snapshot);
  do {
    LEADLINE_ASSIGN_OR_RETURN(const ScrollPage page, collection->Scroll(options));
    for (const Record& record : page.records) {
      if (record.id.rfind(prefix, 0) == 0) {
        image.push_back(ImageLine(record.id, record.payload, record.vector));
      }
    }
    options.cursor = page.next_cursor;
  } while (!options.cursor.empty());
  std::sort(image.begin(), image.end());
  return image;
}

namespace {

ModelFilter RandomFilter(Rng* rng) {
  ModelFilter filter;
  switch (rng->Uniform(6)) {
    case 0:
      filter.group_below = static_cast<int64_t>(rng->Uniform(1001));
      filter.text = "group < " + std::to_string(*filter.group_below);
      break;
    case 1:
      filter.tag = "red";
      filter.text = "tag = 'red'";
      break;
    case 2:
      filter.tag = "blue";
      filter.negate_tag = true;
      filter.text = "NOT tag = 'blue'";
      break;
    case 3:
      filter.tag = "green";
      filter.group_below = static_cast<int64_t>(rng->Uniform(30));
      filter.text = "tag = 'green' AND group < " + std::to_string(*filter.group_below);
      break;
    default:
      break;
  }
  return filter;
}

class ReadComparison {
 public:
  ReadComparison(Collection* collection, const CrashRecords& records, uint64_t seed,
                 SearchTally* tally)
      : collection_(collection), rng_(seed), tally_(tally) {
    model_.records = Visible(records);
  }

  std::vector<Disagreement> Run() {
    for (int round = 0; round < 3; ++round) {
      const ModelFilter filter = round == 0 ? ModelFilter() : RandomFilter(&rng_);
      const std::vector<float> query = RandomCrashRecord(&rng_, 0).vector;
      CompareCount(filter);
      expected_ = model_.Search(query, 0, filter);
      CompareExact(query, filter);
      CompareApproximate(query, filter);
    }
    return std::move(problems_);
  }

 private:
  void Add(std::string what, StatusCode code = StatusCode::kOk) {
    problems_.push_back({std::move(what), code});
  }

  void CompareCount(const ModelFilter& filter) {
    const Result<uint64_t> count = collection_->Count(filter.Parsed());
    const auto expected =
        std::count_if(model_.records.begin(), model_.records.end(),
                      [&](const auto& entry) { return filter.Matches(entry.second); });
    if (!count.ok()) {
      Add("count failed: " + count.status().ToString(), count.status().code());
    } else if (*count != static_cast<uint64_t>(expected)) {
      Add("count is " + std::to_string(*count) + ", expected " + std::to_string(expected) +
          ", filter: " + filter.text);
    }
  }

  /// Hits must be live, match, be of the right version and have the right score.
  bool CompareHits(const std::vector<Hit>& hits, const std::vector<float>& query,
                   const ModelFilter& filter, size_t limit) {
    const size_t before = problems_.size();
    if (hits.size() != std::min(limit, expected_.size())) {
      Add("search returned " + std::to_string(hits.size()) + " of " +
          std::to_string(expected_.size()) + " records, filter: " + filter.text);
    }
    std::vector<std::string> ids;
    for (const Hit& hit : hits) {
      const auto record = model_.records.find(hit.id);
      ids.push_back(hit.id);
      if (record == model_.records.end()) {
        Add("search returned a record that should not exist: " + hit.id);
      } else if (!filter.Matches(record->second)) {
        Add("search returned a record that the filter excludes: " + hit.id);
      } else if (hit.payload != record->second.Payload()) {
        Add("search returned another version of " + hit.id + ": " + hit.payload);
      } else if (!Near(hit.score, model_.Score(query, record->second.vector, 0))) {
        Add("search returned a wrong score for " + hit.id);
      }
    }
    std::sort(ids.begin(), ids.end());
    if (std::adjacent_find(ids.begin(), ids.end()) != ids.end()) {
      Add("search returned a record twice");
    }
    return problems_.size() == before;
  }

  static bool Near(double a, double b) { return std::abs(a - b) <= 1e-5 * (1 + std::abs(b)); }

  void CompareExact(const std::vector<float>& query, const ModelFilter& filter) {
    SearchOptions options;
    options.limit = std::max<size_t>(expected_.size() + 5, 1);
    options.exact = true;
    options.with_payload = true;
    if (!filter.text.empty()) {
      options.filter.emplace(Filter::Parse(filter.text).value());
    }
    const Result<SearchResponse> found = collection_->Search(query, options);
    if (!found.ok()) {
      Add("exact search failed: " + found.status().ToString(), found.status().code());
      return;
    }
    if (!CompareHits(found->hits, query, filter, options.limit)) {
      return;
    }
    for (size_t i = 0; i < found->hits.size(); ++i) {
      if (!Near(found->hits[i].score, expected_[i].score)) {
        Add("exact search is out of order at rank " + std::to_string(i));
        return;
      }
    }
  }

  void CompareApproximate(const std::vector<float>& query, const ModelFilter& filter) {
    SearchOptions options;
    options.limit = kLimit;
    options.ef_search = kEf;
    options.nprobe = kNprobe;
    options.full_scan_threshold = 0;
    options.with_payload = true;
    options.explain = true;
    if (!filter.text.empty()) {
      options.filter.emplace(Filter::Parse(filter.text).value());
    }
    const Result<SearchResponse> found = collection_->Search(query, options);
    if (!found.ok()) {
      Add("search failed: " + found.status().ToString(), found.status().code());
      return;
    }
    CompareHits(found->hits, query, filter, options.limit);
    ++tally_->searches;
    for (const PlanStep& step : found->plan->steps) {
      const bool partial = !step.fallback && step.distances < step.rows;
      tally_->hnsw_walks += step.strategy == "hnsw" && partial ? 1U : 0U;
      tally_->ivf_probes += step.strategy == "ivf" && partial ? 1U : 0U;
      tally_->store_scans += step.strategy == "store scan" ? 1U : 0U;
    }
    const size_t wanted = std::min(options.limit, expected_.size());
    tally_->wanted += wanted;
    for (const Hit& hit : found->hits) {
      const double worst = wanted == 0 ? 0 : expected_[wanted - 1].score;
      tally_->found += hit.score <= worst || Near(hit.score, worst) ? 1U : 0U;
    }
  }

  Collection* const collection_;
  ReferenceModel model_{{Metric::kL2}};
  Rng rng_;
  SearchTally* const tally_;
  std::vector<ModelHit> expected_;
  std::vector<Disagreement> problems_;
};

}  // namespace

std::vector<Disagreement> CompareReads(Collection* collection, const CrashRecords& records,
                                       uint64_t seed, SearchTally* tally) {
  return ReadComparison(collection, records, seed, tally).Run();
}

std::vector<std::string> Disagreements(Database* database, Collection* collection,
                                       const CrashRecords& records, uint64_t seed,
                                       SearchTally* tally) {
  std::vector<std::string> problems;
  for (const Disagreement& problem : CompareReads(collection, records, seed, tally)) {
    problems.push_back(problem.what);
  }
  const Result<CheckReport> check = database->Check();
  if (!check.ok()) {
    problems.push_back("check failed: " + check.status().ToString());
    return problems;
  }
  for (const CheckProblem& problem : check->problems) {
    problems.push_back("check: " + problem.invariant + " " + problem.where + " " + problem.detail);
  }
  return problems;
}

void ExpectIndexesUsed(const SearchTally& tally) {
  std::printf("[ index ] %llu searches, %llu graph walks, %llu list probes, recall %.3f\n",
              static_cast<unsigned long long>(tally.searches),
              static_cast<unsigned long long>(tally.hnsw_walks),
              static_cast<unsigned long long>(tally.ivf_probes), tally.recall());
  EXPECT_GT(tally.hnsw_walks, 0U) << "no search walked a graph";
  EXPECT_GT(tally.ivf_probes, 0U) << "no search probed an inverted file";
  EXPECT_GE(tally.recall(), kCrashRecallFloor);
}

}  // namespace leadline::testing
