// One line of a plan, taken apart and put together.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "fqlab/result.h"

namespace fqlab {

/// "NAME = VALUE  # COMMENT", each part without blanks around it and without its quotes.
struct PlanLine {
  bool empty = true;  ///< nothing but blanks and a comment
  std::string name;
  std::optional<std::string> value;  ///< absent where there is no '='
  std::string_view comment;          ///< after the '#'
};
/// kInput for a quoted text that does not end or has something after it, or an escape that is none.
Result<PlanLine> split_plan_line(std::string_view line);

/// The text as a name or value: as it is, or in double quotes with \" \\ and \xHH where it would be misread.
std::string plan_word(std::string_view text);

/// For messages: quoted, cut where it is long.
std::string shown(std::string_view text);

}  // namespace fqlab
