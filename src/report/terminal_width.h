// How much room a text takes on a terminal, and tables made with that.
#pragma once

#include <string>

#include "report/document.h"

namespace fqlab::report {

/// Columns of a UTF-8 text on a terminal: East Asian wide characters count two, as in UAX #11.
size_t display_width(const std::string& text);

/// The text cut to `most` columns between two characters, with "…" where something was left out.
std::string cut_end(const std::string& text, size_t most);
std::string cut_start(const std::string& text, size_t most);

/// The table as aligned text without its caption, two blanks between columns.
std::string terminal_text(const Table& table);

/// A sentence of a report without the marks for code and emphasis.
std::string without_marks(std::string text);

}  // namespace fqlab::report
