// GGUF's metadata values as bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "fqlab/gguf.h"
#include "gguf/cursor.h"

namespace fqlab {

/// GGUF's number of a value's type; GgufValue lists its alternatives in this order.
enum class GgufType : uint32_t {
  kUint8,
  kInt8,
  kUint16,
  kInt16,
  kUint32,
  kInt32,
  kFloat32,
  kBool,
  kString,
  kArray,
  kUint64,
  kInt64,
  kFloat64
};
constexpr uint32_t kGgufTypes = 13;

/// Reads one value of type `type`. `field` names it in errors. `memory` is what the values read so far may
/// still take, in bytes; it shrinks.
GgufValue read_value(Cursor& cursor, uint32_t type, std::string_view field, uint64_t& memory);

/// Appends type and value as they stand in a file. kUsage for arrays with mixed element types or arrays
/// inside arrays.
Result<void> append_typed_value(std::string& out, const GgufValue& value);

void append_string(std::string& out, std::string_view text);
template <class T>
void append_number(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace fqlab
