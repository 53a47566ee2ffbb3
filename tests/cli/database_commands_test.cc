#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "program_runner.h"
#include "temp_dir.h"

namespace leadline::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

/// A database with collection "c": 100 records of 4 dimensions, l2, record i at (i, 0, 0, 0) with
/// payload {"n": i, "parity": "even"|"odd"}.
class DatabaseCommands : public ::testing::Test {
 protected:
  void SetUp() override {
    db_ = dir_.file("db");
    ASSERT_EQ(Leadline({"create", db_, "c", "--dim", "4", "--metric", "l2"}).exit_code, 0);
    std::string lines;
    for (int i = 0; i < 100; ++i) {
      lines += Json({{"id", "r" + std::to_string(i)},
                     {"vector", {i, 0, 0, 0}},
                     {"payload", {{"n", i}}},
                     {"parity", i % 2 == 0 ? "even" : "odd"}})
                   .dump() +
               "\n";
    }
    WriteFile(dir_.file("rows.jsonl"), lines);
    const ProgramOutput ingest =
        Leadline({"ingest", db_, "c", dir_.file("rows.jsonl"), "--batch", "30", "--json"});
    ASSERT_EQ(ingest.exit_code, 0) << ingest.err;
  }

  [[nodiscard]] uint64_t Count(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = {"count", db_, "c", "--json"};
    words.insert(words.end(), more.begin(), more.end());
    return Leadline(words).OneJson()["count"].get<uint64_t>();
  }

  TempDir dir_;
  std::string db_;
};

std::vector<std::string> HitIds(const Json& line) {
  std::vector<std::string> ids;
  for (const Json& hit : line["hits"]) {
    ids.push_back(hit["id"].get<std::string>());
  }
  return ids;
}

TEST_F(DatabaseCommands, SearchReturnsTheContractsLine) {
  const ProgramOutput result =
      Leadline({"search", db_, "c", "--vector", "[10.2,0,0,0]", "-k", "3", "--explain", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json line = result.OneJson();
  EXPECT_THAT(HitIds(line), ElementsAre("r10", "r11", "r9"));
  EXPECT_NEAR(line["hits"][0]["score"].get<double>(), 0.04, 1e-4);
  EXPECT_EQ(line["hits"][0]["payload"]["n"], 10);
  EXPECT_EQ(line["hits"][0]["payload"]["parity"], "even");
  EXPECT_EQ(line["metric"], "l2");
  EXPECT_EQ(line["higher_is_better"], false);
  EXPECT_TRUE(line["took_us"].is_number_integer());
  EXPECT_EQ(line["query"], "0");
  ASSERT_EQ(line["plan"]["steps"].size(), 1U);
  EXPECT_EQ(line["plan"]["steps"][0]["codes"], "f32");
  EXPECT_EQ(line["plan"]["steps"][0]["rescored"], 0);
}

TEST_F(DatabaseCommands, TargetRecallIsGivenAndShown) {
  ASSERT_EQ(Leadline({"create", db_, "lists", "--dim", "4", "--metric", "l2", "--index", "ivf"})
                .exit_code,
            0);
  std::string rows;
  for (size_t i = 0; i < 3000; ++i) {
    rows += "{\"id\":\"r" + std::to_string(i) + "\",\"vector\":[" + std::to_string(i * 7 % 1009) +
            "," + std::to_string(i * 11 % 1013) + "," + std::to_string(i * 13 % 1019) + ",0]}\n";
  }
  WriteFile(dir_.file("lists.jsonl"), rows);
  ASSERT_EQ(Leadline({"ingest", db_, "lists", dir_.file("lists.jsonl")}).exit_code, 0);
  ASSERT_EQ(Leadline({"optimize", db_, "lists"}).exit_code, 0);
  const auto step = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words = {"search",          db_,         "lists", "--vector",
                                      "[500,500,500,0]", "--explain", "--json"};
    words.insert(words.end(), more.begin(), more.end());
    return Leadline(words).OneJson()["plan"]["steps"][0];
  };
  const Json low = step({"--target-recall", "0.5"});
  const Json high = step({"--target-recall", "0.98"});
  EXPECT_EQ(low["strategy"], "ivf") << low;
  EXPECT_LT(low["nprobe"], high["nprobe"]);
  EXPECT_GE(high["promised_recall"].get<double>(), 0.98 - 1e-6);
  EXPECT_FALSE(high.contains("target_missed"));
  EXPECT_EQ(step({"--target-recall", "0.98", "--nprobe", "3"})["nprobe"], 3);
  for (const char* wrong : {"1", "0.49", "nan", "x", ""}) {
    const ProgramOutput refused =
        Leadline({"search", db_, "lists", "--vector", "[0,0,0,0]", "--target-recall", wrong});
    EXPECT_EQ(refused.exit_code, 2);
    EXPECT_THAT(refused.err, HasSubstr("--target-recall"));
  }
  const Json stats = Leadline({"stats", db_, "lists", "--json"}).OneJson()["indexes"][0];
  EXPECT_GT(stats["lists"], 1);
  EXPECT_GT(stats["curve"].size(), 3U);
  EXPECT_GT(stats["curve"].back()["recall"].get<double>(), 0.98);
}

TEST_F(DatabaseCommands, EachCodeIsChosenAndShown) {
  for (const std::string codes : {"auto", "f32", "bf16", "sq8", "sq4", "pq4", "rabitq", "pca8"}) {
    const std::string built = codes == "auto" ? "f32" : codes;
    const std::string name = "c-" + codes;
    const Json created = Leadline({"create", db_, name, "--dim", "4", "--metric", "l2", "--index",
                                   "ivf", "--codes", codes, "--json"})
                             .OneJson();
    EXPECT_EQ(created["vectors"][0]["codes"], codes);
    ASSERT_EQ(Leadline({"ingest", db_, name, dir_.file("rows.jsonl")}).exit_code, 0);
    ASSERT_EQ(Leadline({"optimize", db_, name}).exit_code, 0);
    const Json stats = Leadline({"stats", db_, name, "--json"}).OneJson();
    ASSERT_EQ(stats["indexes"].size(), 1U) << stats;
    const Json& index = stats["indexes"][0];
    EXPECT_EQ(index["index"], "ivf");
    EXPECT_EQ(index["codes"], built);
    EXPECT_EQ(index["rows"], 100);
    EXPECT_EQ(index["vector_bytes"], 1600);
    EXPECT_EQ(index["code_bytes"] > 0, built != "f32");
    EXPECT_EQ(index.contains("axes"), built == "pca8") << index;
    EXPECT_EQ(index.value("axes", 0), 0) << "four dimensions are all needed";
  }
}

TEST_F(DatabaseCommands, AxesOfRowsAreShown) {
  std::string lines;
  for (int i = 0; i < 2200; ++i) {
    std::vector<double> vector(40);
    for (int direction = 1; direction < 6; ++direction) {
      const double length = std::sin(0.7 * i * (i + direction));
      for (int d = 0; d < 40; ++d) {
        vector[d] += length * std::sin(direction * d);
      }
    }
    lines += Json({{"id", "r" + std::to_string(i)}, {"vector", vector}}).dump() + "\n";
  }
  WriteFile(dir_.file("flat.jsonl"), lines);
  ASSERT_EQ(Leadline({"create", db_, "p", "--dim", "40", "--metric", "l2", "--index", "ivf",
                      "--codes", "pca8"})
                .exit_code,
            0);
  ASSERT_EQ(Leadline({"ingest", db_, "p", dir_.file("flat.jsonl")}).exit_code, 0);
  ASSERT_EQ(Leadline({"optimize", db_, "p"}).exit_code, 0);
  const Json stats = Leadline({"stats", db_, "p", "--json"}).OneJson();
  EXPECT_EQ(stats["indexes"][0]["axes"], 24) << stats;
  EXPECT_THAT(Leadline({"stats", db_, "p"}).out, HasSubstr("\"axes\":24"));
}

TEST_F(DatabaseCommands, CodesAreAltered) {
  const ProgramOutput altered =
      Leadline({"alter", db_, "c", "--index", "hnsw", "--codes", "sq8", "--json"});
  ASSERT_EQ(altered.exit_code, 0) << altered.err;
  EXPECT_EQ(altered.OneJson()["vectors"][0]["codes"], "sq8");
  ASSERT_EQ(Leadline({"optimize", db_, "c"}).exit_code, 0);
  EXPECT_EQ(Leadline({"stats", db_, "c", "--json"}).OneJson()["indexes"][0]["codes"], "sq8");
  const ProgramOutput refused = Leadline({"alter", db_, "c", "--codes", "pq4"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr("index=hnsw field=codes value=pq4 limit=auto|f32"));
}

TEST_F(DatabaseCommands, SearchTakesFilterFieldsIdAndQueryFiles) {
  const Json filtered =
      Leadline({"search", db_, "c", "--vector", "[10.2,0,0,0]", "-k", "2", "--filter",
                "parity = 'odd' AND n > 11", "--exact", "--fields", "n", "--json"})
          .OneJson();
  EXPECT_THAT(HitIds(filtered), ElementsAre("r13", "r15"));
  EXPECT_EQ(filtered["hits"][0]["payload"], Json({{"n", 13}}));

  const Json by_id = Leadline({"search", db_, "c", "--id", "r50", "-k", "2", "--json"}).OneJson();
  EXPECT_EQ(by_id["query"], "r50");
  EXPECT_THAT(HitIds(by_id), ElementsAre("r49", "r51"));

  WriteFile(dir_.file("q.jsonl"),
            "{\"id\":\"a\",\"vector\":[1,0,0,0]}\n"
            "{\"id\":\"b\",\"vector\":[2,0,0,0],\"filter\":\"n > 50\"}\n");
  const std::vector<Json> lines =
      Leadline({"search", db_, "c", "--queries", dir_.file("q.jsonl"), "-k", "1", "--json"})
          .JsonLines();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0]["query"], "a");
  EXPECT_THAT(HitIds(lines[0]), ElementsAre("r1"));
  EXPECT_THAT(HitIds(lines[1]), ElementsAre("r51"));
}

TEST_F(DatabaseCommands, SearchRefusesWhatDoesNotFit) {
  const ProgramOutput size = Leadline({"search", db_, "c", "--vector", "[1,2]"});
  EXPECT_EQ(size.exit_code, 2);
  EXPECT_THAT(size.err, HasSubstr("4"));
  EXPECT_EQ(Leadline({"search", db_, "c", "--text", "words"}).exit_code, 2)
      << "a collection without an embedder cannot search text";
  EXPECT_EQ(Leadline({"search", db_, "c", "--id", "nobody"}).exit_code, 2);
  EXPECT_EQ(Leadline({"search", db_, "nothing", "--vector", "[1,2,3,4]"}).exit_code, 2);
}

TEST_F(DatabaseCommands, AQueryThatCannotBeSearchedStopsBeforeTheFirstOrIsLeftOut) {
  struct Case {
    std::string bad;
    std::string expected;
  };

  for (const Case& wrong : std::vector<Case>{
           {"{\"id\":\"b\",\"vector\":[1,2]}", "wrong vector size: field=vector value=2 limit=4"},
           {"{\"id\":\"b\",\"vector\":[1,0,0,0],\"filter\":\"n >\"}", "filter"}}) {
    WriteFile(dir_.file("q.jsonl"), "{\"id\":\"a\",\"vector\":[1,0,0,0]}\n" + wrong.bad +
                                        "\n{\"id\":\"c\",\"vector\":[3,0,0,0]}\n");
    std::vector<std::string> words = {"search", db_, "c",     "--queries", dir_.file("q.jsonl"),
                                      "-k",     "1", "--json"};
    const ProgramOutput stop = Leadline(words);
    EXPECT_EQ(stop.exit_code, 2);
    EXPECT_EQ(stop.out, "") << "nothing is printed of a file with a bad query";
    EXPECT_THAT(stop.err, HasSubstr("query b: "));
    EXPECT_THAT(stop.err, HasSubstr(wrong.expected));
    EXPECT_THAT(stop.err, HasSubstr("--on-error skip"));
    words.insert(words.end(), {"--on-error", "skip"});
    const ProgramOutput skip = Leadline(words);
    EXPECT_EQ(skip.exit_code, 0) << skip.err;
    const std::vector<Json> lines = skip.JsonLines();
    ASSERT_EQ(lines.size(), 3U) << "every query has its line";
    EXPECT_EQ(lines[1]["query"], "b");
    EXPECT_EQ(lines[1]["error"]["code"], "INVALID_ARGUMENT");
    EXPECT_THAT(lines[1]["error"]["message"].get<std::string>(), HasSubstr(wrong.expected));
    EXPECT_THAT(HitIds(lines[2]), ElementsAre("r3"));
    EXPECT_THAT(skip.err, HasSubstr("skipped 1 of 3 queries: b"));
  }
}

TEST_F(DatabaseCommands, SearchErrorsNameTheirQueryOnce) {
  ASSERT_EQ(Leadline({"create", db_, "cos", "--dim", "2", "--metric", "cosine"}).exit_code, 0);
  const ProgramOutput one = Leadline({"search", db_, "cos", "--vector", "[0,0]"});
  EXPECT_EQ(one.exit_code, 2);
  EXPECT_THAT(one.err, HasSubstr("a zero vector has no cosine"));
  EXPECT_THAT(one.err, Not(HasSubstr("query 0")));
  EXPECT_THAT(one.err, Not(HasSubstr("--on-error")));
  WriteFile(dir_.file("q.jsonl"), "{\"vector\":[0,0]}\n");
  const ProgramOutput file = Leadline({"search", db_, "cos", "--queries", dir_.file("q.jsonl")});
  EXPECT_THAT(file.err, HasSubstr("query 0: a zero vector"));
}

TEST_F(DatabaseCommands, SignalStopsSearchingAFile) {
  std::string queries;
  for (int i = 0; i < 200'000; ++i) {
    queries += "{\"vector\":[" + std::to_string(i) + ",0,0,0]}\n";
  }
  WriteFile(dir_.file("q.jsonl"), queries);
  RunningProgram searching({"search", db_, "c", "--queries", dir_.file("q.jsonl"), "--json"});
  std::string line;
  ASSERT_TRUE(searching.ReadLine(&line));
  searching.Signal(SIGINT);
  const ProgramOutput stopped = searching.Wait();
  EXPECT_EQ(stopped.exit_code, 130);
  EXPECT_EQ(stopped.err, "leadline: stopped by a signal\n");
}

TEST_F(DatabaseCommands, CreateSaysWhereNothingEmbedsTheTexts) {
  const std::vector<std::string> plain = {"create",   db_,  "t",      "--dim", "4",
                                          "--metric", "l2", "--text", "title"};
  const ProgramOutput noted = Leadline(plain);
  EXPECT_EQ(noted.exit_code, 0);
  EXPECT_THAT(noted.err, HasSubstr("nothing embeds them"));
  EXPECT_EQ(Leadline({"create", db_, "e", "--embedder", "static", "--text", "title"}).err, "");
}

TEST_F(DatabaseCommands, GetPrintsRecordsAndNamesTheMissing) {
  const std::vector<Json> lines = Leadline({"get", db_, "c", "r7", "r3", "--json"}).JsonLines();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0]["id"], "r7");
  EXPECT_EQ(lines[0]["vector"], Json({7, 0, 0, 0}));
  EXPECT_EQ(lines[1]["payload"]["n"], 3);
  const ProgramOutput missing = Leadline({"get", db_, "c", "r7", "nobody", "--json"});
  EXPECT_EQ(missing.exit_code, 2);
  EXPECT_EQ(missing.JsonLines().size(), 1U);
  EXPECT_THAT(missing.err, HasSubstr("nobody"));
}

TEST_F(DatabaseCommands, DeleteTakesIdsOrAFilter) {
  const Json by_id = Leadline({"delete", db_, "c", "r1", "r2", "nobody", "--json"}).OneJson();
  EXPECT_EQ(by_id["deleted"], 2);
  EXPECT_GT(by_id["sequence"].get<uint64_t>(), 0U);
  EXPECT_EQ(Leadline({"delete", db_, "c", "--filter", "n >= 90", "--json"}).OneJson()["deleted"],
            10);
  EXPECT_EQ(Count(), 88U);
  EXPECT_EQ(Count({"--filter", "n < 5"}), 3U);
  EXPECT_EQ(Leadline({"get", db_, "c", "r1"}).exit_code, 2);
}

TEST_F(DatabaseCommands, IdsInBracketsAreTakenAsTheyAre) {
  WriteFile(dir_.file("odd.jsonl"),
            "{\"id\":\"[r1]\",\"vector\":[1,1,1,1]}\n{\"id\":\"[r1,r2]\",\"vector\":[1,1,1,2]}\n"
            "{\"id\":\"[]\",\"vector\":[1,1,1,3]}\n{\"id\":\"%%\",\"vector\":[1,1,1,4]}\n");
  ASSERT_EQ(Leadline({"ingest", db_, "c", dir_.file("odd.jsonl")}).exit_code, 0);
  const std::vector<std::string> ids = {"[r1]", "[r1,r2]", "[]", "%%"};
  for (const bool after_dashes : {false, true}) {
    std::vector<std::string> words = {"get", db_, "c", "--json"};
    if (after_dashes) {
      words.emplace_back("--");
    }
    words.insert(words.end(), ids.begin(), ids.end());
    const std::vector<Json> lines = Leadline(words).JsonLines();
    ASSERT_EQ(lines.size(), 4U);
    for (size_t i = 0; i < ids.size(); ++i) {
      EXPECT_EQ(lines[i]["id"], ids[i]);
    }
  }
  EXPECT_EQ(Leadline({"delete", db_, "c", "[r1]", "--json"}).OneJson()["deleted"], 1);
  EXPECT_EQ(Leadline({"delete", db_, "c", "--json", "--", "[r1,r2]", "[]"}).OneJson()["deleted"],
            2);
  EXPECT_EQ(Leadline({"get", db_, "c", "r1", "r2"}).exit_code, 0) << "other records are untouched";
  EXPECT_EQ(Leadline({"get", db_, "c", "[r1]"}).exit_code, 2);
}

TEST_F(DatabaseCommands, ScrollPrintsEveryRecordInOrderAndGoesOn) {
  const std::vector<Json> all =
      Leadline({"scroll", db_, "c", "--with-vectors", "--json"}).JsonLines();
  ASSERT_EQ(all.size(), 100U);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(all[static_cast<size_t>(i)]["id"], "r" + std::to_string(i));
  }
  EXPECT_EQ(all[5]["vector"], Json({5, 0, 0, 0}));
  const ProgramOutput first = Leadline({"scroll", db_, "c", "--limit", "60", "--json"});
  EXPECT_EQ(first.JsonLines().size(), 60U);
  const size_t at = first.err.find("--cursor ");
  ASSERT_NE(at, std::string::npos) << first.err;
  std::string cursor = first.err.substr(at + 9);
  cursor.erase(cursor.find_last_not_of('\n') + 1);
  const std::vector<Json> rest =
      Leadline({"scroll", db_, "c", "--cursor", cursor, "--json"}).JsonLines();
  ASSERT_EQ(rest.size(), 40U);
  EXPECT_EQ(rest[0]["id"], "r60");
  EXPECT_EQ(
      Leadline({"scroll", db_, "c", "--filter", "parity = 'odd'", "--json"}).JsonLines().size(),
      50U);
}

TEST_F(DatabaseCommands, ScrollOutputCanBeIngestedAgain) {
  WriteFile(dir_.file("copy.jsonl"),
            Leadline({"scroll", db_, "c", "--with-vectors", "--json"}).out);
  ASSERT_EQ(Leadline({"create", db_, "copy", "--dim", "4", "--metric", "l2"}).exit_code, 0);
  ASSERT_EQ(Leadline({"ingest", db_, "copy", dir_.file("copy.jsonl")}).exit_code, 0);
  EXPECT_EQ(Leadline({"scroll", db_, "copy", "--with-vectors", "--json"}).out,
            ReadFile(dir_.file("copy.jsonl")));
}

TEST_F(DatabaseCommands, ExpiryTimesSurviveScrollAndIngest) {
  WriteFile(dir_.file("mortal.jsonl"),
            "{\"id\":\"late\",\"vector\":[1,1,1,1],\"expires_at_ms\":4102444800000}\n"
            "{\"id\":\"gone\",\"vector\":[1,1,1,1],\"expires_at_ms\":1000}\n");
  ASSERT_EQ(Leadline({"create", db_, "mortal", "--dim", "4", "--metric", "l2"}).exit_code, 0);
  ASSERT_EQ(Leadline({"ingest", db_, "mortal", dir_.file("mortal.jsonl")}).exit_code, 0);
  const ProgramOutput scroll = Leadline({"scroll", db_, "mortal", "--with-vectors", "--json"});
  EXPECT_EQ(scroll.OneJson()["id"], "late");
  EXPECT_EQ(scroll.OneJson()["expires_at_ms"], 4102444800000);
  EXPECT_TRUE(scroll.OneJson()["payload"].empty());
  WriteFile(dir_.file("again.jsonl"), scroll.out);
  ASSERT_EQ(Leadline({"create", db_, "again", "--dim", "4", "--metric", "l2"}).exit_code, 0);
  ASSERT_EQ(Leadline({"ingest", db_, "again", dir_.file("again.jsonl")}).exit_code, 0);
  EXPECT_EQ(Leadline({"scroll", db_, "again", "--with-vectors", "--json"}).out, scroll.out);
}

TEST_F(DatabaseCommands, SignalStopsDeletingByFilterBetweenBatches) {
  std::string rows;
  for (int i = 0; i < 60'000; ++i) {
    rows += "{\"id\":\"m" + std::to_string(i) + "\",\"vector\":[1,2,3,4],\"m\":1}\n";
  }
  WriteFile(dir_.file("many.jsonl"), rows);
  // The signal must come after the program listens and before it is done: look for that moment.
  ProgramOutput stopped;
  useconds_t delay = 400'000;
  for (int attempt = 0; attempt < 8; ++attempt) {
    ASSERT_EQ(Leadline({"ingest", db_, "c", dir_.file("many.jsonl"), "--batch", "20000",
                        "--durability", "os"})
                  .exit_code,
              0);
    RunningProgram deleting({"delete", db_, "c", "--filter", "m = 1"});
    ::usleep(delay);
    deleting.Signal(SIGINT);
    stopped = deleting.Wait();
    if (stopped.err.find("deleted=") != std::string::npos) {
      break;
    }
    delay = stopped.exit_code == 0 ? delay / 2 : delay * 2;
  }
  EXPECT_EQ(stopped.exit_code, 130) << stopped.out;
  const uint64_t left = Count();
  EXPECT_GT(left, 100U);
  EXPECT_THAT(stopped.err, HasSubstr("deleted=" + std::to_string(60'100 - left)));
  EXPECT_EQ(Leadline({"delete", db_, "c", "--filter", "m = 1", "--json"}).OneJson()["deleted"],
            left - 100);
  EXPECT_EQ(Leadline({"check", db_}).exit_code, 0);
}

/// Runs the program until a signal ends it in the middle of its work; `prepare` comes before each
/// run.
ProgramOutput StopInTheMiddle(const std::vector<std::string>& words,
                              const std::function<void()>& prepare) {
  prepare();
  const auto started = std::chrono::steady_clock::now();
  EXPECT_EQ(Leadline(words).exit_code, 0);
  const auto whole = std::chrono::steady_clock::now() - started;
  ProgramOutput stopped;
  // The signal must come after the program listens and before it is done: look for that moment.
  for (const int percent : {50, 30, 70, 40, 60, 20, 80, 50, 30, 70}) {
    prepare();
    RunningProgram running(words);
    std::this_thread::sleep_for(whole * percent / 100);
    running.Signal(SIGINT);
    stopped = running.Wait();
    if (stopped.err.find("stopped by a signal: ") != std::string::npos) {
      break;
    }
  }
  EXPECT_EQ(stopped.exit_code, 130) << stopped.out << stopped.err;
  EXPECT_THAT(stopped.err, HasSubstr("stopped by a signal: "));
  EXPECT_TRUE(stopped.out.empty()) << stopped.out;
  return stopped;
}

TEST_F(DatabaseCommands, SignalStopsCheckBackupRestoreAndRepair) {
  std::string rows;
  for (int i = 0; i < 60'000; ++i) {
    rows += "{\"id\":\"m" + std::to_string(i) + "\",\"vector\":[1,2,3,4],\"m\":1}\n";
  }
  WriteFile(dir_.file("many.jsonl"), rows);
  ASSERT_EQ(Leadline({"ingest", db_, "c", dir_.file("many.jsonl"), "--batch", "20000"}).exit_code,
            0);
  ASSERT_EQ(Leadline({"optimize", db_}).exit_code, 0);
  const auto nothing_of = [](const std::string& directory) {
    EXPECT_FALSE(std::filesystem::exists(directory));
    EXPECT_FALSE(std::filesystem::exists(directory + ".partial"));
  };
  StopInTheMiddle({"check", db_}, [] {});
  const std::string to = dir_.file("to");
  StopInTheMiddle({"backup", db_, to}, [&] { std::filesystem::remove_all(to); });
  nothing_of(to);
  const std::string backup = dir_.file("backup");
  ASSERT_EQ(Leadline({"backup", db_, backup}).exit_code, 0);
  StopInTheMiddle({"restore", backup, to}, [&] { std::filesystem::remove_all(to); });
  nothing_of(to);
  StopInTheMiddle({"repair", db_}, [&] { std::filesystem::remove_all(db_ + "/segments"); });
  EXPECT_EQ(Leadline({"repair", db_}).exit_code, 0);
  EXPECT_EQ(Leadline({"check", db_}).exit_code, 0);
  EXPECT_EQ(Count(), 60'100U);
}

TEST_F(DatabaseCommands, ListStatsAndDropSpeakOfCollections) {
  ASSERT_EQ(
      Leadline({"create", db_, "two", "--dim", "8", "--metric", "ip", "--index", "flat"}).exit_code,
      0);
  EXPECT_EQ(Leadline({"create", db_, "two", "--dim", "8", "--metric", "ip"}).exit_code, 2);
  const std::vector<Json> list = Leadline({"list", db_, "--json"}).JsonLines();
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[0]["name"], "c");
  EXPECT_EQ(list[0]["rows"], 100);
  EXPECT_EQ(list[1]["vectors"][0]["metric"], "ip");
  EXPECT_EQ(Leadline({"stats", db_, "--json"}).OneJson()["collections"], 2);
  EXPECT_EQ(Leadline({"stats", db_, "c", "--json"}).OneJson()["rows"], 100);
  EXPECT_EQ(Leadline({"drop", db_, "two"}).exit_code, 0);
  EXPECT_EQ(Leadline({"drop", db_, "two"}).exit_code, 2);
  EXPECT_EQ(Leadline({"list", db_, "--json"}).JsonLines().size(), 1U);
}

TEST_F(DatabaseCommands, AlterChangesTheIndexAndNothingElse) {
  ASSERT_EQ(Leadline({"optimize", db_, "c"}).exit_code, 0);
  const std::string before = Leadline({"scroll", db_, "c", "--with-vectors", "--json"}).out;
  Json expected = Leadline({"list", db_, "--json"}).OneJson()["vectors"];
  const ProgramOutput altered =
      Leadline({"alter", db_, "c", "--index", "hnsw", "--M", "8", "--json"});
  EXPECT_EQ(altered.exit_code, 0) << altered.err;
  expected[0]["index"] = "hnsw";
  expected[0]["M"] = 8;
  EXPECT_EQ(altered.OneJson()["vectors"], expected);
  EXPECT_EQ(Leadline({"list", db_, "--json"}).OneJson()["vectors"], expected);
  ASSERT_EQ(Leadline({"optimize", db_, "c"}).exit_code, 0);
  EXPECT_EQ(Leadline({"check", db_}).exit_code, 0);
  EXPECT_EQ(Leadline({"scroll", db_, "c", "--with-vectors", "--json"}).out, before);
  EXPECT_EQ(Leadline({"alter", db_, "c"}).exit_code, 2);
  EXPECT_EQ(Leadline({"alter", db_, "c", "--M", "1"}).exit_code, 2);
  EXPECT_EQ(Leadline({"alter", db_, "c", "--vector-field", "none", "--M", "8"}).exit_code, 2);
  EXPECT_EQ(Leadline({"list", db_, "--json"}).OneJson()["vectors"], expected);
}

TEST_F(DatabaseCommands, ADamagedCollectionIsNamedBesideTheOthers) {
  ASSERT_EQ(Leadline({"create", db_, "two", "--dim", "8", "--metric", "ip"}).exit_code, 0);
  const std::string copy = dir_.file("copy");
  size_t named = 0;
  for (const auto& file : std::filesystem::directory_iterator(db_ + "/store")) {
    if (file.path().extension() != ".sst") {
      continue;
    }
    SCOPED_TRACE(file.path());
    std::filesystem::remove_all(copy);
    std::filesystem::copy(db_, copy, std::filesystem::copy_options::recursive);
    std::fstream bytes(copy + "/store/" + file.path().filename().string(),
                       std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekp(20).put('X');
    bytes.close();
    const ProgramOutput list = Leadline({"list", copy, "--json"});
    if (list.err.find("collection c is damaged") == std::string::npos) {
      continue;
    }
    ++named;
    EXPECT_EQ(list.exit_code, 4);
    EXPECT_EQ(list.OneJson()["name"], "two");
    const Json stats = Leadline({"stats", copy, "--json"}).OneJson();
    EXPECT_EQ(stats["damaged_collections"], Json({"c"}));
    EXPECT_EQ(stats["collections"], 2);
    const ProgramOutput optimize = Leadline({"optimize", copy, "--json"});
    EXPECT_EQ(optimize.exit_code, 4);
    EXPECT_EQ(optimize.OneJson()["collection"], "two");
    EXPECT_EQ(Leadline({"search", copy, "c", "--id", "r1"}).exit_code, 4);
  }
  EXPECT_GE(named, 1U);
}

TEST_F(DatabaseCommands, OptimizeSealsEveryRow) {
  const ProgramOutput optimize = Leadline({"optimize", db_, "--json"});
  ASSERT_EQ(optimize.exit_code, 0) << optimize.err;
  EXPECT_EQ(optimize.OneJson()["segment_rows"], 100);
  const Json stats = Leadline({"stats", db_, "c", "--json"}).OneJson();
  EXPECT_EQ(stats["tail_rows"], 0);
  EXPECT_EQ(stats["segment_rows"], 100);
  const Json line =
      Leadline({"search", db_, "c", "--vector", "[42,0,0,0]", "-k", "1", "--json"}).OneJson();
  EXPECT_THAT(HitIds(line), ElementsAre("r42"));
}

TEST_F(DatabaseCommands, CheckSaysOkAndFindsDamage) {
  ASSERT_EQ(Leadline({"optimize", db_}).exit_code, 0);
  ASSERT_EQ(Leadline({"eval", "score", "x", "y"}).exit_code, 2);
  const ProgramOutput good = Leadline({"check", db_, "--json"});
  EXPECT_EQ(good.exit_code, 0) << good.out << good.err;
  EXPECT_EQ(good.OneJson()["ok"], true);
  EXPECT_EQ(good.OneJson()["rows"], 100);
  EXPECT_TRUE(good.OneJson()["problems"].empty());
  const std::string flip =
      "f=$(find " + db_ +
      " -name '*.seg*' | head -1); test -n \"$f\" && "
      "printf 'XXXXXXXX' | dd of=\"$f\" bs=1 seek=600 conv=notrunc 2>/dev/null";
  ASSERT_EQ(std::system(flip.c_str()), 0);
  const ProgramOutput bad = Leadline({"check", db_, "--json"});
  EXPECT_EQ(bad.exit_code, 1) << bad.out << bad.err;
  EXPECT_EQ(bad.OneJson()["ok"], false);
  ASSERT_FALSE(bad.OneJson()["problems"].empty());
  for (const char* field : {"invariant", "where", "detail"}) {
    EXPECT_TRUE(bad.OneJson()["problems"][0].contains(field));
  }
  const ProgramOutput repair = Leadline({"repair", db_, "--json"});
  EXPECT_EQ(repair.exit_code, 0) << repair.err;
  EXPECT_EQ(repair.OneJson()["lost_data"], false);
  EXPECT_EQ(repair.OneJson()["sound"], true);
  EXPECT_EQ(Leadline({"check", db_}).exit_code, 0);
  EXPECT_EQ(Count(), 100U);
}

TEST_F(DatabaseCommands, RepairSaysWhereItCutTheLog) {
  // What a killed process leaves: the log holds the writes. A bit in the middle of it is flipped.
  ASSERT_EQ(Leadline({"create", dir_.file("live"), "c", "--dim", "4", "--metric", "l2"}).exit_code,
            0);
  std::string rows;
  for (int i = 0; i < 50'000; ++i) {
    rows += "{\"id\":\"m" + std::to_string(i) + "\",\"vector\":[1,2,3,4]}\n";
  }
  WriteFile(dir_.file("many.jsonl"), rows);
  RunningProgram writer(
      {"ingest", dir_.file("live"), "c", dir_.file("many.jsonl"), "--batch", "100", "--json"});
  std::string line;
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(writer.ReadLine(&line));
  }
  writer.Signal(SIGKILL);
  writer.Wait();
  std::filesystem::path log;
  for (const auto& file : std::filesystem::directory_iterator(dir_.file("live") + "/store")) {
    if (file.path().extension() == ".log" && file.file_size() > 0) {
      log = file.path();
    }
  }
  ASSERT_FALSE(log.empty());
  const uint64_t bytes = std::filesystem::file_size(log);
  std::string damaged = ReadFile(log);
  damaged[bytes / 2] = static_cast<char>(damaged[bytes / 2] ^ 1);
  WriteFile(log, damaged);
  const ProgramOutput unasked = Leadline({"repair", dir_.file("live"), "--json"});
  EXPECT_EQ(unasked.exit_code, 1) << "nothing is given up unasked";
  EXPECT_EQ(unasked.OneJson()["sound"], false);
  EXPECT_THAT(unasked.OneJson()["error"].get<std::string>(), HasSubstr("log"));
  const ProgramOutput repair = Leadline({"repair", dir_.file("live"), "--accept-loss", "--json"});
  ASSERT_EQ(repair.exit_code, 0) << repair.out << repair.err;
  const Json report = repair.OneJson();
  EXPECT_EQ(report["lost_data"], true);
  EXPECT_EQ(report["log_loss"]["path"], log.string());
  EXPECT_LE(report["log_loss"]["offset"], bytes / 2);
  EXPECT_EQ(report["log_loss"]["offset"].get<uint64_t>() +
                report["log_loss"]["dropped_bytes"].get<uint64_t>(),
            bytes);
  EXPECT_THAT(report["actions"].dump(), HasSubstr("cut the log: path=" + log.string()));
  const Json left = Leadline({"count", dir_.file("live"), "c", "--json"}).OneJson();
  EXPECT_EQ(report["log_loss"]["last_sequence"].get<uint64_t>(),
            left["count"].get<uint64_t>() / 100)
      << "each write brought 100 rows";
}

TEST_F(DatabaseCommands, RepairSaysNoWhenSomethingCouldNotBeJudged) {
  ASSERT_EQ(Leadline({"optimize", db_}).exit_code, 0);
  const std::filesystem::path segment =
      std::filesystem::directory_iterator(db_ + "/segments")->path();
  const std::string kept = dir_.file("kept");
  std::filesystem::rename(segment, kept);
  std::filesystem::create_symlink(segment.filename(), segment);  // to itself: opening it fails
  const ProgramOutput repair = Leadline({"repair", db_, "--json"});
  EXPECT_EQ(repair.exit_code, 1) << repair.err;
  EXPECT_EQ(repair.OneJson()["sound"], false);
  EXPECT_THAT(Leadline({"repair", db_}).out, HasSubstr("not decided: "));
  std::filesystem::remove(segment);
  std::filesystem::rename(kept, segment);
  EXPECT_EQ(Leadline({"check", db_}).exit_code, 0);
  EXPECT_EQ(Leadline({"repair", db_}).exit_code, 0);
}

TEST_F(DatabaseCommands, BackupRestoresToAnEqualDatabase) {
  const std::string backup = dir_.file("backup");
  const std::string restored = dir_.file("restored");
  ASSERT_EQ(Leadline({"backup", db_, backup}).exit_code, 0);
  EXPECT_EQ(Leadline({"backup", db_, backup}).exit_code, 2) << "the directory is there";
  ASSERT_EQ(Leadline({"restore", backup, restored}).exit_code, 0);
  EXPECT_EQ(Leadline({"scroll", restored, "c", "--with-vectors", "--json"}).out,
            Leadline({"scroll", db_, "c", "--with-vectors", "--json"}).out);
  EXPECT_EQ(Leadline({"check", restored}).exit_code, 0);
  EXPECT_THAT(Leadline({"backup", "--help"}).out, HasSubstr("eval run --save"));
  const ProgramOutput inside = Leadline({"backup", db_, db_ + "/segments/copy"});
  EXPECT_EQ(inside.exit_code, 2);
  EXPECT_THAT(inside.err, HasSubstr("inside its database"));
}

TEST_F(DatabaseCommands, TablesShowVectorsWhereTheyAreAskedFor) {
  EXPECT_THAT(Leadline({"get", db_, "c", "r7"}).out, HasSubstr("[7.0,0.0,0.0,0.0]"));
  EXPECT_THAT(Leadline({"get", db_, "c", "r7", "--without-vectors"}).out, Not(HasSubstr("[7")));
  EXPECT_THAT(Leadline({"scroll", db_, "c", "--with-vectors"}).out, HasSubstr("[7.0,0.0,0.0,0.0]"));
  EXPECT_THAT(Leadline({"scroll", db_, "c"}).out, Not(HasSubstr("[7")));
  const std::vector<std::string> search = {"search", db_, "c", "--id", "r6", "-k", "1"};
  EXPECT_THAT(Leadline(search).out, Not(HasSubstr("[5")));
  std::vector<std::string> with_vectors = search;
  with_vectors.emplace_back("--with-vectors");
  EXPECT_THAT(Leadline(with_vectors).out, HasSubstr("[5.0,0.0,0.0,0.0]"));
}

TEST_F(DatabaseCommands, TablesNeverShowControlCharacters) {
  WriteFile(dir_.file("evil.jsonl"),
            "{\"id\":\"evil\\u001b[31m\",\"vector\":[1,0,0,0],\"t\":\"\\u0007bell\"}\n");
  ASSERT_EQ(Leadline({"ingest", db_, "c", dir_.file("evil.jsonl")}).exit_code, 0);
  const ProgramOutput table = Leadline({"search", db_, "c", "--vector", "[1,0,0,0]"});
  EXPECT_THAT(table.out, HasSubstr("evil?[31m"));
  EXPECT_EQ(table.out.find('\x1b'), std::string::npos);
  EXPECT_EQ(table.out.find('\x07'), std::string::npos);
}

TEST(DatabaseExitCodes, MissingDatabaseIsInvalidInput) {
  const TempDir dir;
  for (const char* command : {"list", "stats", "check"}) {
    const ProgramOutput result = Leadline({command, dir.file("absent")});
    EXPECT_EQ(result.exit_code, 2) << command;
    EXPECT_THAT(result.err, HasSubstr("absent"));
  }
}

}  // namespace
}  // namespace leadline::testing
