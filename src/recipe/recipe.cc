// Recipes: the language, and what a recipe changes in a model.
#include <algorithm>

#include "base/text.h"
#include "fqlab/recipe.h"

namespace fqlab {
namespace {

// The recipe cut at ';' and newlines, but not inside the regular expression that a rule may start with.
std::vector<std::string> split_rules(std::string_view text) {
  std::vector<std::string> rules;
  while (!text.empty()) {
    const size_t blanks = static_cast<size_t>(std::ranges::find_if_not(text, is_blank) - text.begin());
    const size_t end = text.find_first_of(";\n", blanks + regex_length(text.substr(blanks)));
    if (const std::string_view rule = trimmed(text.substr(0, end)); !rule.empty()) rules.emplace_back(rule);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
  }
  return rules;
}

Error in_rule(Error error, size_t number, const std::string& rule) {
  error.where = "rule " + std::to_string(number) + " of the recipe, '" + rule + "'";
  return error;
}

Result<RecipeRule> parse_rule(const std::string& text) {
  const size_t equals = text.find('=', regex_length(text));
  if (equals == text.npos)
    return fail(ErrorCode::kUsage, "a rule needs SELECTOR=FORMAT", "", "for example 0-2/ffn_norm=fp8_e4m3");
  Result<Selector> selector = Selector::parse(text.substr(0, equals));
  if (!selector) return tl::unexpected(selector.error());
  // A file name may hold blanks, which count; those of the rest of a format spec do not.
  const std::string_view given = std::string_view(text).substr(equals + 1);
  const size_t option = lower_case(given).find("imatrix");
  const size_t file = option == given.npos ? given.npos : given.find('=', option);
  std::string format_text = without_blanks(given.substr(0, file));
  if (file != given.npos) format_text += "=" + std::string(trimmed(given.substr(file + 1)));
  Result<FormatSpec> format = FormatSpec::parse(format_text);
  if (!format) return tl::unexpected(format.error());
  return RecipeRule{std::move(*selector), std::move(*format)};
}

std::string print_rule(const RecipeRule& rule) { return rule.selector.print() + "=" + rule.format.print(); }

}  // namespace

Result<Recipe> Recipe::parse(std::string_view text) {
  Recipe recipe;
  const std::vector<std::string> rules = split_rules(text);
  if (rules.empty())
    return fail(ErrorCode::kUsage, "the recipe is empty", "", "for example 0-2/ffn_norm=fp8_e4m3");
  for (size_t i = 0; i < rules.size(); ++i) {
    Result<RecipeRule> rule = parse_rule(rules[i]);
    if (!rule) return tl::unexpected(in_rule(rule.error(), i + 1, rules[i]));
    recipe.rules_.push_back(std::move(*rule));
  }
  return recipe;
}

std::string Recipe::print() const {
  std::string text;
  for (const RecipeRule& rule : rules_) text += (text.empty() ? "" : "; ") + print_rule(rule);
  return text;
}

Result<std::vector<TensorChange>> Recipe::resolve(std::span<const TensorInfo> tensors) const {
  std::vector<std::vector<size_t>> chosen;
  std::vector<std::optional<size_t>> last_rule(tensors.size());
  for (size_t r = 0; r < rules_.size(); ++r) {
    Result<std::vector<size_t>> matched = select(rules_[r].selector, tensors);
    if (!matched) return tl::unexpected(in_rule(matched.error(), r + 1, print_rule(rules_[r])));
    for (const size_t tensor : *matched) last_rule[tensor] = r;
    chosen.push_back(std::move(*matched));
  }
  for (size_t r = 0; r < rules_.size(); ++r) {
    if (std::ranges::any_of(chosen[r], [&](size_t tensor) { return last_rule[tensor] == r; })) continue;
    const size_t winner = *last_rule[chosen[r].front()];
    return tl::unexpected(
        in_rule({ErrorCode::kUsage,
                 "later rules override all " + std::to_string(chosen[r].size()) + " tensors of this rule", "",
                 "the last match wins: put it after '" + print_rule(rules_[winner]) + "', or leave it out"},
                r + 1, print_rule(rules_[r])));
  }
  std::vector<TensorChange> changes;
  for (size_t i = 0; i < tensors.size(); ++i)
    if (last_rule[i]) changes.push_back({i, rules_[*last_rule[i]].format});
  return changes;
}

}  // namespace fqlab
