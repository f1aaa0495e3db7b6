// The number formats that have names: one row a format. "Add a number format" in CONTRIBUTING.md starts here.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/format_details.h"

namespace fqlab {

/// Options of the grammar by group; a row says which groups its base takes.
enum OptionGroup : unsigned {
  kTakesNothing = 0,
  kTakesCast = 1,         ///< the word `cast`
  kTakesGranularity = 2,  ///< tensor, channel, token, gN, bRxC, and with them calib= and scale=
  kTakesMapping = 4,      ///< sym, asym, narrow, full
  kTakesMxRule = 8,       ///< mx=
  kTakesRounding = 16,    ///< r=
  kTakesOverflow = 32,    ///< ovf=
  kTakesImatrix = 64,     ///< imatrix=
};

// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order of a row, which people write
struct FormatRow {
  std::string_view name;
  Family family;
  MiniFloat element;
  unsigned takes;
  Overflow overflow;
  std::string_view note;  ///< what it is, one clause
  int block = 0;          ///< values that share a scale by definition
  bool fixed_point = false;
};

std::span<const FormatRow> format_table();
const FormatRow* find_format_row(std::string_view name);
/// The row of a plain small float with these fields, or nullptr.
const FormatRow* find_format_row(const MiniFloat& element);

/// What a shorthand stands for ("w4a16" -> "int4:g128:sym"), or nothing.
std::optional<std::string_view> expand_alias(std::string_view name);
/// Why a tempting name is refused, and what to write instead; nothing where the name is merely unknown.
std::optional<Error> refuse_by_name(std::string_view name);
/// All names for "did you mean".
std::vector<std::string> known_names();

}  // namespace fqlab
