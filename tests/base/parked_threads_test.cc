#include "base/parked_threads.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cfenv>
#include <chrono>
#include <filesystem>
#include <mutex>
#include <new>
#include <set>
#include <thread>
#include <vector>

namespace fqlab {
namespace {

size_t threads_of_process() {
  return static_cast<size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/task"),
                                           std::filesystem::directory_iterator()));
}

TEST(ParkedThreads, EveryIndexIsCalledOnceOnAThreadOfItsOwn) {
  for (const int count : {0, 1, 2, 5, 3}) {
    std::vector<std::atomic<int>> calls(static_cast<size_t>(count));
    std::atomic<int> arrived = 0;
    std::mutex lock;
    std::set<std::thread::id> threads;
    run_on_threads(count, [&](int index) {
      ++calls[static_cast<size_t>(index)];
      const std::lock_guard held(lock);
      threads.insert(std::this_thread::get_id());
      ++arrived;
    });
    EXPECT_EQ(arrived, count);
    EXPECT_EQ(threads.size(), static_cast<size_t>(count));
    for (const std::atomic<int>& of_one : calls) EXPECT_EQ(of_one, 1);
  }
}

TEST(ParkedThreads, AreUsedAgain) {
  const auto nothing = [](int) {};
  run_on_threads(4, nothing);
  const size_t before = threads_of_process();
  for (int i = 0; i < 1000; ++i) run_on_threads(4, nothing);
  EXPECT_EQ(threads_of_process(), before);
}

TEST(ParkedThreads, CallsMayNestAndComeFromSeveralThreads) {
  std::atomic<int> sum = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i)
    callers.emplace_back([&] {
      for (int round = 0; round < 100; ++round)
        run_on_threads(3, [&](int) { run_on_threads(2, [&](int) { ++sum; }); });
    });
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(sum, 4 * 100 * 3 * 2);
}

TEST(ParkedThreads, WorkRunsInTheCallersRoundingMode) {
  run_on_threads(3, [](int) {});  // their threads are there before the mode is set
  const int before = std::fegetround();
  std::fesetround(FE_UPWARD);
  std::vector<int> modes(3);
  run_on_threads(3, [&](int index) { modes[static_cast<size_t>(index)] = std::fegetround(); });
  std::fesetround(before);
  EXPECT_THAT(modes, ::testing::Each(FE_UPWARD));
  run_on_threads(3, [&](int index) { modes[static_cast<size_t>(index)] = std::fegetround(); });
  EXPECT_THAT(modes, ::testing::Each(before));
}

TEST(ParkedThreads, TakeNoSignals) {
  std::vector<int> blocked(3);
  run_on_threads(3, [&](int index) {
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    blocked[static_cast<size_t>(index)] = sigismember(&mask, SIGINT);
  });
  EXPECT_THAT(blocked, ::testing::ElementsAre(0, 1, 1));
}

TEST(ParkedThreads, WhatTheCallersOwnWorkThrowsComesWhenTheOthersAreDone) {
  std::atomic<int> done = 0;
  const auto work = [&](int index) {
    if (index == 0) throw std::bad_alloc();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    ++done;
  };
  EXPECT_THROW(run_on_threads(3, work), std::bad_alloc);
  EXPECT_EQ(done, 2);
}

TEST(ParkedThreads, AForkedChildHasItsOwn) {
  run_on_threads(4, [](int) {});
  const pid_t child = fork();
  if (child == 0) {
    std::atomic<int> calls = 0;
    run_on_threads(4, [&](int) { ++calls; });
    exit(calls == 4 ? 0 : 1);  // not _exit(): ending has to wait for no thread of the parent
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  std::atomic<int> calls = 0;
  run_on_threads(4, [&](int) { ++calls; });
  EXPECT_EQ(calls, 4);
}

}  // namespace
}  // namespace fqlab
