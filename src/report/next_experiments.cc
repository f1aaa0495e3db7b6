// Chooses the next experiments from what this one changed and how it ended.
#include "report/next_experiments.h"

#include <algorithm>
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

std::string kinds_of(const std::vector<TensorReport>& tensors) {
  std::vector<std::string> kinds;
  for (const TensorReport& tensor : tensors) {
    if (std::find(kinds.begin(), kinds.end(), tensor.kind) == kinds.end()) kinds.push_back(tensor.kind);
  }
  std::string text;
  for (const std::string& kind : kinds) text += (text.empty() ? "" : ",") + kind;
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

std::string command(const Comparison& c, const std::vector<std::string>& recipes, int chunks,
                    Arithmetic arithmetic) {
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
  arguments.insert(arguments.end(), {"--out", "next"});
  return shell_command(arguments);
}

}  // namespace

std::string selector_of(const std::vector<TensorReport>& tensors) {
  const std::string layers = ranges(layers_of(tensors));
  return (layers.empty() ? "" : layers + "/") + kinds_of(tensors);
}

std::vector<Experiment> next_experiments(const Comparison& c) {
  std::vector<Experiment> list;
  if (!c.recipe || c.tensors.empty()) return list;
  const Arithmetic arithmetic = c.settings.arithmetic;
  const auto add = [&](Key why, const std::vector<std::string>& recipes) {
    list.push_back({why, command(c, recipes, c.settings.chunks, arithmetic)});
  };
  const std::string kinds = kinds_of(c.tensors);
  std::string format = c.tensors.front().format;
  if (c.vacuous) {
    format = coarser_than(format);
    add("next.other_format", {selector_of(c.tensors) + "=" + format});
  }
  if (c.verdicts.overall == Verdict::kInconclusive) {
    const int more = chunks_to_decide(c).value_or(3 * c.settings.chunks);
    list.push_back({"next.more_chunks", command(c, {*c.recipe}, c.settings.chunks + more, arithmetic)});
  }
  if (arithmetic == Arithmetic::kNative && c.kl.resolved == false) {
    list.push_back({"next.reference", command(c, {*c.recipe}, c.settings.chunks, Arithmetic::kReference)});
  }
  const std::set<int> used = layers_of(c.tensors);
  const int layers = c.original.layers;
  if (layers > 1 && !used.empty()) {
    std::vector<std::string> others;
    for (const int layer : {0, layers / 4, layers / 2, 3 * layers / 4, layers - 1}) {
      const std::string recipe = std::to_string(layer) + "/" + kinds + "=" + format;
      if (!used.contains(layer) && std::find(others.begin(), others.end(), recipe) == others.end())
        others.push_back(recipe);
    }
    if (!others.empty()) add("next.other_layers", others);
    const int last =
        std::min(layers - 1, *used.begin() + std::max<int>(2, 2 * static_cast<int>(used.size())));
    if (static_cast<int>(used.size()) < layers) {
      const int first = std::max(0, std::min(*used.begin(), last - 2));
      add("next.several_layers",
          {std::to_string(first) + "-" + std::to_string(last) + "/" + kinds + "=" + format,
           kinds + "=" + format});
    }
  }
  const std::string where = used.empty() ? "0/" : ranges(used) + "/";
  std::vector<std::string> others;
  for (const char* kind : {"attn_q,attn_k,attn_v,attn_output", "ffn_down", "attn_norm"}) {
    const std::string_view first(
        kind, std::string_view(kind).find(',') == std::string_view::npos ? std::string_view(kind).size() : 6);
    if (kinds.find(first) == std::string::npos) others.push_back(where + kind + "=" + format);
  }
  if (!others.empty()) add("next.other_kinds", others);
  return list;
}

}  // namespace fqlab::report
