#include "study/verify_plan.h"

#include <algorithm>
#include <set>

namespace fqlab {

std::vector<std::string> plan_warnings(const QuantizationPlan& plan, const ModelIdentity& original,
                                       const GgufFile& output) {
  std::vector<std::string> warnings;
  if (!plan.model_sha256.empty() && plan.model_sha256 != original.sha256)
    warnings.push_back("plan_other_model");
  const bool as_planned =
      std::all_of(plan.tensors.begin(), plan.tensors.end(), [&](const PlannedTensor& planned) {
        const TensorInfo* tensor = output.find_tensor(planned.name);
        return tensor != nullptr && tensor->type == planned.type;
      });
  if (!as_planned) warnings.push_back("plan_other_types");
  return warnings;
}

std::optional<std::vector<Corpus>> planning_texts(const QuantizationPlan& plan) {
  if (plan.corpora.empty()) return std::nullopt;
  std::vector<Corpus> texts;
  for (const std::string& path : plan.corpora) {
    Result<Corpus> corpus = read_corpus(path);
    if (!corpus) return std::nullopt;
    texts.push_back(std::move(*corpus));
  }
  return texts;
}

bool share_a_document(const Corpus& a, const Corpus& b) {
  const std::set<std::string_view> documents(a.texts.begin(), a.texts.end());
  return std::any_of(b.texts.begin(), b.texts.end(),
                     [&](const std::string& text) { return !text.empty() && documents.contains(text); });
}

}  // namespace fqlab
