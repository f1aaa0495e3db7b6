// Plans as text: what is written is read back, and what cannot be read is named with its line.
#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <limits>
#include <set>
#include <tuple>

#include "formats/ggml_names.h"
#include "fqlab/quantization_plan.h"

namespace fqlab {
namespace {

using ::testing::HasSubstr;

QuantizationPlan small_plan() {
  QuantizationPlan plan;
  plan.model = "smol-f16.gguf";
  plan.model_sha256 = "abc";
  plan.budget = "105MB";
  plan.budget_bytes = 105000000;
  plan.file_bytes = 104999648;
  plan.predicted_kl = 0.0281;
  plan.measured_interval = Interval{0.026, 0.0301};
  plan.measured_chunks = 16;
  plan.tensors = {{"token_embd.weight", ggml_type_info("q5_1")->type, 0.0088},
                  {"blk.0.ffn_down.weight", ggml_type_info("q4_K")->type, std::nullopt}};
  plan.frontier = {{90000000, 0.06}, {105000000, 0.0281}};
  return plan;
}

bool same(const QuantizationPlan& a, const QuantizationPlan& b) {
  const auto interval = [](const QuantizationPlan& plan) {
    return plan.measured_interval
               ? std::optional(std::pair(plan.measured_interval->low, plan.measured_interval->high))
               : std::nullopt;
  };
  const auto same_tensor = [](const PlannedTensor& x, const PlannedTensor& y) {
    return x.name == y.name && x.type == y.type && x.kl == y.kl && x.kl_predicted == y.kl_predicted;
  };
  const auto same_point = [](const PlanPoint& x, const PlanPoint& y) {
    return x.file_bytes == y.file_bytes && x.kl == y.kl;
  };
  return std::tie(a.model, a.model_sha256, a.imatrix, a.imatrix_sha256, a.corpora, a.budget, a.budget_bytes,
                  a.file_bytes, a.predicted_kl, a.measured_kl, a.measured_chunks) ==
             std::tie(b.model, b.model_sha256, b.imatrix, b.imatrix_sha256, b.corpora, b.budget,
                      b.budget_bytes, b.file_bytes, b.predicted_kl, b.measured_kl, b.measured_chunks) &&
         interval(a) == interval(b) && std::ranges::equal(a.tensors, b.tensors, same_tensor) &&
         std::ranges::equal(a.frontier, b.frontier, same_point);
}

Error error_of(const std::string& text) {
  const auto plan = parse_plan(text, "a.plan");
  EXPECT_FALSE(plan) << text;
  return plan ? Error{} : plan.error();
}

TEST(PrintPlan, GivesALineATensorWithItsKlInAColumn) {
  EXPECT_EQ(print_plan(small_plan()),
            "# A plan of fqlab: the type in which each tensor of a model is stored.\n"
            "# Edit the types as you like, then: fqlab build THIS_FILE -o OUT.gguf\n"
            "model             = smol-f16.gguf\n"
            "model_sha256      = abc\n"
            "budget            = 105MB\n"
            "budget_bytes      = 105000000\n"
            "file_bytes        = 104999648\n"
            "predicted_kl      = 0.0281\n"
            "measured_interval = 0.026 .. 0.0301\n"
            "measured_chunks   = 16\n"
            "\n"
            "[tensors]  # NAME = TYPE  # KL divergence of this tensor alone in this type\n"
            "token_embd.weight     = q5_1  # 0.0088 nat\n"
            "blk.0.ffn_down.weight = q4_K\n"
            "\n"
            "[frontier]  # bytes of the file = predicted KL divergence, nat\n"
            "90000000 = 0.06\n"
            "105000000 = 0.0281\n");
}

TEST(ParsePlan, ReadsBackWhatWasPrinted) {
  EXPECT_TRUE(same(parse_plan(print_plan(small_plan()), "").value(), small_plan()));
}

std::string any_text() {
  const std::string favoured = "ab. \"\\#=[]\t\n\r\x7f\xc3\xa9/-_7";
  return *rc::gen::container<std::string>(
      rc::gen::oneOf(rc::gen::elementOf(favoured), rc::gen::arbitrary<char>()));
}

TEST(ParsePlan, TakesSeveralTextsButNoneTwice) {
  EXPECT_EQ(parse_plan("corpus = a\ncorpus = b\n", "").value().corpora, (std::vector<std::string>{"a", "b"}));
  EXPECT_THAT(error_of("corpus = a\ncorpus = a\n").what, HasSubstr("stands here again"));
}

double any_number() {
  const double number = *rc::gen::arbitrary<double>();
  return *rc::gen::inRange(0, 10) == 0 ? std::numeric_limits<double>::infinity() : number;
}

template <class Make>
auto maybe(Make make) -> std::optional<decltype(make())> {
  return *rc::gen::arbitrary<bool>() ? std::optional(make()) : std::nullopt;
}

RC_GTEST_PROP(ParsePlan, GivesThePlanThatWasPrinted, ()) {
  QuantizationPlan plan;
  for (std::string* text :
       {&plan.model, &plan.model_sha256, &plan.imatrix, &plan.imatrix_sha256, &plan.budget})
    *text = any_text();
  for (int i = *rc::gen::inRange(0, 4); i > 0; --i)
    if (const std::string corpus = any_text(); !corpus.empty() && !std::ranges::count(plan.corpora, corpus))
      plan.corpora.push_back(corpus);
  plan.budget_bytes = *rc::gen::arbitrary<uint64_t>();
  plan.file_bytes = *rc::gen::arbitrary<uint64_t>();
  plan.predicted_kl = maybe(any_number);
  plan.measured_kl = maybe(any_number);
  if (*rc::gen::arbitrary<bool>()) plan.measured_interval = Interval{any_number(), any_number()};
  plan.measured_chunks = *rc::gen::arbitrary<int>();
  std::vector<std::string> types = quantizable_ggml_names();
  types.emplace_back("f32");
  std::set<std::string> names;
  for (int i = *rc::gen::inRange(0, 20); i > 0; --i)
    if (const std::string name = any_text(); names.insert(name).second) {
      plan.tensors.push_back({name, ggml_type_info(*rc::gen::elementOf(types))->type, maybe(any_number)});
      plan.tensors.back().kl_predicted = plan.tensors.back().kl && *rc::gen::arbitrary<bool>();
    }
  for (const uint64_t bytes : *rc::gen::arbitrary<std::set<uint64_t>>())
    plan.frontier.push_back({bytes, any_number()});
  RC_ASSERT(same(parse_plan(print_plan(plan), "").value(), plan));
}

RC_GTEST_PROP(ParsePlan, AnswersAnyTextWithAPlanOrAnError, ()) {
  const auto plan = parse_plan(any_text() + "\n[tensors]\n" + any_text(), "a.plan");
  const bool understood =
      plan || plan.error().where.starts_with("a.plan, line ");  // RC_ASSERT evaluates both sides
  RC_ASSERT(understood);
}

TEST(ParsePlan, TakesWhatAPersonWrites) {
  const QuantizationPlan plan = parse_plan(
                                    "\xEF\xBB\xBF# mine\r\n"
                                    "model=/m/a b.gguf   # the 16-bit file\r\n"
                                    "\r\n"
                                    "\t[tensors]\r\n"
                                    "  blk.0.ffn_down.weight =Q4_k # 0.5 nat, was q5_K\r\n"
                                    "b = q8_0 # 0.25 nat, predicted; a guess\n"
                                    "token_embd.weight\t=\tF32# because",
                                    "")
                                    .value();
  EXPECT_EQ(plan.model, "/m/a b.gguf");
  ASSERT_EQ(plan.tensors.size(), 3u);
  EXPECT_EQ(ggml_type_info(plan.tensors[0].type)->name, "q4_K");
  EXPECT_EQ(plan.tensors[0].kl, 0.5);
  EXPECT_FALSE(plan.tensors[0].kl_predicted);
  EXPECT_EQ(plan.tensors[1].kl, 0.25);
  EXPECT_TRUE(plan.tensors[1].kl_predicted);
  EXPECT_EQ(plan.tensors[2].name, "token_embd.weight");
  EXPECT_EQ(plan.tensors[2].type, GgmlType::kF32);
  EXPECT_EQ(plan.tensors[2].kl, std::nullopt);
}

TEST(ParsePlan, TakesACommentForAMeasurementOnlyWhereItIsOne) {
  for (const char* comment : {"# 0.5", "# 0.5 nats", "# about 0.5 nat", "# nan nat", "#"})
    EXPECT_EQ(parse_plan(std::string("[tensors]\na = q8_0 ") + comment, "")->tensors[0].kl, std::nullopt)
        << comment;
}

TEST(ParsePlan, NamesTheLineAndTheNearestNames) {
  EXPECT_EQ(error_of("# a\nmodle = x\n").where, "a.plan, line 2");
  EXPECT_THAT(error_of("modle = x").hint, HasSubstr("did you mean model"));
  EXPECT_THAT(error_of("blk.0.attn_q.weight = q4_0").hint, HasSubstr("[tensors]"));
  EXPECT_THAT(error_of("[tensors]\na = q4_k_m").hint, HasSubstr("did you mean q4_k"));
  EXPECT_THAT(error_of("[tensors]\na = q8_K").what, HasSubstr("no type that llama.cpp can quantize to"));
  EXPECT_THAT(error_of("[tensors]\na = banana").hint, HasSubstr("types: "));
}

TEST(ParsePlan, RefusesWhatIsNoPlan) {
  EXPECT_THAT(error_of("Once upon a time").what, HasSubstr("no line of a plan"));
  EXPECT_THAT(error_of("[tensor]").what, HasSubstr("no line of a plan"));
  EXPECT_THAT(error_of("[tensors]\na = q8_0\nb = q8_0\na = q4_0").what, HasSubstr("first in line 2"));
  EXPECT_THAT(error_of("budget_bytes = 105MB").what, HasSubstr("no whole number"));
  EXPECT_THAT(error_of("budget_bytes = -1").what, HasSubstr("no whole number"));
  EXPECT_THAT(error_of("predicted_kl = nan").what, HasSubstr("no number"));
  EXPECT_THAT(error_of("measured_interval = 3").hint, HasSubstr("LOW .. HIGH"));
  EXPECT_THAT(error_of("model = \"abc").what, HasSubstr("does not end"));
  EXPECT_THAT(error_of("model = \"a\" b").what, HasSubstr("after a quoted text"));
  EXPECT_THAT(error_of("model = \"\\n\"").hint, HasSubstr("\\xHH"));
  EXPECT_THAT(error_of("[frontier]\n100 = x").where, HasSubstr("line 2"));
}

}  // namespace
}  // namespace fqlab
