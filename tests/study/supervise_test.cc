#include "study/supervise.h"

#include <gmock/gmock.h>

#include <csignal>

namespace fqlab {
namespace {

TEST(Supervise, GivesTheExitCodeOfTheWork) {
  EXPECT_EQ(run_supervised([] { return 3; }).value(), 3);
}

TEST(Supervise, TurnsADeathIntoOneError) {
  const Result<int> died = run_supervised([]() -> int {
    std::raise(SIGABRT);
    return 0;
  });
  ASSERT_FALSE(died);
  EXPECT_EQ(died.error().code, ErrorCode::kEngine);
  EXPECT_THAT(died.error().what, ::testing::HasSubstr("the engine died"));
}

TEST(Supervise, SaysWhatAnInterruptLeaves) {
  const Result<int> interrupted = run_supervised([]() -> int {
    std::raise(SIGINT);
    return 0;
  });
  ASSERT_FALSE(interrupted);
  EXPECT_EQ(interrupted.error().code, ErrorCode::kInterrupted);
  EXPECT_EQ(interrupted.error().what, "interrupted; nothing was written");
}

}  // namespace
}  // namespace fqlab
