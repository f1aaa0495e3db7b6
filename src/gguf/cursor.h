// Reads little-endian fields from untrusted bytes: the first failure sticks, with the field's name and byte
// offset.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "fqlab/result.h"

namespace fqlab {

static_assert(std::endian::native == std::endian::little, "GGUF fields are copied as they stand in the file");

/// A longer one is damage: a vocabulary's whole description as JSON takes 30 MB.
inline constexpr uint64_t kLongestString = uint64_t{256} << 20;

/// After a failure every read gives a zero value and moves nothing, so callers check ok() once a record.
class Cursor {
 public:
  explicit Cursor(std::span<const std::byte> bytes) : bytes_(bytes) {}

  bool ok() const { return !error_; }
  const Error& error() const { return *error_; }
  uint64_t offset() const { return offset_; }
  uint64_t remaining() const { return bytes_.size() - offset_; }

  template <class T>
  T read(std::string_view field) {
    T value{};
    if (!take(sizeof(T), field)) return value;
    std::memcpy(&value, bytes_.data() + offset_ - sizeof(T), sizeof(T));
    return value;
  }

  /// A 64-bit length and as many bytes.
  std::string string(std::string_view field) {
    const uint64_t at = offset_;
    const uint64_t length = read<uint64_t>(std::string(field) + "'s length");
    if (ok() && length > kLongestString && length <= remaining())
      fail(std::to_string(length) + " bytes are no string", field, at, "the file is damaged");
    if (!take(length, field)) return {};
    return {reinterpret_cast<const char*>(bytes_.data()) + offset_ - length, length};
  }

  /// Records a failure of `field`, which starts at byte `at`; the first one wins.
  void fail(std::string what, std::string_view field, uint64_t at, std::string hint = {}) {
    if (ok())
      error_ = Error{ErrorCode::kInput, std::move(what), std::string(field) + ", byte " + std::to_string(at),
                     std::move(hint)};
  }

 private:
  bool take(uint64_t count, std::string_view field) {
    if (ok() && count > remaining())
      fail("the file ends inside a field", field, offset_,
           "the file is truncated or damaged: compare its size with the download page");
    if (!ok()) return false;
    offset_ += count;
    return true;
  }

  std::span<const std::byte> bytes_;
  uint64_t offset_ = 0;
  std::optional<Error> error_;
};

}  // namespace fqlab
