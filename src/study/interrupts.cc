#include "study/interrupts.h"

namespace fqlab {
namespace {

volatile sig_atomic_t interrupts = 0;

void count_interrupt(int) { interrupts = interrupts + 1; }

}  // namespace

Interrupts::Interrupts() {
  interrupts = 0;
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGINT);
  sigaddset(&blocked, SIGTERM);
  sigprocmask(SIG_BLOCK, &blocked, &old_mask_);
  struct sigaction action {};
  action.sa_handler = count_interrupt;
  sigaction(SIGINT, &action, &old_interrupt_);
  sigaction(SIGTERM, &action, &old_terminate_);
}

Interrupts::~Interrupts() {
  sigaction(SIGINT, &old_interrupt_, nullptr);
  sigaction(SIGTERM, &old_terminate_, nullptr);
  sigprocmask(SIG_SETMASK, &old_mask_, nullptr);
}

int Interrupts::count() const { return interrupts; }

void Interrupts::wait(std::span<pollfd> descriptors, int timeout_ms) const {
  const timespec timeout{timeout_ms / 1000, (timeout_ms % 1000) * 1'000'000L};
  for (pollfd& descriptor : descriptors) descriptor.revents = 0;
  if (ppoll(descriptors.data(), descriptors.size(), timeout_ms < 0 ? nullptr : &timeout, &old_mask_) < 0)
    for (pollfd& descriptor : descriptors) descriptor.revents = 0;
}

}  // namespace fqlab
