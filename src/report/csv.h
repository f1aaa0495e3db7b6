// Builds CSV tables.
#pragma once

#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "fqlab/stats.h"

namespace fqlab::report {

/// Rows of RFC 4180 CSV; numbers in the shortest form that reads back to the same double.
class Csv {
 public:
  explicit Csv(std::string_view header) : text_(header) { text_ += '\n'; }
  Csv& operator<<(std::string_view value) {
    if (!first_) text_ += ',';
    first_ = false;
    if (value.find_first_of(",\"\r\n") == std::string_view::npos) {
      text_ += value;
      return *this;
    }
    text_ += '"';
    for (const char c : value) text_ += c == '"' ? std::string("\"\"") : std::string(1, c);
    text_ += '"';
    return *this;
  }
  Csv& operator<<(double value) {
    return *this << std::string_view(std::isfinite(value) ? nlohmann::json(value).dump() : "");
  }
  Csv& operator<<(uint64_t value) { return *this << std::string_view(std::to_string(value)); }
  Csv& operator<<(int value) { return *this << std::string_view(std::to_string(value)); }
  template <class T>
  Csv& operator<<(const std::optional<T>& value) {
    return value ? *this << *value : *this << std::string_view();
  }
  Csv& operator<<(const std::optional<Interval>& interval) {
    return interval ? *this << interval->low << interval->high
                    : *this << std::string_view() << std::string_view();
  }
  void end_row() {
    text_ += '\n';
    first_ = true;
  }
  std::string text() && { return std::move(text_); }

 private:
  std::string text_;
  bool first_ = true;
};

}  // namespace fqlab::report
