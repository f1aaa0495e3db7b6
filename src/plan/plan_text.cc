// The text of a plan: keys, then sections [tensors] and [frontier]; every line is NAME = VALUE  # comment.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>

#include "base/nearest.h"
#include "base/text.h"
#include "formats/ggml_names.h"
#include "fqlab/quantization_plan.h"
#include "plan/plan_line.h"

namespace fqlab {
namespace {

using Keys = std::vector<std::pair<std::string_view, std::string>>;

constexpr std::string_view kCorpus = "corpus";  // the one key of which there may be several
constexpr std::string_view kTensors = "[tensors]", kFrontier = "[frontier]", kNats = " nat",
                           kPredicted = ", predicted";

std::string number(double value) { return fmt::format("{}", value); }

/// The keys that have a value; numbers and plain texts stand as they are.
Keys header_of(const QuantizationPlan& plan) {
  Keys keys;
  const auto add_text = [&](std::string_view key, const std::string& text) {
    if (!text.empty()) keys.emplace_back(key, plan_word(text));
  };
  const auto add_count = [&](std::string_view key, uint64_t count) {
    if (count != 0) keys.emplace_back(key, std::to_string(count));
  };
  const auto add_number = [&](std::string_view key, std::optional<double> value) {
    if (value && !std::isnan(*value)) keys.emplace_back(key, number(*value));
  };
  add_text("model", plan.model);
  add_text("model_sha256", plan.model_sha256);
  add_text("imatrix", plan.imatrix);
  add_text("imatrix_sha256", plan.imatrix_sha256);
  for (const std::string& corpus : plan.corpora) add_text(kCorpus, corpus);
  add_text("budget", plan.budget);
  add_count("budget_bytes", plan.budget_bytes);
  add_count("file_bytes", plan.file_bytes);
  add_number("predicted_kl", plan.predicted_kl);
  add_number("measured_kl", plan.measured_kl);
  if (plan.measured_interval) {
    const auto [low, high] = *plan.measured_interval;
    if (!std::isnan(low) && !std::isnan(high))
      keys.emplace_back("measured_interval", number(low) + " .. " + number(high));
  }
  if (plan.measured_chunks != 0) keys.emplace_back("measured_chunks", std::to_string(plan.measured_chunks));
  return keys;
}

std::string type_text(GgmlType type) {
  const GgmlTypeInfo* info = ggml_type_info(type);
  return info != nullptr ? std::string(info->name) : std::to_string(static_cast<uint32_t>(type));
}

class Parser {
 public:
  explicit Parser(std::string where) : where_(std::move(where)) {}

  Result<QuantizationPlan> parse(std::string_view text) {
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // some editors begin a file so
    while (!text.empty()) {
      ++line_;
      const size_t end = text.find('\n');
      std::string_view line = text.substr(0, end);
      text.remove_prefix(end == text.npos ? text.size() : end + 1);
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (Result<void> read = read_line(line); !read) return tl::unexpected(read.error());
    }
    return std::move(plan_);
  }

 private:
  tl::unexpected<Error> refuse(std::string what, std::string hint = {}) const {
    return fail(ErrorCode::kInput, std::move(what), fmt::format("{}, line {}", where_, line_),
                std::move(hint));
  }

  Result<void> read_line(std::string_view line) {
    const Result<PlanLine> parts = split_plan_line(line);
    if (!parts) return refuse(parts.error().what, parts.error().hint);
    if (parts->empty) return {};
    if (!parts->value) {
      if (parts->name != kTensors && parts->name != kFrontier)
        return refuse(fmt::format("{} is no line of a plan", shown(parts->name)), "a line is NAME = VALUE");
      section_ = parts->name;
      return {};
    }
    const bool may_repeat = section_.empty() && parts->name == kCorpus;
    const std::string name = may_repeat ? parts->name + *parts->value : section_ + parts->name;
    const auto [earlier, is_new] = lines_.emplace(name, line_);
    if (!is_new)
      return refuse(
          fmt::format("{} stands here again; first in line {}", shown(parts->name), earlier->second),
          "keep one of the two lines");
    if (section_ == kTensors) return read_tensor(*parts);
    if (section_ == kFrontier) return read_point(*parts);
    return read_key(parts->name, *parts->value);
  }

  Result<void> read_tensor(const PlanLine& line) {
    const GgmlTypeInfo* type = *line.value == "f32" || *line.value == "F32"
                                   ? ggml_type_info(GgmlType::kF32)
                                   : quantizable_ggml_type(*line.value);
    if (type == nullptr) {
      std::vector<std::string> names = quantizable_ggml_names();
      names.emplace_back("f32");
      const std::string near = did_you_mean(lower_case(*line.value), names);
      return refuse(fmt::format("{} is no type that llama.cpp can quantize to", shown(*line.value)),
                    near.empty() ? fmt::format("types: {}", fmt::join(names, ", ")) : near);
    }
    const auto kl = kl_in(line.comment);
    plan_.tensors.push_back({line.name, type->type, kl, kl && says_predicted(line.comment)});
    return {};
  }

  /// "0.0123 nat", and what a person wrote after it.
  static std::optional<double> kl_in(std::string_view comment) {
    double value = 0;
    const auto [end, error] = std::from_chars(comment.data(), comment.data() + comment.size(), value);
    if (error != std::errc() || std::isnan(value)) return std::nullopt;
    const std::string_view rest = comment.substr(static_cast<size_t>(end - comment.data()));
    if (!rest.starts_with(kNats)) return std::nullopt;
    const bool whole_word =
        rest.size() == kNats.size() || std::isalnum(static_cast<unsigned char>(rest[kNats.size()])) == 0;
    return whole_word ? std::optional(value) : std::nullopt;
  }

  /// Of a comment that kl_in() understands.
  static bool says_predicted(std::string_view comment) {
    return comment.substr(comment.find(kNats) + kNats.size()).starts_with(kPredicted);
  }

  Result<void> read_point(const PlanLine& line) {
    PlanPoint point;
    Result<void> read = read_number(line.name, point.file_bytes);
    if (read) read = read_number(*line.value, point.kl);
    if (read) plan_.frontier.push_back(point);
    return read;
  }

  template <class Number>
  Result<void> read_number(std::string_view text, Number& number) const {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    bool good = error == std::errc() && end == text.data() + text.size();
    if constexpr (std::is_floating_point_v<Number>) good = good && !std::isnan(number);
    if (good) return {};
    return refuse(fmt::format("{} is no {}", shown(text),
                              std::is_floating_point_v<Number> ? "number" : "whole number that fits here"));
  }

  Result<void> read_optional(std::string_view text, std::optional<double>& number) const {
    return read_number(text, number.emplace());
  }

  Result<void> read_interval(std::string_view text) {
    constexpr std::string_view kTo = " .. ";
    const size_t middle = text.find(kTo);
    if (middle == text.npos)
      return refuse(fmt::format("{} is no interval", shown(text)), "write LOW .. HIGH");
    Interval& interval = plan_.measured_interval.emplace();
    Result<void> read = read_number(text.substr(0, middle), interval.low);
    if (read) read = read_number(text.substr(middle + kTo.size()), interval.high);
    return read;
  }

  Result<void> read_key(const std::string& key, const std::string& value) {
    const std::map<std::string_view, std::string*> texts = {{"model", &plan_.model},
                                                            {"model_sha256", &plan_.model_sha256},
                                                            {"imatrix", &plan_.imatrix},
                                                            {"imatrix_sha256", &plan_.imatrix_sha256},
                                                            {"budget", &plan_.budget}};
    if (const auto text = texts.find(key); text != texts.end()) {
      *text->second = value;
      return {};
    }
    if (key == kCorpus) {
      plan_.corpora.push_back(value);
      return {};
    }
    if (key == "budget_bytes") return read_number(value, plan_.budget_bytes);
    if (key == "file_bytes") return read_number(value, plan_.file_bytes);
    if (key == "predicted_kl") return read_optional(value, plan_.predicted_kl);
    if (key == "measured_kl") return read_optional(value, plan_.measured_kl);
    if (key == "measured_interval") return read_interval(value);
    if (key == "measured_chunks") return read_number(value, plan_.measured_chunks);
    std::vector<std::string> names = {std::string(kCorpus), "budget_bytes", "file_bytes",
                                      "predicted_kl",       "measured_kl",  "measured_interval",
                                      "measured_chunks"};
    for (const auto& [name, field] : texts) names.emplace_back(name);
    const std::string near = did_you_mean(key, names);
    return refuse(fmt::format("a plan has no key {}", shown(key)),
                  near.empty() ? fmt::format("tensors stand after a line {}", kTensors) : near);
  }

  std::string where_;
  size_t line_ = 0;
  std::string section_;
  std::map<std::string, size_t> lines_;  // section and name -> its line
  QuantizationPlan plan_;
};

}  // namespace

std::string print_plan(const QuantizationPlan& plan) {
  std::string text =
      "# A plan of fqlab: the type in which each tensor of a model is stored.\n"
      "# Edit the types as you like, then: fqlab build THIS_FILE -o OUT.gguf\n";
  for (const auto& [key, value] : header_of(plan)) text += fmt::format("{:<17} = {}\n", key, value);

  size_t name_width = 0, type_width = 0;
  for (const PlannedTensor& tensor : plan.tensors) {
    name_width = std::max(name_width, plan_word(tensor.name).size());
    type_width = std::max(type_width, type_text(tensor.type).size());
  }
  text += fmt::format("\n{}  # NAME = TYPE  # KL divergence of this tensor alone in this type\n", kTensors);
  for (const PlannedTensor& tensor : plan.tensors) {
    const std::string name = plan_word(tensor.name), type = type_text(tensor.type);
    text += fmt::format("{:<{}} = {}", name, name_width, type);
    if (tensor.kl && !std::isnan(*tensor.kl))
      text += fmt::format("{:<{}}  # {}{}{}", "", type_width - type.size(), number(*tensor.kl), kNats,
                          tensor.kl_predicted ? kPredicted : "");
    text += '\n';
  }
  if (plan.frontier.empty()) return text;
  text += fmt::format("\n{}  # bytes of the file = predicted KL divergence, nat\n", kFrontier);
  for (const PlanPoint& point : plan.frontier)
    if (!std::isnan(point.kl)) text += fmt::format("{} = {}\n", point.file_bytes, number(point.kl));
  return text;
}

Result<QuantizationPlan> parse_plan(std::string_view text, const std::string& where) {
  return Parser(where).parse(text);
}

}  // namespace fqlab
