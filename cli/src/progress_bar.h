#pragma once

#include <cstdint>
#include <string>

#include "console.h"

namespace leadline::cli {

/// One line on a terminal: share done, rate and time left. Draws at most ten times a second, and
/// nothing at all where the console is not interactive. Externally synchronised.
class ProgressBar {
 public:
  /// `total` in units of `unit`; 0 means unknown, then only count and rate are shown.
  ProgressBar(const Console& console, std::string label, uint64_t total, std::string unit);
  /// For a command that prints results while it works: shows nothing where these go to a terminal
  /// too, which shows by itself how far the work is.
  static ProgressBar BesideResults(const Console& console, std::string label, uint64_t total,
                                   std::string unit);
  /// Erases the line.
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void Update(uint64_t done);
  /// The same where the share done in [0, 1] is known better than the total.
  void Update(uint64_t done, double share);
  /// Shows a stage of work known only by its share in [0, 1]; rate and time left are the stage's.
  void UpdateStage(std::string_view stage, double share);
  /// Shows work that tells nothing: the time passed, and a remark that may be empty.
  void UpdateTime(std::string_view remark);
  /// Takes the line off the terminal before results are printed; the next update draws it again.
  void Erase();

 private:
  ProgressBar(bool active, std::string label, uint64_t total, std::string unit);

  [[nodiscard]] bool Due();
  void DrawCount(uint64_t done, double share);
  void Draw(const std::string& text);

  bool active_;
  bool drawn_ = false;
  std::string label_;
  std::string unit_;
  uint64_t total_;
  int64_t started_ns_;
  int64_t drawn_ns_ = 0;
  std::string stage_;
  int64_t stage_started_ns_ = 0;
};

}  // namespace leadline::cli
