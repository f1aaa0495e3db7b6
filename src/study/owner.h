// Which process holds a claim, and whether it still lives.
#pragma once

#include <cstdint>
#include <string>

namespace fqlab {

/// A process of this machine: its number alone is used again after its death or a restart.
struct ProcessIdentity {
  std::string boot;  ///< the kernel's boot id
  int64_t pid = 0;
  int64_t started = 0;  ///< clock ticks after boot
  friend bool operator==(const ProcessIdentity&, const ProcessIdentity&) = default;
};

ProcessIdentity this_process();
/// Blind spot: a process of another machine, or of another container, that shares the file counts as dead.
bool is_alive(const ProcessIdentity& process);

}  // namespace fqlab
