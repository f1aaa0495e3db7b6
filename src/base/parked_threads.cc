#include "base/parked_threads.h"

#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <cfenv>
#include <chrono>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace fqlab {
namespace {

/// No signal reaches this thread, nor one that it starts, until the end of the scope.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

/// The processor that a thread waits on goes to sleep, and under a hypervisor takes 30 microseconds to wake;
/// loops follow each other sooner than this.
constexpr std::chrono::microseconds kAwakeFor{100};

/// Returns once `state` is no longer `value`: stays awake for a while, then sleeps.
void wait_while(const std::atomic<int>& state, int value) {
  const auto bedtime = std::chrono::steady_clock::now() + kAwakeFor;
  while (state.load(std::memory_order_acquire) == value) {
    if (std::chrono::steady_clock::now() >= bedtime) return state.wait(value, std::memory_order_acquire);
    std::this_thread::yield();
  }
}

/// One thread that waits for work. It takes no signals: a thread that is waiting for one would miss it.
class Helper {
 public:
  Helper() {
    const SignalsBlocked blocked;
    thread_ = std::thread([this] { serve(); });
  }
  ~Helper() {
    tell(kLeave);
    thread_.join();
  }
  Helper(const Helper&) = delete;
  Helper& operator=(const Helper&) = delete;

  void begin(const std::function<void(int)>& work, int index, const std::fenv_t& mode) {
    work_ = &work;
    index_ = index;
    mode_ = mode;
    tell(kWork);
  }
  void wait() { wait_while(state_, kWork); }

 private:
  enum State : int { kParked, kWork, kLeave };

  void tell(State state) {
    // Sequentially consistent: notify_one() reads whether someone waits, and must not do so before the store
    // is seen, or both sleep.
    state_.store(state);
    state_.notify_one();
  }
  void serve() noexcept {
    for (;;) {
      wait_while(state_, kParked);
      if (state_.load(std::memory_order_acquire) == kLeave) return;
      std::fesetenv(&mode_);
      (*work_)(index_);
      tell(kParked);
    }
  }

  // Written by whoever has the helper while it is parked, read by its thread while it works.
  const std::function<void(int)>* work_ = nullptr;
  int index_ = 0;
  std::fenv_t mode_{};
  std::atomic<int> state_ = kParked;
  std::thread thread_;
};

using Helpers = std::vector<std::unique_ptr<Helper>>;

/// The helpers that have nothing to do.
class Park {
 public:
  static Park& instance() {
    static Park park;
    return park;
  }

  /// `count` helpers, fewer where the system gives no more threads.
  Helpers take(size_t count) {
    Helpers taken;
    taken.reserve(count);
    {
      const std::lock_guard held(lock_);
      for (; taken.size() < count && !idle_.empty(); idle_.pop_back())
        taken.push_back(std::move(idle_.back()));
    }
    try {
      while (taken.size() < count) taken.push_back(std::make_unique<Helper>());
    } catch (const std::system_error&) {
    }
    return taken;
  }
  void give_back(Helpers helpers) {
    const std::lock_guard held(lock_);
    for (std::unique_ptr<Helper>& helper : helpers) idle_.push_back(std::move(helper));
  }

 private:
  // A child of fork() has no thread but the one that forked; thread sanitizers refuse it others if its parent
  // had some.
  Park() {
    pthread_atfork(
        [] {
          instance().lock_.lock();
          instance().idle_.clear();
        },
        [] { instance().lock_.unlock(); }, [] { instance().lock_.unlock(); });
  }

  std::mutex lock_;
  Helpers idle_;
};

/// Helpers until the end of the scope, which waits for them.
struct Borrowed {
  Helpers all;

  explicit Borrowed(size_t count) : all(Park::instance().take(count)) {}
  ~Borrowed() {
    for (const std::unique_ptr<Helper>& helper : all) helper->wait();
    Park::instance().give_back(std::move(all));
  }
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;
};

}  // namespace

void run_on_threads(int count, const std::function<void(int index)>& work) {
  if (count <= 1) {
    if (count == 1) work(0);
    return;
  }
  std::fenv_t mode;
  std::fegetenv(&mode);
  const Borrowed helpers(static_cast<size_t>(count) - 1);
  int next = 1;
  for (const std::unique_ptr<Helper>& helper : helpers.all) helper->begin(work, next++, mode);
  work(0);
  for (; next < count; ++next) work(next);
}

}  // namespace fqlab
