// What kind of text a token is.
#pragma once

#include <string_view>

#include "fqlab/judgement.h"

namespace fqlab {

/// The class of a token's text (rules: judgement.h). Letters are taken by Unicode block: Latin are ASCII,
/// Latin-1, Latin Extended and their combining marks; symbols, arrows and pictures count as punctuation.
TokenClass class_of(std::string_view text);

/// "whitespace", "digits", "punctuation", "words" or "non_latin".
std::string_view name(TokenClass token_class);

}  // namespace fqlab
