#include "gguf/value.h"

namespace fqlab {
namespace {

static_assert(std::variant_size_v<GgufValue> == kGgufTypes);

// Bytes that the smallest value of each type takes in a file; 0 where it may not be an array's element.
constexpr uint64_t kLeastBytes[kGgufTypes] = {1, 1, 2, 2, 4, 4, 4, 1, 8, 0, 8, 8, 8};

bool read_bool(Cursor& cursor, std::string_view field) {
  const uint64_t at = cursor.offset();
  const auto byte = cursor.read<uint8_t>(field);
  if (byte > 1) cursor.fail("a truth value must be 0 or 1, this one is " + std::to_string(byte), field, at);
  return byte == 1;
}

GgufValue read_scalar(Cursor& cursor, GgufType type, std::string_view field) {
  switch (type) {
    case GgufType::kUint8:
      return cursor.read<uint8_t>(field);
    case GgufType::kInt8:
      return cursor.read<int8_t>(field);
    case GgufType::kUint16:
      return cursor.read<uint16_t>(field);
    case GgufType::kInt16:
      return cursor.read<int16_t>(field);
    case GgufType::kUint32:
      return cursor.read<uint32_t>(field);
    case GgufType::kInt32:
      return cursor.read<int32_t>(field);
    case GgufType::kFloat32:
      return cursor.read<float>(field);
    case GgufType::kBool:
      return read_bool(cursor, field);
    case GgufType::kString:
      return cursor.string(field);
    case GgufType::kUint64:
      return cursor.read<uint64_t>(field);
    case GgufType::kInt64:
      return cursor.read<int64_t>(field);
    case GgufType::kFloat64:
      return cursor.read<double>(field);
    case GgufType::kArray:
      break;
  }
  return {};
}

GgufValue read_array(Cursor& cursor, std::string_view field, uint64_t& memory) {
  auto array = std::make_shared<GgufArray>();
  uint64_t at = cursor.offset();
  array->element_type = cursor.read<uint32_t>(std::string(field) + "'s element type");
  if (array->element_type >= kGgufTypes || kLeastBytes[array->element_type] == 0)
    cursor.fail("arrays of type " + std::to_string(array->element_type) + " are not supported", field, at);
  at = cursor.offset();
  const auto count = cursor.read<uint64_t>(std::string(field) + "'s element count");
  if (!cursor.ok()) return {};
  if (count > cursor.remaining() / kLeastBytes[array->element_type]) {
    cursor.fail(std::to_string(count) + " elements do not fit into the file", field, at,
                "the file is truncated or damaged");
    return {};
  }
  if (count > memory / sizeof(GgufValue)) {
    cursor.fail("the metadata is too large: " + std::to_string(count) + " elements", field, at,
                "the file is damaged: compare its checksum with the download page");
    return {};
  }
  memory -= count * sizeof(GgufValue);
  array->elements.reserve(count);
  for (uint64_t i = 0; i < count && cursor.ok(); ++i)
    array->elements.push_back(read_scalar(cursor, static_cast<GgufType>(array->element_type), field));
  return array;
}

void append_scalar(std::string& out, const GgufValue& value) {
  std::visit(
      [&](const auto& scalar) {
        using T = std::decay_t<decltype(scalar)>;
        if constexpr (std::is_same_v<T, std::string>) {
          append_string(out, scalar);
        } else if constexpr (std::is_arithmetic_v<T>) {
          append_number(out, scalar);
        }
      },
      value);
}

}  // namespace

GgufValue read_value(Cursor& cursor, uint32_t type, std::string_view field, uint64_t& memory) {
  if (type == static_cast<uint32_t>(GgufType::kArray)) return read_array(cursor, field, memory);
  return read_scalar(cursor, static_cast<GgufType>(type), field);
}

void append_string(std::string& out, std::string_view text) {
  append_number<uint64_t>(out, text.size());
  out += text;
}

Result<void> append_typed_value(std::string& out, const GgufValue& value) {
  append_number(out, static_cast<uint32_t>(value.index()));
  const auto* array = std::get_if<std::shared_ptr<const GgufArray>>(&value);
  if (array == nullptr) {
    append_scalar(out, value);
    return {};
  }
  const uint32_t type = *array ? (*array)->element_type : kGgufTypes;
  if (type >= kGgufTypes || kLeastBytes[type] == 0)
    return fail(ErrorCode::kUsage, "a metadata array needs elements of a scalar type or strings");
  append_number(out, type);
  append_number<uint64_t>(out, (*array)->elements.size());
  for (const GgufValue& element : (*array)->elements) {
    if (element.index() != type)
      return fail(ErrorCode::kUsage, "a metadata array's elements must all be of its type");
    append_scalar(out, element);
  }
  return {};
}

}  // namespace fqlab
