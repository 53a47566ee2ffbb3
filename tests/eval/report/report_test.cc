#include "leadline/eval/report.h"

#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace leadline::eval {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kHostile =
    "</script><script>alert(1)</script><img src=x onerror=\"alert('2')\">&amp;\x01\xFF\xE2\x80\xA8";

ReportQuery MakeQuery(const std::string& id, std::optional<double> value) {
  ReportQuery query;
  query.id = id;
  query.text = "text of " + id;
  query.values = {value};
  return query;
}

ReportInput SmallInput() {
  ReportInput input;
  input.title = "scifact, dense, k = 100";
  input.measures = {{"ndcg_cut_10", 0.6421, "", ReportInterval{0.60, 0.69}, 300, 300},
                    {"recall_100", 0.91, "", ReportInterval{0.88, 0.94}, 300, 300},
                    {"judged_10", std::nullopt, "nothing_returned", std::nullopt, 0, 300}};
  input.query_measures = {"ndcg_cut_10"};
  input.queries = {MakeQuery("good", 1.0), MakeQuery("bad", 0.0), MakeQuery("middle", 0.5),
                   MakeQuery("undefined", std::nullopt)};
  input.latency.buckets = {{100, 200, 3}, {200, 400, 9}, {400, 800, 2}};
  input.latency.percentiles_us = {{"p50", 250}, {"p95", 500}, {"p99", 700}};
  input.ann = {{"ef_search 16", 0.93, 120, 300, 7000}, {"ef_search 64", 0.99, 260, 500, 3500}};
  input.counts = {{"judged queries", "300"}};
  input.pins = {{"hash", "00ff"}};
  input.run_json = R"({"a":1})";
  return input;
}

size_t CountOf(const std::string& text, const std::string& what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) {
    ++count;
  }
  return count;
}

TEST(Report, ShowsTheWorstQueryFirstAndUndefinedBeforeIt) {
  const std::string page = RenderReport(SmallInput());
  const size_t undefined = page.find("text of undefined");
  const size_t bad = page.find("text of bad");
  const size_t middle = page.find("text of middle");
  const size_t good = page.find("text of good");
  EXPECT_LT(undefined, bad);
  EXPECT_LT(bad, middle);
  EXPECT_LT(middle, good);
  EXPECT_NE(good, std::string::npos);
}

TEST(Report, WorstIsHighestWhereLowerIsBetter) {
  ReportInput input = SmallInput();
  input.higher_is_better = false;
  const std::string page = RenderReport(input);
  EXPECT_LT(page.find("text of undefined"), page.find("text of good"));
  EXPECT_LT(page.find("text of good"), page.find("text of middle"));
  EXPECT_LT(page.find("text of middle"), page.find("text of bad"));
}

TEST(Report, UndefinedRecallIsInTheTableAndNotInThePlot) {
  ReportInput input = SmallInput();
  const size_t before = CountOf(RenderReport(input), "<circle");
  input.ann.push_back({"ef_search 256", std::nullopt, 500, 900, 100});
  const std::string page = RenderReport(input);
  EXPECT_EQ(CountOf(page, "<circle"), before);
  EXPECT_THAT(page, HasSubstr("<td>ef_search 256</td><td class=\"number\">undefined</td>"));
  input.ann = {{"only", std::nullopt, 500, 900, 100}};
  EXPECT_THAT(RenderReport(input), Not(HasSubstr("recall against median latency")));
}

TEST(Report, MarksAP99OfFewSamples) {
  ReportInput input = SmallInput();
  EXPECT_THAT(RenderReport(input), Not(HasSubstr("(n&lt;1000)")));
  EXPECT_THAT(RenderReport(input), Not(HasSubstr("(n<1000)")));
  input.latency.p99_reliable = false;
  const std::string page = RenderReport(input);
  EXPECT_EQ(CountOf(page, "~700"), 2U) << "tile and plot";
  EXPECT_EQ(CountOf(page, "(n&lt;1000)"), 1U);
  input.ann[0].p99_reliable = false;
  EXPECT_THAT(RenderReport(input), HasSubstr(">~300"));
  EXPECT_EQ(CountOf(RenderReport(input), "(n&lt;1000)"), 2U);
}

TEST(Report, DrawsNoWhiskersWhereThereIsNoInterval) {
  ReportInput input = SmallInput();
  input.measures = {{"gm_map", 0.3, "", std::nullopt, 300, 300}};
  const std::string page = RenderReport(input);
  EXPECT_EQ(CountOf(page, "class=\"whisker\""), 0U);
  EXPECT_THAT(page, HasSubstr("gm_map is no mean over queries"));
}

TEST(Report, SaysThatAQueryWasNotRun) {
  ReportInput input = SmallInput();
  input.queries[0].text.clear();
  input.queries[0].missing = true;
  EXPECT_THAT(RenderReport(input), HasSubstr(">not run<"));
}

TEST(Report, EscapesEveryHostileString) {
  const std::string hostile(kHostile);
  ReportInput input = SmallInput();
  input.title = hostile;
  input.warnings = {hostile};
  input.measures.push_back({hostile, std::nullopt, hostile, std::nullopt, 0, 0});
  input.measures.push_back({hostile, 0.5, hostile, ReportInterval{0.4, 0.6}, 1, 2});
  input.query_measures = {hostile};
  ReportQuery query = MakeQuery(hostile, 0.1);
  query.text = hostile;
  query.note = hostile;
  query.hits = {{hostile, 1.0, hostile, 1}};
  query.missed = {hostile};
  input.queries = {query};
  input.counts = {{hostile, hostile}};
  input.pins = {{hostile, hostile}};
  input.latency.percentiles_us = {{hostile, 3}};
  input.latency.note = hostile;
  input.ann = {{hostile, 0.5, 1, 1, 1}};
  input.run_json = "{\"x\":\"</script><script>alert(1)</script><!--\xE2\x80\xA8\"}";
  const std::string page = RenderReport(input);
  EXPECT_EQ(CountOf(page, "<script"), 2U);  // the data and the page's own
  EXPECT_EQ(CountOf(page, "</script"), 2U);
  EXPECT_THAT(page, Not(HasSubstr("<img")));
  EXPECT_THAT(page, Not(HasSubstr("onerror=\"")));
  EXPECT_THAT(page, Not(HasSubstr("\xFF")));
  EXPECT_EQ(page.find('\x01'), std::string::npos);
  const size_t data = page.find("application/json");
  ASSERT_NE(data, std::string::npos);
  EXPECT_EQ(page.find("\xE2\x80\xA8", data), std::string::npos);
}

TEST(Report, LoadsNothingFromElsewhere) {
  const std::string page = RenderReport(SmallInput());
  for (const char* reference : {"http://", "https://", " src=", "@import", "url("}) {
    EXPECT_THAT(page, Not(HasSubstr(reference)));
  }
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
}

TEST(Report, DrawsPlotsWithFiniteCoordinatesForDegenerateInput) {
  ReportInput input = SmallInput();
  input.latency.buckets = {{0, 0, 0}};
  input.latency.percentiles_us = {{"p50", 0}};
  input.ann = {{"only", 0, 0, 0, 0}};
  input.measures = {{"zero", 0.0, "", ReportInterval{0, 0}, 1, 1},
                    {"one", 1.0, "", ReportInterval{1, 1}, 1, 1}};
  const std::string page = RenderReport(input);
  EXPECT_EQ(CountOf(page, "<svg"), 3U);
  EXPECT_THAT(page, Not(HasSubstr("\"nan")));
  EXPECT_THAT(page, Not(HasSubstr("\"-nan")));
  EXPECT_THAT(page, Not(HasSubstr("\"inf")));
}

TEST(Report, EmptyInputIsAPageWithoutPlots) {
  const std::string page = RenderReport(ReportInput{});
  EXPECT_EQ(CountOf(page, "<svg"), 0U);
  EXPECT_THAT(page, HasSubstr("</html>"));
}

TEST(Report, LeavesOutBetterQueriesPastTheCapAndSaysSo) {
  ReportInput input = SmallInput();
  input.queries.clear();
  for (size_t i = 0; i < kMaxReportQueries + 5; ++i) {
    input.queries.push_back(MakeQuery("q" + std::to_string(i), 0.5));
  }
  input.queries.back().values = {0.1};
  const std::string page = RenderReport(input);
  EXPECT_EQ(CountOf(page, "<details>"), kMaxReportQueries);
  EXPECT_THAT(page, HasSubstr("5 better queries are left out"));
  EXPECT_THAT(page, HasSubstr(input.queries.back().text));
}

}  // namespace
}  // namespace leadline::eval
