// How every fallible call of fqlab answers: a value, or an error that tells a person what to do next.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace fqlab {

/// Who caused the failure; the command line turns it into an exit code (kUsage: 2, all others: 1).
enum class ErrorCode {
  kUsage,   ///< wrong arguments: a bad format spec, a selector that matches nothing, an option that does not
            ///< apply
  kInput,   ///< a file that is damaged, unsupported or does not fit the other inputs
  kSystem,  ///< the operating system refused: missing file, full disk, too little memory
  kEngine,  ///< llama.cpp refused, failed or died
  kCheck,   ///< an always-on check found a wrong number; the result must not be used
  kInterrupted,  ///< Ctrl+C; nothing is half-written
};

/// One failure in three short pieces, printed as "WHAT (WHERE). HINT".
struct Error {
  ErrorCode code = ErrorCode::kInput;
  std::string what;   ///< the failure, one clause, no trailing full stop
  std::string where;  ///< file, field, byte offset, rule or option; may be empty
  std::string hint;   ///< how to go on; may be empty
};

/// A value or an Error. A class of its own only because tl::expected 1.0 is not [[nodiscard]].
template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
};

/// Shorthand for a failing return: `return fail(ErrorCode::kInput, "...", "...", "...")`.
inline tl::unexpected<Error> fail(ErrorCode code, std::string what, std::string where = {},
                                  std::string hint = {}) {
  return tl::unexpected<Error>(Error{code, std::move(what), std::move(where), std::move(hint)});
}

/// "what (where). hint" with the empty pieces left out.
std::string to_string(const Error& error);

}  // namespace fqlab
