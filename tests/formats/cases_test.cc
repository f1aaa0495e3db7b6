// The exact cases of ../shared/cases/formats.tsv, bit for bit on every target.
#include <bit>
#include <fstream>
#include <sstream>

#include "fqlab/format.h"
#include "targets.h"
#include "testing.h"

namespace fqlab {
namespace {

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

/// "nan", "*", hexadecimal bits, or alternatives of these.
bool matches(const std::string& expected, uint32_t bits) {
  for (const std::string& one : split(expected, '|')) {
    if (one == "*") return true;
    if (one == "nan" ? (bits & 0x7fffffffu) > 0x7f800000u : std::stoul(one, nullptr, 16) == bits) return true;
  }
  return false;
}

void check_line(const std::string& line) {
  SCOPED_TRACE(line);
  const std::vector<std::string> fields = split(line, '\t');
  ASSERT_GE(fields.size(), 3u);
  const auto spec = FormatSpec::parse(fields[0]);
  ASSERT_TRUE(spec) << to_string(spec.error());
  std::vector<float> in;
  for (const std::string& bits : split(fields[1], ' '))
    in.push_back(std::bit_cast<float>(static_cast<uint32_t>(std::stoul(bits, nullptr, 16))));
  std::vector<float> out(in.size());
  const auto counts = fake_quantize(*spec, in, out, in.size());
  ASSERT_TRUE(counts) << to_string(counts.error());
  const std::vector<std::string> expected = split(fields[2], ' ');
  ASSERT_EQ(expected.size(), out.size());
  for (size_t i = 0; i < out.size(); ++i) {
    const auto bits = std::bit_cast<uint32_t>(out[i]);
    EXPECT_TRUE(matches(expected[i], bits))
        << "value " << i << ": " << std::hex << bits << " for " << expected[i];
  }
}

TEST(FormatCases, MatchBitForBitOnEveryTarget) {
  const auto file = testing::shared_file("cases/formats.tsv");
  FQLAB_REQUIRE_FILE(file);
  std::ifstream stream(file);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);)
    if (!line.empty() && line[0] != '#') lines.push_back(line);
  ASSERT_FALSE(lines.empty());
  testing::on_every_target([&] {
    for (const std::string& line : lines) check_line(line);
  });
}

}  // namespace
}  // namespace fqlab
