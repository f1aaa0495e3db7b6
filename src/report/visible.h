// Texts of tokens, made visible: what a person could not see or a table could not hold is spelled out.
#pragma once

#include <string>
#include <string_view>

namespace fqlab::report {

/// `text` as `code`: a line break as "\n", a tab as "\t", other control and invisible characters as
/// "\u{200B}", a blank at either end as "␣", a backtick as "ˋ" (it would end the code), nothing as "∅".
std::string visible(std::string_view text);

}  // namespace fqlab::report
