// Prompts and greedy answers of real files.
#include <gmock/gmock.h>

#include <algorithm>

#include "fqlab/engine.h"
#include "fqlab/gguf.h"
#include "testing.h"

namespace fqlab {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

Model load(const std::filesystem::path& path) { return Model::load(GgufFile::open(path).value()).value(); }

std::string text_of(const Model& model, std::span<const int32_t> tokens) {
  std::string text;
  for (const int32_t token : tokens) text += model.token_text(token);
  return text;
}

class ChatOfSmolLm2 : public ::testing::Test {
 protected:
  void SetUp() override {
    FQLAB_REQUIRE_FILE(testing::smollm2_file());
    model_.emplace(load(testing::smollm2_file()));
  }
  std::string rendered(std::vector<ChatMessage> messages) {
    return model_->render_prompt(messages).value().text;
  }
  std::optional<Model> model_;
};

TEST_F(ChatOfSmolLm2, ThePromptHasTheTemplatesOwnSystemMessage) {
  const std::vector<ChatMessage> question = {{"user", "What is 2+2?"}};
  const RenderedPrompt prompt = model_->render_prompt(question).value();
  EXPECT_TRUE(prompt.chat_template);
  EXPECT_THAT(prompt.text, StartsWith("<|im_start|>system\nYou are a helpful AI assistant named SmolLM"));
  EXPECT_THAT(prompt.text, EndsWith("<|im_start|>user\nWhat is 2+2?<|im_end|>\n<|im_start|>assistant\n"));
}

TEST_F(ChatOfSmolLm2, AGivenSystemMessageReplacesTheTemplatesOwn) {
  const std::string text = rendered({{"system", "Answer in French."}, {"user", "Hello"}});
  EXPECT_THAT(text, StartsWith("<|im_start|>system\nAnswer in French.<|im_end|>\n"));
  EXPECT_THAT(text, ::testing::Not(HasSubstr("named SmolLM")));
}

TEST_F(ChatOfSmolLm2, EarlierTurnsStandInTheirOrder) {
  const std::string text = rendered({{"user", "One"}, {"assistant", "Two"}, {"user", "Three"}});
  EXPECT_THAT(text, EndsWith("<|im_start|>user\nOne<|im_end|>\n<|im_start|>assistant\nTwo<|im_end|>\n"
                             "<|im_start|>user\nThree<|im_end|>\n<|im_start|>assistant\n"));
}

TEST_F(ChatOfSmolLm2, TheTemplatesMarksBecomeSingleTokens) {
  const std::string text = rendered({{"user", "Hello"}});
  const std::vector<int32_t> tokens = model_->tokenize_prompt(text).value();
  EXPECT_EQ(text_of(*model_, tokens), text);  // no second BOS in front
  EXPECT_THAT(model_->tokenize_prompt("<|im_start|>").value(), SizeIs(1));
  EXPECT_GT(model_->tokenize("<|im_start|>").value().size(), 1u);
}

TEST_F(ChatOfSmolLm2, AnAnswerEndsBeforeTheTokenThatEndsIt) {
  const std::vector<int32_t> prompt = model_->tokenize_prompt(rendered({{"user", "What is 2+2?"}})).value();
  Evaluator evaluator = Evaluator::create(*model_, {256, 256, 2}).value();
  const std::vector<int32_t> answer = evaluator.generate(prompt, 64).value();
  ASSERT_FALSE(answer.empty());
  EXPECT_LT(answer.size(), 64u);
  EXPECT_TRUE(
      std::none_of(answer.begin(), answer.end(), [&](int32_t token) { return model_->ends_answer(token); }));
  EXPECT_THAT(text_of(*model_, answer), HasSubstr("4"));
}

TEST_F(ChatOfSmolLm2, AShorterAnswerIsTheBeginningOfALongerOne) {
  const std::vector<int32_t> prompt = model_->tokenize_prompt(rendered({{"user", "Hello"}})).value();
  Evaluator evaluator = Evaluator::create(*model_, {256, 256, 2}).value();
  const std::vector<int32_t> longer = evaluator.generate(prompt, 8).value(),
                             shorter = evaluator.generate(prompt, 3).value();
  ASSERT_THAT(shorter, SizeIs(3));
  EXPECT_TRUE(std::equal(shorter.begin(), shorter.end(), longer.begin()));
}

TEST_F(ChatOfSmolLm2, APromptThatDoesNotFitIsRefused) {
  const std::vector<int32_t> prompt = model_->tokenize_prompt(rendered({{"user", "Hello"}})).value();
  Evaluator evaluator = Evaluator::create(*model_, {256, 256, 2}).value();
  EXPECT_EQ(evaluator.generate(prompt, 250).error().code, ErrorCode::kUsage);
  EXPECT_EQ(evaluator.generate({}, 8).error().code, ErrorCode::kUsage);
}

TEST(ChatOfGemma, AFileWithoutATemplateGetsTheRawPromptAndOneBos) {
  FQLAB_REQUIRE_FILE(testing::gemma_file());
  const Model model = load(testing::gemma_file());
  const std::vector<ChatMessage> question = {{"user", "What is 2+2?"}};
  const RenderedPrompt prompt = model.render_prompt(question).value();
  EXPECT_FALSE(prompt.chat_template);
  EXPECT_EQ(prompt.text, "What is 2+2?");
  const std::vector<int32_t> tokens = model.tokenize_prompt(prompt.text).value();
  EXPECT_EQ(tokens.front(), model.chunk_bos());
  EXPECT_EQ(std::count(tokens.begin(), tokens.end(), model.chunk_bos()), 1);
}

/// The smallest model with a chat template.
class ChatOfATemplate : public ::testing::Test {
 protected:
  void SetUp() override { FQLAB_REQUIRE_FILE(testing::shared_file("data/stories260k-f32.gguf")); }
  Result<RenderedPrompt> rendered(const std::string& chat_template) {
    const GgufFile file = GgufFile::open(testing::shared_file("data/stories260k-f32.gguf")).value();
    GgufRewrite rewrite;
    rewrite.set_metadata.push_back({"tokenizer.chat_template", chat_template});
    EXPECT_TRUE(write_gguf_file(file, rewrite, folder_ / "x.gguf", true));
    return load(folder_ / "x.gguf").render_prompt(std::vector<ChatMessage>{{"user", "Hello"}});
  }
  testing::TemporaryFolder folder_;
};

TEST_F(ChatOfATemplate, ThatCannotBeReadIsRefusedWithItsCauseAndNothingIsPrinted) {
  ::testing::internal::CaptureStderr();
  const Result<RenderedPrompt> prompt = rendered("{% for m in messages %}{{ m.content ");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  ASSERT_FALSE(prompt);
  EXPECT_THAT(prompt.error().what, ::testing::Not(HasSubstr("std::exception")));
  EXPECT_THAT(prompt.error().where, EndsWith("x.gguf"));
}

TEST_F(ChatOfATemplate, ThatIsEmptyIsNone) {
  const RenderedPrompt prompt = rendered("").value();
  EXPECT_FALSE(prompt.chat_template);
  EXPECT_EQ(prompt.text, "Hello");
}

}  // namespace
}  // namespace fqlab
