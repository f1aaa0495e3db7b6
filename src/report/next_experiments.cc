// Chooses the next experiments from what this one changed and how it ended.
#include "report/next_experiments.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "report/sections.h"

namespace fqlab::report {
namespace {

std::set<int> layers_of(const std::vector<TensorReport>& tensors) {
  std::set<int> layers;
  for (const TensorReport& tensor : tensors) {
    if (tensor.layer) layers.insert(*tensor.layer);
  }
  return layers;
}

// The layers of each kind, kinds in order of appearance; none for one that belongs to no layer.
std::vector<std::pair<std::string, std::set<int>>> layers_by_kind(const std::vector<TensorReport>& tensors) {
  std::vector<std::pair<std::string, std::set<int>>> kinds;
  for (const TensorReport& tensor : tensors) {
    auto kind = std::ranges::find(kinds, tensor.kind, [](const auto& entry) { return entry.first; });
    if (kind == kinds.end()) kind = kinds.insert(kind, {tensor.kind, {}});
    if (tensor.layer) kind->second.insert(*tensor.layer);
  }
  return kinds;
}

// "attn_q,attn_k": the kinds that belong to layers.
std::string layered_kinds(const std::vector<TensorReport>& tensors) {
  std::string text;
  for (const auto& [kind, layers] : layers_by_kind(tensors))
    if (!layers.empty()) text += (text.empty() ? "" : ",") + kind;
  return text;
}

// {0,1,2,5} -> "0-2,5"
std::string ranges(const std::set<int>& layers) {
  std::string text;
  for (auto first = layers.begin(); first != layers.end();) {
    auto last = first;
    while (std::next(last) != layers.end() && *std::next(last) == *last + 1) ++last;
    text += (text.empty() ? "" : ",") + std::to_string(*first);
    if (last != first) text += "-" + std::to_string(*last);
    first = std::next(last);
  }
  return text;
}

// The smallest format of use that bf16-exact weights are not exact in.
std::string coarser_than(const std::string& format) {
  if (format.starts_with("fp8_e4m3")) return "fp8_e5m2";
  return "fp8_e4m3";
}

// As --margin takes it: those that are not the usual ones.
std::string unusual_margins(const Margins& margins) {
  const Margins usual;
  std::string text;
  const auto add = [&](const char* name, double value, double usual_value, bool of_a_logarithm) {
    if (value != usual_value)
      text += fmt::format("{}{}={:.6g}", text.empty() ? "" : ",", name,
                          of_a_logarithm ? std::expm1(value) : value);
  };
  add("ppl", margins.log_perplexity_ratio, usual.log_perplexity_ratio, true);
  add("kl", margins.kl_nats, usual.kl_nats, false);
  add("top", margins.top_flips, usual.top_flips, false);
  add("speed", margins.speed_log_ratio, usual.speed_log_ratio, true);
  return text;
}

std::string command(const Comparison& c, const std::vector<std::string>& recipes, int chunks,
                    Arithmetic arithmetic, size_t number) {
  const ComparisonSettings& s = c.settings;
  const ComparisonSettings usual;
  std::vector<std::string> arguments = {"fqlab", "compare", c.original.path};
  for (const std::string& recipe : recipes) arguments.insert(arguments.end(), {"--recipe", recipe});
  for (const CorpusResult& corpus : c.corpora)
    arguments.insert(arguments.end(), {"--corpus", corpus.name + "=" + corpus.path});
  if (c.corpora.empty()) arguments.insert(arguments.end(), {"--corpus", s.corpus.path});
  const int corpora = std::max(1, static_cast<int>(c.corpora.size()));  // --chunks counts each
  arguments.insert(arguments.end(), {"--chunks", std::to_string((chunks + corpora - 1) / corpora)});
  if (s.n_ctx != usual.n_ctx) arguments.insert(arguments.end(), {"--ctx", std::to_string(s.n_ctx)});
  if (s.n_batch != usual.n_batch) arguments.insert(arguments.end(), {"--batch", std::to_string(s.n_batch)});
  if (arithmetic == Arithmetic::kNative) arguments.insert(arguments.end(), {"--arithmetic", "native"});
  if (arithmetic == Arithmetic::kReference && s.gelu == Gelu::kEngine)
    arguments.insert(arguments.end(), {"--gelu", "engine"});
  if (const std::string margins = unusual_margins(s.margins); !margins.empty())
    arguments.insert(arguments.end(), {"--margin", margins});
  arguments.insert(arguments.end(), {"--out", fmt::format("next-{}", number)});
  return shell_command(arguments);
}

}  // namespace

std::vector<std::string> selectors_of(const std::vector<TensorReport>& tensors) {
  std::vector<std::pair<std::set<int>, std::string>> alike;  // kinds of the same layers
  for (const auto& [kind, layers] : layers_by_kind(tensors)) {
    auto group = std::ranges::find(alike, layers, [](const auto& entry) { return entry.first; });
    if (group == alike.end()) group = alike.insert(group, {layers, ""});
    group->second += (group->second.empty() ? "" : ",") + kind;
  }
  std::vector<std::string> selectors;
  selectors.reserve(alike.size());
  for (const auto& [layers, kinds] : alike)
    selectors.push_back((layers.empty() ? "" : ranges(layers) + "/") + kinds);
  return selectors;
}

std::vector<Experiment> next_experiments(const Comparison& c) {
  std::vector<Experiment> list;
  if (!c.recipe || c.tensors.empty()) return list;
  const Arithmetic arithmetic = c.settings.arithmetic;
  const auto add_with = [&](Key why, const std::vector<std::string>& recipes, int chunks, Arithmetic with) {
    list.push_back({why, command(c, recipes, chunks, with, list.size() + 1)});
  };
  const auto add = [&](Key why, const std::vector<std::string>& recipes) {
    add_with(why, recipes, c.settings.chunks, arithmetic);
  };
  const std::string kinds = layered_kinds(c.tensors);
  std::string format = c.tensors.front().format;
  if (c.vacuous) {
    format = coarser_than(format);
    std::string recipe;
    for (const std::string& selector : selectors_of(c.tensors))
      recipe += fmt::format("{}{}={}", recipe.empty() ? "" : ";", selector, format);
    add("next.other_format", {recipe});
  }
  const bool text_is_used_up = std::ranges::find(c.warnings, "fewer_chunks") != c.warnings.end();
  if (c.verdicts.overall == Verdict::kInconclusive && !text_is_used_up)
    if (const std::optional<int> more = chunks_to_decide(c))
      add_with("next.more_chunks", {*c.recipe}, c.settings.chunks + *more, arithmetic);
  if (arithmetic == Arithmetic::kNative && c.kl.resolved == false) {
    add_with("next.reference", {*c.recipe}, c.settings.chunks, Arithmetic::kReference);
  }
  const std::set<int> used = layers_of(c.tensors);
  const int layers = c.original.layers;
  if (layers > 1 && !used.empty()) {
    std::vector<std::string> others;
    for (const int layer : {0, layers / 4, layers / 2, 3 * layers / 4, layers - 1}) {
      const std::string recipe = fmt::format("{}/{}={}", layer, kinds, format);
      if (!used.contains(layer) && std::find(others.begin(), others.end(), recipe) == others.end())
        others.push_back(recipe);
    }
    if (!others.empty()) add("next.other_layers", others);
    const int last =
        std::min(layers - 1, *used.begin() + std::max<int>(2, 2 * static_cast<int>(used.size())));
    if (static_cast<int>(used.size()) < layers) {
      const int first = std::max(0, std::min(*used.begin(), last - 2));
      add("next.several_layers",
          {fmt::format("{}-{}/{}={}", first, last, kinds, format), kinds + "=" + format});
    }
  }
  const std::string where = used.empty() ? "0/" : ranges(used) + "/";
  std::vector<std::string> others;
  for (const char* kind : {"attn_q,attn_k,attn_v,attn_output", "ffn_down", "attn_norm"}) {
    const std::string_view first(
        kind, std::string_view(kind).find(',') == std::string_view::npos ? std::string_view(kind).size() : 6);
    const std::vector<std::string>& known = c.original.kinds;
    const bool there = std::ranges::find(known, first) != known.end();
    if (there && kinds.find(first) == std::string::npos)
      others.push_back(fmt::format("{}{}={}", where, kind, format));
  }
  // Rows of other kinds need not be whole blocks of a ggml type.
  if (!others.empty() && !format.starts_with("gguf:")) add("next.other_kinds", others);
  return list;
}

}  // namespace fqlab::report
