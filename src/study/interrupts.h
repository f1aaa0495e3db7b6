// Ctrl+C as something to ask for instead of something that happens.
#pragma once

#include <poll.h>

#include <csignal>
#include <span>

namespace fqlab {

/// While it lives, SIGINT and SIGTERM are counted and arrive only inside wait(). One at a time.
class Interrupts {
 public:
  Interrupts();
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  int count() const;
  /// Waits until a descriptor is ready, an interrupt arrives or the time is over (-1: forever).
  void wait(std::span<pollfd> descriptors, int timeout_ms) const;

 private:
  struct sigaction old_interrupt_ {
  }, old_terminate_{};
  sigset_t old_mask_{};
};

}  // namespace fqlab
