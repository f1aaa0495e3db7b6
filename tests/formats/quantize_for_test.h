// Shorthands of the format tests.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "fqlab/format.h"

namespace fqlab::testing {

inline FormatSpec spec(const std::string& text) {
  const auto parsed = FormatSpec::parse(text);
  if (!parsed) throw std::invalid_argument(to_string(parsed.error()));
  return *parsed;
}

/// Float32 bits, with one pattern for all NaN.
inline uint32_t canonical(float x) { return std::isnan(x) ? 0x7fc00000u : std::bit_cast<uint32_t>(x); }
inline std::vector<uint32_t> canonical(const std::vector<float>& values) {
  std::vector<uint32_t> bits;
  for (const float x : values) bits.push_back(canonical(x));
  return bits;
}

/// Fake-quantized rows; `columns` 0: one row.
inline std::vector<float> quantized(const std::string& text, const std::vector<float>& in, size_t columns = 0,
                                    QuantizeCounts* counts = nullptr,
                                    const FakeQuantizeOptions& options = {}) {
  std::vector<float> out(in.size());
  const auto result =
      fake_quantize(spec(text), in, out, columns != 0 ? columns : std::max<size_t>(in.size(), 1), options);
  EXPECT_TRUE(result) << text << ": " << to_string(result.error());
  if (result && counts != nullptr) *counts = *result;
  return out;
}

}  // namespace fqlab::testing
