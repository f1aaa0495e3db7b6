#include "base/system.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
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

std::optional<uint64_t> number_in(const std::filesystem::path& path) {
  std::ifstream file(path);
  uint64_t value = 0;
  if (file >> value) return value;
  return std::nullopt;  // absent, or "max"
}

/// Names of the files of a control group, which are others in the two versions.
struct GroupFiles {
  const char *limit, *used, *reclaimable;
};
constexpr GroupFiles kVersion2 = {"memory.max", "memory.current", "inactive_file"};
constexpr GroupFiles kVersion1 = {"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"};

/// Of the memory that a control group counts as used, the cached pages of files that the kernel gives back on
/// demand.
uint64_t reclaimable_bytes(const std::filesystem::path& group, const char* key) {
  std::ifstream file(group / "memory.stat");
  std::string name;
  uint64_t bytes = 0;
  while (file >> name >> bytes)
    if (name == key) return bytes;
  return 0;
}

uint64_t left_in(const std::filesystem::path& group, const GroupFiles& files) {
  const auto limit = number_in(group / files.limit), used = number_in(group / files.used);
  if (!limit || !used) return std::numeric_limits<uint64_t>::max();
  const uint64_t kept = *used - std::min(*used, reclaimable_bytes(group, files.reclaimable));
  return *limit > kept ? *limit - kept : 0;
}

/// The least of a group and those that it is in. A container may see its group by the name that it has
/// outside, where only the root exists.
uint64_t left_up_from(const std::filesystem::path& root, const std::string& group, const GroupFiles& files) {
  uint64_t left = left_in(root, files);
  std::filesystem::path path = root;
  for (const std::filesystem::path& name : std::filesystem::path(group).relative_path())
    left = std::min(left, left_in(path /= name, files));
  return left;
}

}  // namespace

uint64_t memory_total_bytes() { return meminfo_bytes("MemTotal"); }

uint64_t memory_left_by_groups(std::string_view groups, const std::filesystem::path& root) {
  uint64_t left = std::numeric_limits<uint64_t>::max();
  std::istringstream lines{std::string(groups)};
  for (std::string line; std::getline(lines, line);) {  // "0::/path", or "9:memory:/path"
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1),
                      path = line.substr(second + 1);
    if (controllers.empty())
      left = std::min(left, left_up_from(root, path, kVersion2));
    else if (controllers == "memory")
      left = std::min(left, left_up_from(root / "memory", path, kVersion1));
  }
  return left;
}

uint64_t memory_available_bytes() {
  std::ifstream file("/proc/self/cgroup");
  const std::string groups{std::istreambuf_iterator<char>(file), {}};
  return std::min(meminfo_bytes("MemAvailable"), memory_left_by_groups(groups, "/sys/fs/cgroup"));
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
