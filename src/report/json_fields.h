// Structs whose fields are listed once, for writing to and reading from report.json.
//
//   template <class Archive>
//   void fields(Archive& archive, Power& power) {
//     archive("perplexity", power.perplexity);
//   }
#pragma once

#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "fqlab/stats.h"

namespace fqlab::report {

template <class T>
inline constexpr bool kIsPlain = std::is_arithmetic_v<T> || std::is_same_v<T, std::string>;

/// A plain value. Throws nlohmann::json::exception where it has another type, and where a whole number does
/// not fit: get() would cut it without a word.
template <class T>
T plain(const nlohmann::json& json) {
  if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
    const bool fits = json.is_number_unsigned()
                          ? std::in_range<T>(json.get<uint64_t>())
                          : json.is_number_integer() && std::in_range<T>(json.get<int64_t>());
    if (!fits)
      throw nlohmann::json::out_of_range::create(406, json.dump() + " is no whole number of its range",
                                                 &json);
  }
  return json.get<T>();
}

/// Fields -> JSON, keys in the order of the list. An absent value is null.
class FieldWriter {
 public:
  explicit FieldWriter(nlohmann::ordered_json& json) : json_(json) {}
  template <class T>
  void operator()(const char* key, T& value) {
    json_[key] = to_json(value);
  }

 private:
  template <class T>
  static nlohmann::ordered_json to_json(T& value) {
    if constexpr (kIsPlain<T>) {
      return value;
    } else {
      nlohmann::ordered_json json = nlohmann::ordered_json::object();
      FieldWriter writer(json);
      fields(writer, value);
      return json;
    }
  }
  static nlohmann::ordered_json to_json(Interval& interval) {
    return nlohmann::ordered_json::array({interval.low, interval.high});
  }
  template <class T>
  static nlohmann::ordered_json to_json(std::optional<T>& value) {
    return value ? to_json(*value) : nlohmann::ordered_json(nullptr);
  }
  template <class T>
  static nlohmann::ordered_json to_json(std::vector<T>& list) {
    nlohmann::ordered_json json = nlohmann::ordered_json::array();
    for (T& item : list) json.push_back(to_json(item));
    return json;
  }
  template <class T, size_t kCount>
  static nlohmann::ordered_json to_json(std::array<T, kCount>& list) {
    return list;
  }
  nlohmann::ordered_json& json_;
};

/// JSON -> fields. Null and absent leave a field as it is; a value of another type throws
/// nlohmann::json::exception.
class FieldReader {
 public:
  explicit FieldReader(const nlohmann::json& json) : json_(json) {}
  template <class T>
  void operator()(const char* key, T& value) {
    const auto found = json_.find(key);
    if (found != json_.end() && !found->is_null()) from_json(*found, value);
  }

 private:
  template <class T>
  static void from_json(const nlohmann::json& json, T& value) {
    if constexpr (kIsPlain<T>) {
      value = plain<T>(json);
    } else {
      FieldReader reader(json);
      fields(reader, value);
    }
  }
  static void from_json(const nlohmann::json& json, Interval& interval) {
    interval = {json.at(0).get<double>(), json.at(1).get<double>()};
  }
  template <class T>
  static void from_json(const nlohmann::json& json, std::optional<T>& value) {
    if constexpr (std::is_same_v<T, Interval>)  // a number that is not finite is null in JSON
      if (json.at(0).is_null() || json.at(1).is_null()) return;
    from_json(json, value.emplace());
  }
  template <class T>
  static void from_json(const nlohmann::json& json, std::vector<T>& list) {
    for (const nlohmann::json& item : json) from_json(item, list.emplace_back());
  }
  template <class T, size_t kCount>
  static void from_json(const nlohmann::json& json, std::array<T, kCount>& list) {
    for (size_t i = 0; i < kCount; ++i)  // a number that is not finite is null in JSON
      if (!json.at(i).is_null()) list[i] = json.at(i).get<T>();
  }
  const nlohmann::json& json_;
};

}  // namespace fqlab::report
