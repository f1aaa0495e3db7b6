#include "study/owner.h"

#include <fmt/format.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>

namespace fqlab {
namespace {

std::string boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  file >> id;
  return id;
}

/// Field 22 of /proc/PID/stat; absent for a process that is gone or a zombie. The name before it may hold
/// blanks and brackets.
std::optional<int64_t> start_time(int64_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  const std::string text(std::istreambuf_iterator<char>(file), {});
  const size_t bracket = text.rfind(')');
  if (bracket == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(bracket + 1));
  std::string field;
  if (!(fields >> field) || field == "Z" || field == "X") return std::nullopt;
  for (int i = 4; i < 22; ++i) fields >> field;
  int64_t ticks = 0;
  if (!(fields >> ticks)) return std::nullopt;
  return ticks;
}

}  // namespace

ProcessIdentity this_process() {
  const int64_t pid = getpid();
  return {boot_id(), pid, start_time(pid).value_or(0)};
}

bool is_alive(const ProcessIdentity& process) {
  return process.boot == boot_id() && start_time(process.pid) == process.started;
}

}  // namespace fqlab
