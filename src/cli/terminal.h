// What fqlab says to a person: errors and warnings, tables, and a line of progress.
#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace fqlab::cli {

/// On stderr, with "error: " or "warning: " in front (coloured only on a terminal and without NO_COLOR).
void say_error(std::string_view text);
void say_warning(std::string_view text);
/// A plain line on stderr.
void say(std::string_view text);

/// What to say of a command that stopped before its end and keeps what it measured.
std::string how_to_go_on(const std::vector<std::string>& command);

/// Whether stdout may be coloured: a terminal, no NO_COLOR, not TERM=dumb.
bool colour_on_stdout();

/// Text of a file (a tensor name, a metadata value) with control characters as '?'.
std::string printable(std::string_view text);

/// 134515008 -> "134,515,008".
std::string with_commas(uint64_t number);
/// 75 -> "1m15s"; below a minute "15s".
std::string duration(double seconds);

/// A table of text: columns as wide as they need, two blanks between them. A heading that starts with '>'
/// aligns its column to the right.
std::string table(const std::vector<std::string>& headings,
                  const std::vector<std::vector<std::string>>& rows);

/// "[ 37/291] blk.9.ffn_down  2m10s left": on a terminal one line that renews itself, else a line at the
/// start, every tenth, and after every minute of silence.
class Progress {
 public:
  /// On stderr.
  Progress();
  /// For tests: where to write, whether that is a terminal, and a clock in seconds.
  Progress(std::function<void(std::string_view)> write, bool terminal, std::function<double()> seconds);
  ~Progress() { finish(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `done` of `total` pieces are complete; `what` is the piece that was just completed or is being worked
  /// on.
  void update(uint64_t done, uint64_t total, std::string_view what);
  /// The same where pieces take different times: `share` of the work is done, from which the time left
  /// follows.
  void update(uint64_t done, uint64_t total, std::string_view what, double share);
  /// Removes the line from a terminal. The next update begins another piece of work, with a clock of its own.
  void finish();

 private:
  std::function<void(std::string_view)> write_;
  bool terminal_;
  std::function<double()> seconds_;
  double start_;
  double last_ = -1;
  uint64_t tenths_ = 0;
  bool shown_ = false;
};

}  // namespace fqlab::cli
