// Hashes: sha256 for what people compare (files), xxh64 for what only programs compare (seeds, keys).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "fqlab/result.h"

namespace fqlab {

/// Lower-case hexadecimal sha256.
std::string sha256(std::span<const std::byte> bytes);
Result<std::string> sha256_of_file(const std::filesystem::path& path);

/// xxHash64 of a text, for deriving seeds.
uint64_t hash64(std::string_view text, uint64_t seed = 0);

}  // namespace fqlab
