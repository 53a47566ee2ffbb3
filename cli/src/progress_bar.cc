#include "progress_bar.h"

#include <algorithm>
#include <cstdio>

#include "leadline/core/clock.h"
#include "table_printer.h"

namespace leadline::cli {
namespace {

constexpr int64_t kRedrawNanos = 100'000'000;
constexpr size_t kBarCells = 24;
constexpr double kLeastSecondsForARate = 0.5;

std::string Bar(double share) {
  const auto full = static_cast<size_t>(std::clamp(share, 0.0, 1.0) * kBarCells);
  return "[" + std::string(full, '#') + std::string(kBarCells - full, '.') + "]";
}

std::string Clocked(double seconds) {
  const auto whole = static_cast<uint64_t>(std::max(0.0, seconds));
  const std::string rest = std::to_string(whole % 60);
  return std::to_string(whole / 60) + ":" + (rest.size() < 2 ? "0" : "") + rest;
}

}  // namespace

ProgressBar::ProgressBar(const Console& console, std::string label, uint64_t total,
                         std::string unit)
    : ProgressBar(console.interactive(), std::move(label), total, std::move(unit)) {}

ProgressBar ProgressBar::BesideResults(const Console& console, std::string label, uint64_t total,
                                       std::string unit) {
  return {console.interactive() && !console.results_on_terminal(), std::move(label), total,
          std::move(unit)};
}

ProgressBar::ProgressBar(bool active, std::string label, uint64_t total, std::string unit)
    : active_(active),
      label_(std::move(label)),
      unit_(std::move(unit)),
      total_(total),
      started_ns_(Clock::System()->MonotonicNanos()) {}

ProgressBar::~ProgressBar() {
  Erase();
}

bool ProgressBar::Due() {
  const int64_t now = Clock::System()->MonotonicNanos();
  if (!active_ || (drawn_ns_ > 0 && now - drawn_ns_ < kRedrawNanos)) {
    return false;
  }
  drawn_ns_ = now;
  return true;
}

void ProgressBar::Draw(const std::string& text) {
  std::fprintf(stderr, "\r%s\033[K", text.c_str());
  std::fflush(stderr);
  drawn_ = true;
}

void ProgressBar::Erase() {
  if (drawn_) {
    std::fputs("\r\033[K", stderr);
    std::fflush(stderr);
    drawn_ = false;
  }
}

void ProgressBar::Update(uint64_t done) {
  const double share = total_ > 0 ? static_cast<double>(done) / static_cast<double>(total_) : -1.0;
  Update(done, share);
}

void ProgressBar::Update(uint64_t done, double share) {
  if (Due()) {
    DrawCount(done, share);
  }
}

void ProgressBar::DrawCount(uint64_t done, double share) {
  const double seconds = static_cast<double>(drawn_ns_ - started_ns_) / 1e9;
  std::string line = label_ + " ";
  if (share >= 0) {
    line += Bar(share) + " " + FormatFixed(100 * share, 0) + "%  ";
  }
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
  line += std::to_string(done) + " " + unit_ + "  " + FormatFixed(rate, 0) + "/s";
  if (share > 0 && share < 1) {
    line += "  " + Clocked(seconds * (1 - share) / share) + " left";
  }
  Draw(line);
}

void ProgressBar::UpdateTime(std::string_view remark) {
  if (Due()) {
    const double seconds = static_cast<double>(drawn_ns_ - started_ns_) / 1e9;
    Draw(label_ + "  " + Clocked(seconds) + "  " + std::string(remark));
  }
}

void ProgressBar::UpdateStage(std::string_view stage, double share) {
  if (stage != stage_) {
    stage_ = stage;
    stage_started_ns_ = Clock::System()->MonotonicNanos();
  }
  if (!Due()) {
    return;
  }
  const double seconds = static_cast<double>(drawn_ns_ - started_ns_) / 1e9;
  const double in_stage = static_cast<double>(drawn_ns_ - stage_started_ns_) / 1e9;
  std::string line = label_ + " " + Bar(share) + " " + FormatFixed(100 * share, 0) + "%  " +
                     stage_ + "  " + Clocked(seconds);
  if (share > 0.02 && in_stage > kLeastSecondsForARate) {
    line += "  " + FormatFixed(100 * share / in_stage, 1) + "%/s  " +
            Clocked(in_stage * (1 - share) / share) + " left";
  }
  Draw(line);
}

}  // namespace leadline::cli
