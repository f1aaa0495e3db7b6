// Selectors: the language, and what a selector matches.
#include <algorithm>
#include <charconv>
#include <regex>
#include <set>

#include "base/nearest.h"
#include "base/text.h"
#include "fqlab/recipe.h"

namespace fqlab {

struct Selector::Pattern {
  struct Range {
    int first, last;   // inclusive
    std::string text;  // as written
  };
  std::vector<std::string> kinds;   // globs
  std::vector<Range> layers;        // empty: every layer, and tensors without one, unless only_layers
  bool only_layers = false;         // a layer part was given
  std::optional<std::regex> regex;  // then nothing else is used

  bool layer_matches(const std::optional<int>& layer) const {
    if (!only_layers) return true;
    if (!layer) return false;
    return layers.empty() || std::ranges::any_of(layers, [&](const Range& range) {
             return range.first <= *layer && *layer <= range.last;
           });
  }
};

namespace {

constexpr size_t kLongestRegex = 1000;  // std::regex compiles by recursion
constexpr char kGrammar[] =
    "write [LAYERS/]KINDS, for example ffn_norm, 0-2/ffn_norm, 5,10,15/attn_*, or re:/REGEX/ on the full "
    "name";

// Glob match: '*' any characters, '?' one. Backtracks to the last star only, so it is quadratic at worst.
bool glob_matches(std::string_view glob, std::string_view text) {
  size_t g = 0, t = 0, star = std::string_view::npos, after_star = 0;
  while (t < text.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = g++;
      after_star = t;
    } else if (g < glob.size() && (glob[g] == '?' || glob[g] == text[t])) {
      ++g, ++t;
    } else if (star != std::string_view::npos) {
      g = star + 1;
      t = ++after_star;
    } else {
      return false;
    }
  }
  return std::ranges::all_of(glob.substr(g), [](char c) { return c == '*'; });
}

bool is_glob(std::string_view text) { return text.find_first_of("*?") != text.npos; }

std::optional<int> parse_layer(std::string_view text) {
  int layer = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), layer);
  if (error != std::errc() || end != text.data() + text.size() || layer < 0) return std::nullopt;
  return layer;
}

// Bad ranges give nullopt: "", "a", "3-1", "-2".
std::optional<std::pair<int, int>> parse_range(std::string_view text) {
  const size_t dash = text.find('-', 1);
  const auto first = parse_layer(text.substr(0, std::min(dash, text.size())));
  const auto last = dash == text.npos ? first : parse_layer(text.substr(dash + 1));
  if (!first || !last || *first > *last) return std::nullopt;
  return std::pair(*first, *last);
}

// "layers 0-29" of a model, or "no layers".
std::string layers_of(std::span<const TensorInfo> tensors) {
  std::vector<int> layers;
  for (const TensorInfo& tensor : tensors)
    if (const auto layer = parse_tensor_name(tensor.name).layer) layers.push_back(*layer);
  if (layers.empty()) return "the model has no layers";
  const auto [least, most] = std::ranges::minmax(layers);
  return "the model has the layers " + std::to_string(least) + "-" + std::to_string(most);
}

std::vector<std::string> kinds_of(std::span<const TensorInfo> tensors) {
  std::set<std::string> kinds;
  for (const TensorInfo& tensor : tensors) kinds.insert(parse_tensor_name(tensor.name).kind);
  return {kinds.begin(), kinds.end()};
}

std::string kind_hint(const std::string& kind, std::span<const TensorInfo> tensors) {
  const TensorName parsed = parse_tensor_name(kind);  // of people who paste a full name
  if (parsed.kind != kind) {
    const std::string layers = parsed.layer ? std::to_string(*parsed.layer) + "/" : "";
    return "a kind stands without 'blk.N.' and '.weight': write " + layers + parsed.kind;
  }
  const std::vector<std::string> kinds = kinds_of(tensors);
  if (std::ranges::find(kinds, kind) != kinds.end()) {
    const bool in_layers = std::ranges::any_of(tensors, [&](const TensorInfo& tensor) {
      const TensorName name = parse_tensor_name(tensor.name);
      return name.layer && name.kind == kind;
    });
    return in_layers ? "only other layers have it"
                     : "it belongs to no layer: write " + kind + " without a layer part";
  }
  if (std::string near = did_you_mean(kind, kinds); !near.empty()) return near;
  std::string all = "the model's kinds are ";
  for (size_t i = 0; i < kinds.size(); ++i) all += (i == 0 ? "" : ", ") + kinds[i];
  return all;
}

}  // namespace

Result<Selector> Selector::parse(std::string_view given) {
  const auto refuse = [&](std::string what, std::string hint = kGrammar) {
    return fail(ErrorCode::kUsage, std::move(what), "selector '" + std::string(given) + "'", std::move(hint));
  };
  auto pattern = std::make_shared<Pattern>();
  const std::string_view text = trimmed(given);
  if (text.starts_with("re:")) {
    if (regex_length(text) != text.size())
      return refuse("a regular expression stands between slashes", "write re:/REGEX/, with \\/ for a slash");
    const std::string_view body = text.substr(4, text.size() - 5);
    if (body.empty() || body.size() > kLongestRegex)
      return refuse("the regular expression is empty or longer than 1000 characters");
    try {
      pattern->regex.emplace(std::string(body), std::regex::ECMAScript | std::regex::optimize);
    } catch (const std::regex_error& error) {
      return refuse(std::string("bad regular expression: ") + error.what(), "the syntax is ECMAScript's");
    }
    return Selector(std::string(text), std::move(pattern));
  }
  const std::string plain = without_blanks(text);
  const size_t slash = plain.find('/');
  if (slash != plain.npos) {
    pattern->only_layers = true;
    const std::string layers = plain.substr(0, slash);
    for (const std::string& item : layers == "*" ? std::vector<std::string>() : split(layers, ',')) {
      const auto range = parse_range(item);
      if (!range) return refuse("'" + item + "' is not a layer or a range of layers");
      pattern->layers.push_back({range->first, range->second, item});
    }
  }
  pattern->kinds = split(slash == plain.npos ? plain : plain.substr(slash + 1), ',');
  for (const std::string& kind : pattern->kinds) {
    if (kind.empty()) return refuse("a kind is missing");
    if (kind.find('/') != kind.npos) return refuse("more than one '/'");
  }
  return Selector(plain, std::move(pattern));
}

bool Selector::matches(std::string_view tensor_name) const {
  if (pattern_->regex) return std::regex_search(tensor_name.begin(), tensor_name.end(), *pattern_->regex);
  const TensorName name = parse_tensor_name(tensor_name);
  return pattern_->layer_matches(name.layer) &&
         std::ranges::any_of(pattern_->kinds,
                             [&](const std::string& kind) { return glob_matches(kind, name.kind); });
}

Result<std::vector<size_t>> select(const Selector& selector, std::span<const TensorInfo> tensors) {
  const Selector::Pattern& pattern = *selector.pattern_;
  const std::string where = "selector '" + selector.print() + "'";
  std::vector<size_t> chosen;
  std::vector<bool> kind_used(pattern.kinds.size()), layer_used(pattern.layers.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (!selector.matches(tensors[i].name)) continue;
    chosen.push_back(i);
    const TensorName name = parse_tensor_name(tensors[i].name);
    for (size_t k = 0; k < pattern.kinds.size(); ++k)
      if (glob_matches(pattern.kinds[k], name.kind)) kind_used[k] = true;
    for (size_t k = 0; k < pattern.layers.size(); ++k)
      if (pattern.layers[k].first <= *name.layer && *name.layer <= pattern.layers[k].last)
        layer_used[k] = true;
  }
  for (size_t k = 0; k < pattern.layers.size(); ++k) {
    const bool exists = std::ranges::any_of(tensors, [&](const TensorInfo& tensor) {
      const auto layer = parse_tensor_name(tensor.name).layer;
      return layer && pattern.layers[k].first <= *layer && *layer <= pattern.layers[k].last;
    });
    if (!exists)
      return fail(ErrorCode::kUsage, "there is no layer " + pattern.layers[k].text, where,
                  layers_of(tensors));
  }
  // A list matches only as a whole: a misspelled member must not pass unnoticed.
  for (size_t k = 0; k < pattern.kinds.size(); ++k) {
    if (kind_used[k]) continue;
    const std::string& kind = pattern.kinds[k];
    const auto has = [&](std::string_view name) {
      return std::ranges::find(tensors, name, &TensorInfo::name) != tensors.end();
    };
    if (kind == "output" && !pattern.only_layers && has("token_embd.weight"))
      return fail(ErrorCode::kUsage, "this model has no 'output' tensor: its embeddings are tied", where,
                  "write token_embd, which is used for both");
    if (is_glob(kind))
      return fail(ErrorCode::kUsage, "no tensor matches '" + kind + "'", where, kind_hint(kind, tensors));
    return fail(ErrorCode::kUsage,
                "there is no tensor of kind '" + kind + "'" + (pattern.only_layers ? " in these layers" : ""),
                where, kind_hint(kind, tensors));
  }
  for (size_t k = 0; k < pattern.layers.size(); ++k)
    if (!layer_used[k])
      return fail(ErrorCode::kUsage, "layer " + pattern.layers[k].text + " has no tensor of these kinds",
                  where);
  if (chosen.empty()) {
    std::string hint = "it is searched for in full names such as " +
                       (tensors.empty() ? "" : "'" + tensors.back().name + "'");
    return fail(ErrorCode::kUsage, "no tensor matches", where, std::move(hint));
  }
  return chosen;
}

}  // namespace fqlab
