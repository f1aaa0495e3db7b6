#include "study/child_process.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <csignal>
#include <stdexcept>

namespace fqlab {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(ChildProcess, AnswersThroughItsSocket) {
  ChildProcess child = ChildProcess::start([](int socket) {
                         int number = 0;
                         while (receive_message(socket, number)) send_message(socket, 2 * number);
                         return 0;
                       }).value();
  for (const int number : {1, 21}) {
    int answer = 0;
    ASSERT_TRUE(send_message(child.socket(), number));
    ASSERT_TRUE(receive_message(child.socket(), answer));
    EXPECT_EQ(answer, 2 * number);
  }
}

TEST(ChildProcess, ItsDeathEndsTheSocketAndNamesTheSignal) {
  ChildProcess child = ChildProcess::start([](int) -> int { return std::raise(SIGABRT); }).value();
  int answer = 0;
  EXPECT_FALSE(receive_message(child.socket(), answer));
  EXPECT_THAT(child.how_it_ended(), HasSubstr("killed by signal 6"));
}

TEST(ChildProcess, AnExitCodeIsNamed) {
  ChildProcess child = ChildProcess::start([](int) { return 7; }).value();
  int answer = 0;
  EXPECT_FALSE(receive_message(child.socket(), answer));
  EXPECT_THAT(child.how_it_ended(), HasSubstr("exit code 7"));
}

TEST(ChildProcess, AnExceptionEndsItAndIsTold) {
  ChildProcess child =
      ChildProcess::start([](int) -> int { throw std::runtime_error("no such regex"); }).value();
  int answer = 0;
  EXPECT_FALSE(receive_message(child.socket(), answer));
  EXPECT_THAT(child.how_it_ended(), AllOf(HasSubstr("exit code 1"), HasSubstr("no such regex")));
}

TEST(ChildProcess, AnInterruptOfTheTerminalDoesNotReachIt) {
  ChildProcess child = ChildProcess::start([](int socket) {
                         std::raise(SIGINT);
                         return send_message(socket, 1) ? 0 : 1;
                       }).value();
  int answer = 0;
  EXPECT_TRUE(receive_message(child.socket(), answer));
}

TEST(ChildProcess, SharedMemoryOutlivesTheChildThatFilledIt) {
  const SharedMemory memory = SharedMemory::create(sizeof(int) * 4).value();
  {
    ChildProcess child = ChildProcess::start([&](int socket) {
                           memory.as<int>()[3] = 42;
                           send_message(socket, 0);
                           return std::raise(SIGKILL);
                         }).value();
    int answer = 0;
    EXPECT_TRUE(receive_message(child.socket(), answer));
    EXPECT_THAT(child.how_it_ended(), HasSubstr("signal 9"));
  }
  EXPECT_EQ(memory.as<int>()[3], 42);
  EXPECT_EQ(memory.as<int>()[0], 0);
}

TEST(SharedMemory, LiesInAFolderWithoutAName) {
  const SharedMemory memory = SharedMemory::create(10000, std::filesystem::temp_directory_path()).value();
  memory.as<char>()[9999] = 'x';
  EXPECT_EQ(memory.bytes().size(), 10000u);
  EXPECT_FALSE(SharedMemory::create(10, "there is no such folder"));
}

}  // namespace
}  // namespace fqlab
