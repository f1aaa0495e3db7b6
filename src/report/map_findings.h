// What came out of a map, in sentences, and what to do next, in commands.
#pragma once

#include <string>
#include <vector>

#include "fqlab/sensitivity_map.h"
#include "report/document.h"
#include "report/messages.h"

namespace fqlab::report {

/// "`a`, `b` and `c`" of the formats.
std::string format_list(const SensitivityMap& map, const Text& text);
/// "210 tensors" of a mode: its groups, in words of their grouping.
std::string group_count(const SensitivityMap& map, MapMode mode, size_t n, const Text& text);

/// One paragraph: what was asked, of what, on what text.
std::string question(const SensitivityMap& map, const Text& text);
/// The groups to look at first, format by format; empty where nothing was measured.
std::string headline(const SensitivityMap& map, const Text& text);
/// On how many chunks how many cells rest; empty where all have as many.
std::string text_per_cell(const SensitivityMap& map, const Text& text);
/// The findings of one format, one sentence after the other; empty where nothing was measured.
std::string findings(const SensitivityMap& map, size_t format, const Text& text);

struct NextStep {
  std::string why;
  std::string command;
};
std::vector<NextStep> next_steps(const SensitivityMap& map, const Text& text);

}  // namespace fqlab::report
