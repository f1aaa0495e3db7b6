#include <gtest/gtest.h>

#include <cmath>

#include "fqlab/stats.h"

namespace fqlab {
namespace {

TEST(Margins, DefaultToTheSpecification) {
  const Margins defaults;
  const Margins spelled = parse_margins("ppl=0.5%,kl=0.01,top=1%,speed=2%").value();
  EXPECT_EQ(spelled.log_perplexity_ratio, defaults.log_perplexity_ratio);
  EXPECT_EQ(spelled.kl_nats, defaults.kl_nats);
  EXPECT_EQ(spelled.top_flips, defaults.top_flips);
  EXPECT_EQ(spelled.speed_log_ratio, defaults.speed_log_ratio);
  EXPECT_EQ(defaults.log_perplexity_ratio, std::log1p(0.005));
  EXPECT_EQ(defaults.speed_log_ratio, std::log1p(0.02));
}

TEST(Margins, KeepTheDefaultOfWhatIsNotNamed) {
  const Margins margins = parse_margins(" speed = 0.1 , kl=2e-3").value();
  EXPECT_EQ(margins.speed_log_ratio, std::log1p(0.1));
  EXPECT_EQ(margins.kl_nats, 0.002);
  EXPECT_EQ(margins.top_flips, 0.01);
}

TEST(Margins, RefuseWhatTheyDoNotUnderstand) {
  for (const char* text : {"", "kl", "kl=", "kl=0", "kl=-1", "kl=1x", "kl=nan", "kl=inf", "kl=1,",
                           "kl=1,kl=2", "KL=1", "=1", "kl=1%%", "kl==1"}) {
    const auto margins = parse_margins(text);
    ASSERT_FALSE(margins) << text;
    EXPECT_EQ(margins.error().code, ErrorCode::kUsage) << text;
  }
}

TEST(Margins, NameTheNearestName) {
  EXPECT_EQ(parse_margins("kl=0.01,sped=2%").error().hint, "did you mean speed?");
  EXPECT_EQ(parse_margins("zzzzz=2%").error().hint, "the names are ppl, kl, top and speed");
  EXPECT_EQ(parse_margins("kl=0.01,sped=2%").error().where, "--margin sped=2%");
}

}  // namespace
}  // namespace fqlab
