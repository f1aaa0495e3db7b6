#include "cli/terminal.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>

#include "report/sections.h"

namespace fqlab::cli {
namespace {

bool stderr_is_a_terminal() { return isatty(STDERR_FILENO) != 0; }

bool wants_colour(int descriptor) {
  const char* none = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  return isatty(descriptor) != 0 && (none == nullptr || *none == '\0') &&
         (terminal == nullptr || std::string_view(terminal) != "dumb");
}

bool colour() {
  static const bool wanted = wants_colour(STDERR_FILENO);
  return wanted;
}

void say_marked(std::string_view mark, std::string_view colour_code, std::string_view text) {
  if (colour()) {
    fmt::print(stderr, "\x1b[{}m{}\x1b[0m {}\n", colour_code, mark, text);
  } else {
    fmt::print(stderr, "{} {}\n", mark, text);
  }
}

// Characters, not bytes: the continuation bytes of UTF-8 take no room.
size_t width(std::string_view text) {
  return static_cast<size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

std::string how_to_go_on(const std::vector<std::string>& command) {
  return "Nothing measured is lost; go on with:\n  " + report::shell_command(command);
}

bool colour_on_stdout() { return wants_colour(STDOUT_FILENO); }

void say_error(std::string_view text) { say_marked("error:", "1;31", text); }
void say_warning(std::string_view text) { say_marked("warning:", "1;33", text); }
void say(std::string_view text) { fmt::print(stderr, "{}\n", text); }

std::string printable(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 32 || c == 127) c = '?';
  return out;
}

std::string with_commas(uint64_t number) {
  std::string text = std::to_string(number);
  for (size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
  return text;
}

std::string duration(double seconds) {
  const auto whole = static_cast<uint64_t>(std::lround(std::max(0.0, seconds)));
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  return fmt::format("{}h{:02}m", whole / 3600, whole / 60 % 60);
}

std::string table(const std::vector<std::string>& headings,
                  const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::string> titles;
  std::vector<size_t> widths;
  for (const std::string& heading : headings) {
    titles.push_back(heading.substr(heading.starts_with('>') ? 1 : 0));
    widths.push_back(width(titles.back()));
  }
  for (const auto& row : rows)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  std::string out;
  const auto append = [&](const std::vector<std::string>& row) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string blanks(widths[i] - width(row[i]), ' ');
      line += (i == 0 ? "" : "  ") + (headings[i].starts_with('>') ? blanks + row[i] : row[i] + blanks);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  };
  append(titles);
  for (const auto& row : rows) append(row);
  return out;
}

Progress::Progress()
    : Progress([](std::string_view text) { fmt::print(stderr, "{}", text), std::fflush(stderr); },
               stderr_is_a_terminal(), steady_seconds) {}

Progress::Progress(std::function<void(std::string_view)> write, bool terminal,
                   std::function<double()> seconds)
    : write_(std::move(write)), terminal_(terminal), seconds_(std::move(seconds)), start_(seconds_()) {}

void Progress::update(uint64_t done, uint64_t total, std::string_view what) {
  update(done, total, what, total == 0 ? 0 : static_cast<double>(done) / static_cast<double>(total));
}

void Progress::update(uint64_t done, uint64_t total, std::string_view what, double share) {
  constexpr double kRenewal = 0.1, kLongestSilence = 60;
  const double now = seconds_();
  const uint64_t tenths = total == 0 ? 0 : done * 10 / total;
  const double silence = now - last_;
  const bool nothing_new =
      terminal_ ? silence < kRenewal && done < total : tenths <= tenths_ && silence < kLongestSilence;
  if (last_ >= 0 && nothing_new) return;
  tenths_ = tenths;
  last_ = now;
  const std::string total_text = std::to_string(total);
  std::string line = fmt::format("[{:>{}}/{}] {}", done, total_text.size(), total_text, what);
  if (share > 0 && done < total)
    line += fmt::format("  {} left", duration((now - start_) * (1 - share) / share));
  write_(terminal_ ? "\r" + line + "\x1b[K" : line + "\n");
  shown_ = true;
}

void Progress::finish() {
  if (terminal_ && shown_) write_("\r\x1b[K");
  shown_ = false;
  tenths_ = 0;
  last_ = -1;
  start_ = seconds_();
}

}  // namespace fqlab::cli
