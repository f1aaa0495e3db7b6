// Prints an Error for people.
#include "fqlab/result.h"

namespace fqlab {

std::string to_string(const Error& error) {
  std::string text = error.what;
  if (!error.where.empty()) text += " (" + error.where + ")";
  text += '.';
  if (!error.hint.empty())
    text += " " + error.hint + (error.hint.back() == '.' || error.hint.back() == '?' ? "" : ".");
  return text;
}

}  // namespace fqlab
