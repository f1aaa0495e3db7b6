// GGUF files put together field by field, so that tests can make each field wrong.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fqlab::testing {

/// Appends fields as they stand in a file.
class Bytes {
 public:
  template <class T>
  Bytes& number(T value) {
    text_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Bytes& u32(uint32_t value) { return number(value); }
  Bytes& u64(uint64_t value) { return number(value); }
  Bytes& string(std::string_view text) {
    u64(text.size());
    text_ += text;
    return *this;
  }
  Bytes& raw(std::string_view text) {
    text_ += text;
    return *this;
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

struct SmallTensor {
  std::string name;
  std::vector<uint64_t> shape;
  uint32_t type = 0;
  uint64_t offset = 0;
  std::string data;
};

/// A file with the given parts; every part may be nonsense.
struct SmallFile {
  uint32_t version = 3;
  uint64_t alignment = 32;            // used for the layout; not written by itself
  std::vector<std::string> metadata;  // whole entries: key, type, value
  std::vector<SmallTensor> tensors;
  std::string end;  // after the last tensor's padding

  std::string header() const {
    Bytes out;
    out.raw("GGUF").u32(version).u64(tensors.size()).u64(metadata.size());
    for (const std::string& entry : metadata) out.raw(entry);
    for (const SmallTensor& tensor : tensors) {
      out.string(tensor.name).u32(static_cast<uint32_t>(tensor.shape.size()));
      for (uint64_t size : tensor.shape) out.u64(size);
      out.u32(tensor.type).u64(tensor.offset);
    }
    return out.text();
  }
  std::string text() const {
    std::string out = header();
    for (const SmallTensor& tensor : tensors) out = padded(out) + tensor.data;
    return padded(out) + end;
  }
  std::string padded(std::string text, char with = '\0') const {
    text.resize((text.size() + alignment - 1) / alignment * alignment, with);
    return text;
  }
};

inline std::string string_entry(std::string_view key, std::string_view value) {
  return Bytes().string(key).u32(8).string(value).text();
}
inline std::string u32_entry(std::string_view key, uint32_t value) {
  return Bytes().string(key).u32(4).u32(value).text();
}

/// One value of every metadata type, two arrays, and three tensors: f32, q8_0 and f16.
inline SmallFile small_file() {
  SmallFile file;
  file.metadata = {
      string_entry("general.architecture", "llama"),
      Bytes().string("a.u8").u32(0).number<uint8_t>(200).text(),
      Bytes().string("a.i8").u32(1).number<int8_t>(-3).text(),
      Bytes().string("a.u16").u32(2).number<uint16_t>(60000).text(),
      Bytes().string("a.i16").u32(3).number<int16_t>(-300).text(),
      u32_entry("a.u32", 4000000000u),
      Bytes().string("a.i32").u32(5).number<int32_t>(-5).text(),
      Bytes().string("a.f32").u32(6).number(1.5f).text(),
      Bytes().string("a.bool").u32(7).number<uint8_t>(1).text(),
      Bytes().string("a.u64").u32(10).u64(1ull << 60).text(),
      Bytes().string("a.i64").u32(11).number<int64_t>(-7).text(),
      Bytes().string("a.f64").u32(12).number(0.1).text(),
      Bytes().string("a.strings").u32(9).u32(8).u64(2).string("one").string("").text(),
      Bytes().string("a.bools").u32(9).u32(7).u64(3).raw(std::string("\1\0\1", 3)).text(),
  };
  file.tensors = {
      {"token_embd.weight",
       {2, 3},
       0,
       0,
       Bytes().number(1.0f).number(2.0f).number(-1.0f).number(0.5f).number(0.0f).number(3.0f).text()},
      {"blk.0.ffn_down.weight", {32, 2}, 8, 32, std::string(68, '\1')},
      {"blk.0.ffn_norm.weight", {5}, 1, 128, std::string(10, '\2')},
  };
  return file;
}

}  // namespace fqlab::testing
