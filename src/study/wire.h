// Errors as messages of fixed size, for sockets between processes.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

#include "fqlab/result.h"

namespace fqlab {

template <size_t N>
struct WireText {
  std::array<char, N> text{};

  WireText& operator=(std::string_view from) {
    const size_t length = std::min(from.size(), N - 1);
    std::copy_n(from.begin(), length, text.begin());
    text[length] = '\0';
    return *this;
  }
  std::string_view view() const { return text.data(); }
};

struct WireError {
  ErrorCode code = ErrorCode::kInput;
  WireText<1024> what;
  WireText<512> where, hint;

  void set(const Error& error) {
    code = error.code;
    what = error.what;
    where = error.where;
    hint = error.hint;
  }
  Error get() const {
    return {code, std::string(what.view()), std::string(where.view()), std::string(hint.view())};
  }
};

}  // namespace fqlab
