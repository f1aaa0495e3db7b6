// Importance matrices for tests.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "gguf/small_file.h"
#include "testing.h"

namespace fqlab::testing {

/// blk.0.KIND.weight to blk.N-1.KIND.weight, with that many columns.
inline std::map<std::string, uint64_t> in_layers(int layers, const std::string& kind, uint64_t columns) {
  std::map<std::string, uint64_t> tensors;
  for (int layer = 0; layer < layers; ++layer)
    tensors["blk." + std::to_string(layer) + "." + kind + ".weight"] = columns;
  return tensors;
}

/// An imatrix of three chunks of `dataset`: for each tensor, its columns, of very different importance.
inline void write_imatrix(const std::filesystem::path& path, const std::map<std::string, uint64_t>& tensors,
                          const std::filesystem::path& dataset) {
  SmallFile file;
  file.metadata = {string_entry("general.type", "imatrix"),
                   Bytes().string("imatrix.datasets").u32(9).u32(8).u64(1).string(dataset.string()).text(),
                   u32_entry("imatrix.chunk_count", 3), u32_entry("imatrix.chunk_size", 512)};
  uint64_t offset = 0;
  const auto add = [&](const std::string& name, std::vector<uint64_t> shape, const std::string& data) {
    file.tensors.push_back({name, std::move(shape), 0, offset, data});
    offset += (data.size() + 31) / 32 * 32;
  };
  for (const auto& [name, columns] : tensors) {
    Bytes sums;
    for (uint64_t i = 0; i < columns; ++i) sums.number(static_cast<float>((i * i * 37) % 1009 + 1));
    add(name + ".in_sum2", {columns, 1}, sums.text());
    add(name + ".counts", {1, 1}, Bytes().number(7.0f).text());
  }
  write_file(path, file.text());
}

}  // namespace fqlab::testing
