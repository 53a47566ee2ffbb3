#include "leadline/eval/report.h"

#include <algorithm>
#include <numeric>

#include "markup.h"
#include "page_style.h"
#include "svg_plot.h"

namespace leadline::eval {
namespace {

constexpr const char* kRoughMark = "~";
constexpr const char* kRoughNote = "~ too few samples for a percentile this high (n&lt;1000)";

/// A p99 as text, marked where it is an estimate from few samples.
std::string Percentile99(double micros, bool reliable) {
  return (reliable ? "" : kRoughMark) + Micros(micros);
}

std::string RoughNote() {
  return "<p class=\"soft\">" + std::string(kRoughNote) + "</p>";
}

/// Untrusted text in its own direction run, so that right-to-left marks end with it.
std::string Isolated(const std::string& text) {
  return "<bdi>" + EscapeHtml(text) + "</bdi>";
}

std::string Tile(const std::string& value, const std::string& name) {
  return "<div class=\"tile\"><b>" + EscapeHtml(value) + "</b><span>" + EscapeHtml(name) +
         "</span></div>";
}

std::string Tiles(const ReportInput& input) {
  std::string out = "<div class=\"tiles\">";
  size_t shown = 0;
  for (const ReportMeasure& measure : input.measures) {
    if (measure.value && shown < 4) {
      out += Tile(Fixed(*measure.value, 4), measure.name);
      ++shown;
    }
  }
  for (const auto& [name, micros] : input.latency.percentiles_us) {
    const bool reliable = name != "p99" || input.latency.p99_reliable;
    out += Tile(Percentile99(micros, reliable), name + " latency");
  }
  return out + Tile(std::to_string(input.queries.size()), "queries") + "</div>";
}

std::string PairTable(const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::string out = "<table>";
  for (const auto& [name, value] : pairs) {
    out += "<tr><th>" + EscapeHtml(name) + "</th><td>" + Isolated(value) + "</td></tr>";
  }
  return out + "</table>";
}

std::string Section(const std::string& title, const std::string& note, const std::string& body) {
  if (body.empty()) {
    return "";
  }
  return "<h2>" + EscapeHtml(title) + "</h2>" +
         (note.empty() ? "" : "<p class=\"soft\">" + EscapeHtml(note) + "</p>") + body;
}

std::string Badge(const std::optional<int32_t>& relevance) {
  if (!relevance || *relevance < 0) {
    return "<span class=\"badge\">not judged</span>";
  }
  if (*relevance == 0) {
    return "<span class=\"badge\">not relevant</span>";
  }
  return "<span class=\"badge relevant\">relevant " + std::to_string(*relevance) + "</span>";
}

std::string HitList(const ReportQuery& query) {
  std::string out = "<ol>";
  for (size_t i = 0; i < std::min(query.hits.size(), kMaxReportHits); ++i) {
    const ReportHit& hit = query.hits[i];
    out += "<li>" + Badge(hit.relevance) + " <code>" + Isolated(hit.id) + "</code> " +
           Fixed(hit.score, 4);
    if (!hit.text.empty()) {
      out += " <span class=\"soft\">" + Isolated(hit.text) + "</span>";
    }
    out += "</li>";
  }
  out += "</ol>";
  for (const std::string& id : query.missed) {
    out += "<p><span class=\"badge missed\">missed</span> <code>" + Isolated(id) + "</code></p>";
  }
  return out;
}

/// The text of the query, or what it is where it has none.
std::string QueryText(const ReportQuery& query) {
  if (!query.text.empty()) {
    return Isolated(query.text);
  }
  return "<span class=\"soft\">" + std::string(query.missing ? "not run" : "vector") + "</span>";
}

std::string QueryRow(const ReportQuery& query) {
  std::string row = "<tr><td><code>" + Isolated(query.id) + "</code></td><td><details><summary>" +
                    QueryText(query) + "</summary>" + HitList(query) + "</details>";
  if (!query.note.empty()) {
    row += "<p class=\"soft\">" + EscapeHtml(query.note) + "</p>";
  }
  row += "</td>";
  for (size_t i = 0; i < std::min(query.values.size(), kMaxReportColumns); ++i) {
    const std::optional<double>& value = query.values[i];
    row +=
        "<td class=\"number\">" + (value ? Fixed(*value, 4) : std::string("undefined")) + "</td>";
  }
  return row + "<td class=\"number\" data-value=\"" + std::to_string(query.took_us) + "\">" +
         (query.missing || query.took_us == 0 ? "" : Micros(static_cast<double>(query.took_us))) +
         "</td></tr>";
}

/// Indexes of the queries, worst first; those without a value come before all.
std::vector<size_t> WorstFirst(const std::vector<ReportQuery>& queries, bool higher_is_better) {
  std::vector<size_t> order(queries.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto value_of = [&queries](size_t i) {
    const auto& values = queries[i].values;
    return values.empty() ? std::optional<double>() : values.front();
  };
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const std::optional<double> left = value_of(a);
    const std::optional<double> right = value_of(b);
    if (left.has_value() != right.has_value()) {
      return !left.has_value();
    }
    if (left != right) {
      return higher_is_better ? left < right : left > right;
    }
    return queries[a].id < queries[b].id;
  });
  return order;
}

std::string QueryTable(const ReportInput& input) {
  if (input.queries.empty()) {
    return "";
  }
  std::string out =
      "<input id=\"find\" type=\"search\" placeholder=\"find a query\" aria-label=\"find a "
      "query\" hidden><table id=\"queries\"><thead><tr><th data-sort>id</th><th>query, top "
      "hits</th>";
  for (size_t i = 0; i < std::min(input.query_measures.size(), kMaxReportColumns); ++i) {
    out += "<th data-sort class=\"number\">" + EscapeHtml(input.query_measures[i]) + "</th>";
  }
  out += "<th data-sort class=\"number\">time</th></tr></thead><tbody>";
  const std::vector<size_t> order = WorstFirst(input.queries, input.higher_is_better);
  const size_t shown = std::min(order.size(), kMaxReportQueries);
  for (size_t i = 0; i < shown; ++i) {
    out += QueryRow(input.queries[order[i]]);
  }
  out += "</tbody></table>";
  if (shown < order.size()) {
    out += "<p class=\"soft\">" + std::to_string(order.size() - shown) +
           " better queries are left out of this page; per_query.jsonl has all.</p>";
  }
  return out;
}

std::string AnnTable(const std::vector<ReportAnnPoint>& points) {
  bool rough = false;
  std::string out =
      "<table><tr><th>setting</th><th class=\"number\">recall</th><th class=\"number\">p50</th>"
      "<th class=\"number\">p99</th><th class=\"number\">queries/s</th></tr>";
  for (const ReportAnnPoint& point : points) {
    out += "<tr><td>" + EscapeHtml(point.label) + "</td><td class=\"number\">" +
           (point.recall ? Fixed(*point.recall, 4) : std::string("undefined")) +
           "</td><td class=\"number\">" + Micros(point.p50_us) + "</td><td class=\"number\">" +
           Percentile99(point.p99_us, point.p99_reliable) + "</td><td class=\"number\">" +
           Fixed(point.qps, 0) + "</td></tr>";
    rough = rough || !point.p99_reliable;
  }
  return out + "</table>" + (rough ? RoughNote() : "");
}

std::string LatencyPlot(const ReportLatency& latency) {
  const std::string plot = LatencyBars(latency);
  return plot.empty() || latency.p99_reliable ? plot : plot + RoughNote();
}

std::string IntervalNote(const ReportInput& input) {
  std::string note = "Mean over queries; whiskers are 95% bootstrap intervals.";
  for (const ReportMeasure& measure : input.measures) {
    if (measure.value && !measure.interval) {
      note += " " + measure.name + " is no mean over queries and has none.";
    }
    if (measure.value && measure.n_used != measure.n_total) {
      note += " " + measure.name + ": " + std::to_string(measure.n_used) + " of " +
              std::to_string(measure.n_total) + " queries.";
    }
  }
  return note;
}

}  // namespace

std::string RenderReport(const ReportInput& input) {
  std::string page =
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\"><meta "
      "http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'; script-src 'unsafe-inline'\"><title>" +
      EscapeHtml(input.title) + "</title><style>" + std::string(kPageStyle) +
      "</style></head><body><main><h1>" + Isolated(input.title) +
      "</h1><p class=\"soft\">Leadline run report</p>";
  for (const std::string& warning : input.warnings) {
    page += "<p class=\"warning\">" + EscapeHtml(warning) + "</p>";
  }
  page += Tiles(input);
  page += Section("Measures", IntervalNote(input), MeasureBars(input.measures));
  if (!input.ann.empty()) {
    page += Section("Recall against latency",
                    "Share of the exact neighbours that approximate search found; not the recall "
                    "of relevant documents above.",
                    RecallAgainstLatency(input.ann) + AnnTable(input.ann));
  }
  page += Section("Latency", input.latency.note, LatencyPlot(input.latency));
  page += Section("Coverage of the judgments", "", PairTable(input.counts));
  page += Section("Queries, worst first",
                  input.query_measures.empty() ? "" : "Sorted by " + input.query_measures[0] + ".",
                  QueryTable(input));
  page += Section("What the run is pinned to", "", PairTable(input.pins));
  return page + "<script type=\"application/json\" id=\"run\">" + EscapeScriptJson(input.run_json) +
         "</script><script>" + std::string(kPageScript) + "</script></main></body></html>\n";
}

}  // namespace leadline::eval
