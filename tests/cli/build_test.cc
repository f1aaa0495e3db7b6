// fqlab build as people run it, on a llama of 260,000 parameters whose rows have 64 or 172 values.
#include <gmock/gmock.h>

#include "base/hash.h"
#include "cli/program.h"
#include "engine/imatrix_file.h"
#include "fqlab/gguf.h"
#include "fqlab/quantization_plan.h"

namespace fqlab {
namespace {

using ::testing::AllOf;
using testing::fqlab;
using ::testing::HasSubstr;
using ::testing::Not;

class BuildCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    FQLAB_REQUIRE_FILE(model_);
    const GgufFile file = GgufFile::open(model_).value();
    plan_.model = model_.string();
    plan_.model_sha256 = sha256_of_file(model_).value();
    for (const TensorInfo& tensor : file.tensors())
      if (tensor.is_matrix())
        plan_.tensors.push_back(
            {tensor.name, ggml_type_info(tensor.columns() == 64 ? "q4_0" : "f16")->type, {}});
  }
  testing::Ran build(const std::vector<std::string>& more = {}) {
    testing::write_file(path_, print_plan(plan_));
    return build_as_it_is(more);
  }
  testing::Ran build_as_it_is(const std::vector<std::string>& more = {}) {
    std::vector<std::string> all = {"build", path_, "-o", out_};
    all.insert(all.end(), more.begin(), more.end());
    return fqlab(all);
  }
  const std::filesystem::path model_ = testing::shared_file("data/stories260k-f32.gguf");
  testing::TemporaryFolder folder_;
  const std::string path_ = (folder_ / "a.plan").string(), out_ = (folder_ / "out.gguf").string();
  QuantizationPlan plan_;
};

TEST_F(BuildCommand, MakesTheFileAndSaysWhatIsInIt) {
  plan_.budget = "1MB";
  plan_.budget_bytes = 1000000;
  const auto ran = build();
  ASSERT_EQ(ran.code, 0) << ran.err;
  const GgufFile made = GgufFile::open(out_).value();
  EXPECT_EQ(ggml_type_info(made.find_tensor("blk.3.attn_q.weight")->type)->name, "q4_0");
  EXPECT_EQ(made.find_tensor("blk.3.ffn_down.weight")->type, GgmlType::kF16);
  EXPECT_THAT(ran.out, ::testing::ContainsRegex("q4_0 +32 +2[0-9]{2},[0-9]{3} +[0-9,]+ +4.50\n"));
  EXPECT_THAT(ran.err,
              AllOf(HasSubstr("wrote "), HasSubstr("of a budget of 1,000,000"), Not(HasSubstr("warning"))));
}

TEST_F(BuildCommand, RecordsWhereTheFileCameFromButNoPath) {
  plan_.budget = "1MB";
  ASSERT_EQ(build().code, 0);
  const GgufFile made = GgufFile::open(out_).value();
  EXPECT_EQ(made.metadata_string("fqlab.version"), FQLAB_VERSION);
  EXPECT_EQ(made.metadata_string("fqlab.source.sha256"), plan_.model_sha256);
  EXPECT_THAT(made.metadata_string("fqlab.plan").value(),
              ::testing::MatchesRegex("1MB, sha256 [0-9a-f]{16}"));
  EXPECT_EQ(testing::read_file(out_).find(model_.parent_path().string()), std::string::npos);
}

TEST_F(BuildCommand, ATypeEditedByHandChangesTheFileAndItsSizeIsSaid) {
  ASSERT_EQ(build().code, 0);
  plan_.file_bytes = GgufFile::open(out_)->file_bytes();
  plan_.budget_bytes = plan_.file_bytes;
  testing::write_file(path_, print_plan(plan_));
  const auto same = build_as_it_is({"--force"});
  EXPECT_THAT(same.err, AllOf(Not(HasSubstr("the plan says")), Not(HasSubstr("warning"))));
  std::string text = testing::read_file(path_);
  const std::string line = "blk.3.attn_q.weight      = q4_0";
  ASSERT_NE(text.find(line), std::string::npos) << text;
  text.replace(text.find(line), line.size(), "blk.3.attn_q.weight = Q8_0");
  testing::write_file(path_, text);
  const auto edited = build_as_it_is({"--force"});
  ASSERT_EQ(edited.code, 0) << edited.err;
  const GgufFile made = GgufFile::open(out_).value();
  EXPECT_EQ(ggml_type_info(made.find_tensor("blk.3.attn_q.weight")->type)->name, "q8_0");
  EXPECT_EQ(made.file_bytes(), plan_.file_bytes + 64 * 64 / 32 * (34 - 18));
  EXPECT_THAT(edited.err, HasSubstr("the plan says"));
  EXPECT_THAT(edited.err, HasSubstr("warning: the file is 2,048 bytes larger than the plan's budget"));
}

TEST_F(BuildCommand, RefusesAPlanThatDoesNotGoWithTheModel) {
  const QuantizationPlan good = plan_;
  const auto refused = [&](const char* message) {
    const auto ran = build();
    EXPECT_NE(ran.code, 0);
    EXPECT_THAT(ran.err, AllOf(::testing::StartsWith("error: "), HasSubstr(message)));
    EXPECT_EQ(std::ranges::count(ran.err, '\n'), 1);
    plan_ = good;
  };
  plan_.model_sha256[0] = plan_.model_sha256[0] == 'a' ? 'b' : 'a';
  refused("the plan is of another model");
  plan_.tensors.pop_back();
  refused("a tensor of the model is not planned");
  plan_.tensors[3].name = "blk.0.attn_outptu.weight";
  refused("did you mean blk.0.attn_output.weight");
  plan_.tensors[3].type = ggml_type_info("q4_K")->type;
  refused("a row of 64 values is no multiple of q4_K's block of 256");
  plan_.model = "none.gguf";
  refused("the plan's model is not there (none.gguf). say where it is: --model FILE");
  plan_.imatrix = "none.imatrix";
  refused("the plan's imatrix is not there");
  EXPECT_EQ(testing::files_in(folder_.path()), 1u) << "only the plan";
}

TEST_F(BuildCommand, RefusesWhatIsNoPlanWithItsLine) {
  testing::write_file(path_, "model = a\n[tensors]\nblk.0.attn_q.weight = q4_k_m\n");
  const auto ran = build_as_it_is();
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("a.plan, line 3"), HasSubstr("did you mean q4_k")));
}

TEST_F(BuildCommand, AModelIsNoPlan) {
  const auto ran = fqlab({"build", model_.string(), "-o", out_});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("this is no text"), HasSubstr("`fqlab plan`")));
}

TEST_F(BuildCommand, FindsTheModelBesideThePlanOrWhereItIsTold) {
  std::filesystem::copy_file(model_, folder_ / "moved.gguf");
  plan_.model = "moved.gguf";
  EXPECT_EQ(build().code, 0);
  plan_.model = "elsewhere/moved.gguf";
  EXPECT_EQ(build({"--force"}).code, 0);
  plan_.model = "";
  EXPECT_EQ(build({"--force"}).code, 2);
  EXPECT_EQ(build({"--force", "--model", model_.string()}).code, 0);
}

TEST_F(BuildCommand, TakesThePlansImatrixAndAnotherOnlyWhereAsked) {
  const std::string imatrix = (folder_ / "a.imatrix").string();
  testing::write_imatrix(imatrix, testing::in_layers(5, "attn_q", 64), "text.txt");
  plan_.imatrix = imatrix;
  plan_.imatrix_sha256 = sha256_of_file(imatrix).value();
  ASSERT_EQ(build().code, 0);
  EXPECT_EQ(GgufFile::open(out_)->metadata_string("quantize.imatrix.file"), "a.imatrix");
  testing::write_imatrix(imatrix, testing::in_layers(5, "attn_k", 64), "text.txt");
  const auto changed = build({"--force"});
  EXPECT_EQ(changed.code, 1);
  EXPECT_THAT(changed.err, HasSubstr("not the one that the plan was made with"));
  const auto asked = build({"--force", "--imatrix", imatrix});
  EXPECT_EQ(asked.code, 0) << asked.err;
  EXPECT_THAT(asked.err, HasSubstr("warning: the plan was not made with this imatrix"));
}

TEST_F(BuildCommand, ExportsTheTypesForStockLlamaQuantize) {
  const std::string types = (folder_ / "types.txt").string();
  testing::write_file(path_, print_plan(plan_));
  const auto ran = fqlab({"build", path_, "--export", "tensor-types", "-o", types});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(testing::read_file(types), tensor_type_file(plan_));
  EXPECT_THAT(ran.err, HasSubstr("llama-quantize --tensor-type-file"));
  EXPECT_EQ(fqlab({"build", path_, "--export", "tensor-types", "-o", types}).code, 2) << "it exists";
  EXPECT_EQ(fqlab({"build", path_, "--export", "types", "-o", types + "2"}).code, 2);
}

TEST_F(BuildCommand, KeepsAnExistingOutputUnlessForced) {
  testing::write_file(out_, "precious");
  EXPECT_EQ(build().code, 2);
  EXPECT_EQ(testing::read_file(out_), "precious");
  EXPECT_EQ(build({"--force"}).code, 0);
  EXPECT_TRUE(GgufFile::open(out_));
}

}  // namespace
}  // namespace fqlab
