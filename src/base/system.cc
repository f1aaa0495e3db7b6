#include "base/system.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <thread>

namespace fqlab {
namespace {

uint64_t meminfo_bytes(const std::string& key) {
  std::ifstream file("/proc/meminfo");
  std::string name;
  uint64_t kibibytes = 0;
  for (std::string line; std::getline(file, line);)
    if (std::istringstream(line) >> name >> kibibytes && name == key + ":") return kibibytes * 1024;
  return 0;
}

std::optional<uint64_t> number_in(const char* path) {
  std::ifstream file(path);
  uint64_t value = 0;
  if (file >> value) return value;
  return std::nullopt;  // absent, or "max"
}

/// Of the memory that a control group counts as used, the cached pages of files that the kernel gives back on
/// demand.
uint64_t reclaimable_bytes() {
  std::ifstream file("/sys/fs/cgroup/memory.stat");
  std::string name;
  uint64_t bytes = 0;
  while (file >> name >> bytes)
    if (name == "inactive_file") return bytes;
  return 0;
}

}  // namespace

uint64_t memory_total_bytes() { return meminfo_bytes("MemTotal"); }

uint64_t memory_available_bytes() {
  uint64_t available = meminfo_bytes("MemAvailable");
  const auto limit = number_in("/sys/fs/cgroup/memory.max"),
             used = number_in("/sys/fs/cgroup/memory.current");
  if (limit && used) {
    const uint64_t kept = *used - std::min(*used, reclaimable_bytes());
    available = std::min(available, *limit > kept ? *limit - kept : 0);
  }
  return available;
}

Result<void> require_memory(uint64_t needed_bytes, const std::string& what, const std::string& where,
                            const std::string& hint) {
  const uint64_t available = memory_available_bytes();
  if (needed_bytes <= available) return {};
  return fail(ErrorCode::kSystem,
              fmt::format("{} needs {} of memory and {} are available", what, human_bytes(needed_bytes),
                          human_bytes(available)),
              where, hint);
}

int hardware_threads() { return static_cast<int>(std::max(1u, std::thread::hardware_concurrency())); }

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) return line.substr(line.find(": ") + 2);
  return "unknown";
}

std::string cpu_isa() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return "avx512";
  if (__builtin_cpu_supports("avx2")) return "avx2";
#elif defined(__aarch64__)
  return "neon";
#endif
  return "baseline";
}

std::string operating_system() {
  utsname name{};
  if (uname(&name) != 0) return "unknown";
  return fmt::format("{} {} {}", name.sysname, name.release, name.machine);
}

std::string compiler() {
#if defined(__clang__)
  return "clang " __clang_version__;
#else
  return "gcc " __VERSION__;
#endif
}

std::string utc_now() { return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr))); }

std::string human_bytes(uint64_t bytes) {
  constexpr std::array<const char*, 5> kUnits = {"B", "kB", "MB", "GB", "TB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  if (unit == 0) return fmt::format("{} B", bytes);
  return fmt::format("{:.{}f} {}", value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0, kUnits[unit]);
}

}  // namespace fqlab
