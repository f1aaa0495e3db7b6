// Facts about the machine that fqlab runs on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "fqlab/result.h"

namespace fqlab {

/// Bytes that a new process may use: MemAvailable, or what a container's limit leaves where that is less.
uint64_t memory_available_bytes();
uint64_t memory_total_bytes();
/// What the control groups of a process leave it: the least over its groups and those that they are in.
/// `groups` is /proc/self/cgroup, `root` /sys/fs/cgroup. The largest number where none has a limit.
uint64_t memory_left_by_groups(std::string_view groups, const std::filesystem::path& root);
/// Refuses (kSystem) what needs more memory than is available: "WHAT needs 3 GB of memory and 2 GB are
/// available".
Result<void> require_memory(uint64_t needed_bytes, const std::string& what, const std::string& where,
                            const std::string& hint);
int hardware_threads();
std::string cpu_name();
/// The widest vector instruction set: "avx512", "avx2", "neon", "baseline".
std::string cpu_isa();
/// "Linux 6.1.0 x86_64".
std::string operating_system();
std::string compiler();
/// Now, ISO 8601 in UTC.
std::string utc_now();
/// "1.23 GB", decimal units, three significant digits.
std::string human_bytes(uint64_t bytes);

}  // namespace fqlab
