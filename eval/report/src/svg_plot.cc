#include "svg_plot.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "markup.h"

namespace leadline::eval {
namespace {

constexpr double kWidth = 720;
constexpr double kBarLeft = 150;
constexpr double kBarRight = 530;
constexpr double kRowHeight = 26;
constexpr double kPlotLeft = 64;
constexpr double kPlotRight = 700;
constexpr double kPlotTop = 34;
constexpr double kPlotBottom = 240;

std::string Number(double value) {
  return Fixed(value, 1);
}

std::string Open(double height, const std::string& label) {
  return "<svg viewBox=\"0 0 " + Number(kWidth) + " " + Number(height) +
         "\" role=\"img\" aria-label=\"" + EscapeHtml(label) + "\">";
}

std::string Line(const char* style, double x1, double y1, double x2, double y2) {
  return "<line class=\"" + std::string(style) + "\" x1=\"" + Number(x1) + "\" y1=\"" + Number(y1) +
         "\" x2=\"" + Number(x2) + "\" y2=\"" + Number(y2) + "\"/>";
}

std::string Text(const char* style, double x, double y, const std::string& text) {
  return "<text class=\"" + std::string(style) + "\" x=\"" + Number(x) + "\" y=\"" + Number(y) +
         "\">" + EscapeHtml(text) + "</text>";
}

std::string Rect(const char* style, double x, double y, double width, double height,
                 const std::string& title) {
  return "<rect class=\"" + std::string(style) + "\" x=\"" + Number(x) + "\" y=\"" + Number(y) +
         "\" width=\"" + Number(std::max(0.0, width)) + "\" height=\"" +
         Number(std::max(0.0, height)) + "\"><title>" + EscapeHtml(title) + "</title></rect>";
}

/// " [0.600, 0.690]", or nothing.
std::string IntervalText(const ReportMeasure& measure) {
  return measure.interval ? " [" + Fixed(measure.interval->lower, 3) + ", " +
                                Fixed(measure.interval->upper, 3) + "]"
                          : "";
}

std::string MeasureRow(const ReportMeasure& measure, double top) {
  const double middle = top + kRowHeight / 2;
  const auto x_of = [](double share) {
    return kBarLeft + std::clamp(share, 0.0, 1.0) * (kBarRight - kBarLeft);
  };
  std::string row = Text("end", kBarLeft - 8, middle + 4, measure.name);
  if (!measure.value) {
    return row + Text("soft", kBarLeft + 6, middle + 4, "undefined: " + measure.undefined_reason);
  }
  const std::string interval = IntervalText(measure);
  row += Rect("bar", kBarLeft, top + 5, x_of(*measure.value) - kBarLeft, kRowHeight - 10,
              measure.name + " " + Fixed(*measure.value, 4) + interval);
  if (measure.interval) {
    const double lower = x_of(measure.interval->lower);
    const double upper = x_of(measure.interval->upper);
    row += Line("whisker", lower, middle, upper, middle);
    row += Line("whisker", lower, middle - 4, lower, middle + 4);
    row += Line("whisker", upper, middle - 4, upper, middle + 4);
  }
  row += Text("strong", kBarRight + 8, middle + 4, Fixed(*measure.value, 4));
  return row + Text("soft small", kBarRight + 60, middle + 4, interval);
}

/// A logarithmic axis of durations.
class LogAxis {
 public:
  LogAxis(double low_us, double high_us)
      : low_(std::log10(std::max(low_us, 0.1))),
        high_(std::max(std::log10(std::max(high_us, 0.1)), low_ + 0.05)) {}

  [[nodiscard]] double X(double micros) const {
    const double share = (std::log10(std::max(micros, 0.1)) - low_) / (high_ - low_);
    return kPlotLeft + std::clamp(share, 0.0, 1.0) * (kPlotRight - kPlotLeft);
  }

  /// Grid and labels at 1, 2 and 5 times powers of ten that do not crowd each other.
  [[nodiscard]] std::string Ticks() const {
    std::string out;
    double last_x = -1000;
    for (int exponent = static_cast<int>(std::floor(low_)); exponent <= high_; ++exponent) {
      for (const double factor : {1.0, 2.0, 5.0}) {
        const double micros = factor * std::pow(10.0, exponent);
        const double place = std::log10(micros);
        if (place < low_ - 1e-9 || place > high_ + 1e-9 || X(micros) - last_x < 60) {
          continue;
        }
        last_x = X(micros);
        out += Line("grid", last_x, kPlotTop, last_x, kPlotBottom);
        out += Text("middle soft", last_x, kPlotBottom + 18, Label(micros));
      }
    }
    return out;
  }

 private:
  static std::string Label(double micros) {
    const char* unit = micros >= 1e6 ? " s" : micros >= 1e3 ? " ms" : " us";
    const double value = micros >= 1e6 ? micros / 1e6 : micros >= 1e3 ? micros / 1e3 : micros;
    return Fixed(value, value < 1 ? 1 : 0) + unit;
  }

  double low_;
  double high_;
};

std::string Frame() {
  return Line("axis", kPlotLeft, kPlotBottom, kPlotRight, kPlotBottom) +
         Line("axis", kPlotLeft, kPlotTop, kPlotLeft, kPlotBottom);
}

/// Names the percentiles above the plot; labels that would touch go to a second line.
std::string PercentileMarks(const ReportLatency& latency, const LogAxis& axis) {
  std::string out;
  double last_x = -1000;
  bool raised = false;
  for (const auto& [name, micros] : latency.percentiles_us) {
    const double x = axis.X(micros);
    raised = x - last_x < 160 && !raised;
    const char* anchor = x > kPlotRight - 50  ? "mark end"
                         : x < kPlotLeft + 50 ? "mark"
                                              : "mark middle";
    out += Line("marker", x, kPlotTop - 4, x, kPlotBottom);
    const char* rough = name == "p99" && !latency.p99_reliable ? "~" : "";
    out +=
        Text(anchor, x, raised ? kPlotTop - 22 : kPlotTop - 8, name + " " + rough + Micros(micros));
    last_x = x;
  }
  return out;
}

struct RecallAxis {
  double low = 0;
  double step = 0.1;

  [[nodiscard]] double Y(double recall) const {
    const double share = (std::clamp(recall, low, 1.0) - low) / (1.0 - low);
    return kPlotBottom - share * (kPlotBottom - kPlotTop);
  }
};

/// Begins at a round value below the worst point, so that differences near 1 stay visible.
RecallAxis MakeRecallAxis(const std::vector<ReportAnnPoint>& points) {
  double worst = 1;
  for (const ReportAnnPoint& point : points) {
    worst = std::min(worst, *point.recall);
  }
  for (const double step : {0.01, 0.02, 0.05, 0.1}) {
    if (1 - worst <= 5 * step) {
      return {1 - 5 * step, step};
    }
  }
  return {0, 0.2};
}

}  // namespace

std::string MeasureBars(const std::vector<ReportMeasure>& measures) {
  if (measures.empty()) {
    return "";
  }
  const double bottom = 8 + kRowHeight * static_cast<double>(measures.size());
  std::string svg = Open(bottom + 28, "measures with 95% intervals");
  for (int tick = 0; tick <= 5; ++tick) {
    const double x = kBarLeft + tick * (kBarRight - kBarLeft) / 5;
    svg += Line("grid", x, 4, x, bottom);
    svg += Text("middle soft", x, bottom + 18, Fixed(tick / 5.0, 1));
  }
  double top = 4;
  for (const ReportMeasure& measure : measures) {
    svg += MeasureRow(measure, top);
    top += kRowHeight;
  }
  return svg + "</svg>";
}

std::string LatencyBars(const ReportLatency& latency) {
  if (latency.buckets.empty()) {
    return "";
  }
  size_t highest = 1;
  for (const ReportLatencyBucket& bucket : latency.buckets) {
    highest = std::max(highest, bucket.count);
  }
  const LogAxis axis(latency.buckets.front().from_us, latency.buckets.back().to_us);
  std::string svg = Open(kPlotBottom + 30, "latency histogram") + axis.Ticks();
  for (const ReportLatencyBucket& bucket : latency.buckets) {
    const double share = static_cast<double>(bucket.count) / static_cast<double>(highest);
    const double height = share * (kPlotBottom - kPlotTop - 6);
    const double x = axis.X(bucket.from_us);
    svg += Rect("bar", x + 0.5, kPlotBottom - height, axis.X(bucket.to_us) - x - 1, height,
                std::to_string(bucket.count) + " queries, " + Micros(bucket.from_us) + " to " +
                    Micros(bucket.to_us));
  }
  svg += Text("end soft", kPlotLeft - 6, kPlotTop + 10, std::to_string(highest));
  svg += Text("end soft", kPlotLeft - 6, kPlotBottom, "0");
  svg += Text("end soft small", kPlotLeft - 6, kPlotTop + 26, "queries");
  return svg + PercentileMarks(latency, axis) + Frame() + "</svg>";
}

std::string RecallAgainstLatency(const std::vector<ReportAnnPoint>& points) {
  std::vector<ReportAnnPoint> sorted;
  std::copy_if(points.begin(), points.end(), std::back_inserter(sorted),
               [](const ReportAnnPoint& point) { return point.recall.has_value(); });
  if (sorted.empty()) {
    return "";
  }
  std::sort(sorted.begin(), sorted.end(),
            [](const ReportAnnPoint& a, const ReportAnnPoint& b) { return a.p50_us < b.p50_us; });
  const LogAxis axis(sorted.front().p50_us / 1.4, sorted.back().p50_us * 1.6);
  const RecallAxis recall = MakeRecallAxis(sorted);
  std::string svg = Open(kPlotBottom + 48, "recall against median latency") + axis.Ticks();
  for (double value = recall.low; value < 1 + recall.step / 2; value += recall.step) {
    svg += Line("grid", kPlotLeft, recall.Y(value), kPlotRight, recall.Y(value));
    svg += Text("end soft", kPlotLeft - 6, recall.Y(value) + 4, Fixed(value, 2));
  }
  std::string path;
  std::string dots;
  double label_x = -1000;
  double label_y = -1000;
  for (const ReportAnnPoint& point : sorted) {
    const double x = axis.X(point.p50_us);
    const double y = recall.Y(*point.recall);
    path += (path.empty() ? "M" : "L") + Number(x) + " " + Number(y);
    dots += "<circle class=\"dot\" cx=\"" + Number(x) + "\" cy=\"" + Number(y) +
            "\" r=\"4\"><title>" +
            EscapeHtml(point.label + ": recall " + Fixed(*point.recall, 4) + ", p50 " +
                       Micros(point.p50_us) + ", " + Fixed(point.qps, 0) + " queries/s") +
            "</title></circle>";
    if (x - label_x > 90 || std::abs(y - label_y) > 14) {  // the table has those left out
      dots += Text("small", x + 7, y + 16, point.label);
      label_x = x;
      label_y = y;
    }
  }
  svg += "<path class=\"curve\" d=\"" + path + "\"/>" + dots + Frame();
  return svg +
         Text("middle soft", (kPlotLeft + kPlotRight) / 2, kPlotBottom + 40,
              "median latency of one query") +
         "</svg>";
}

}  // namespace leadline::eval
