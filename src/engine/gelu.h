// GELU in full precision. The engine rounds its argument and its value to 16 bits, even between float32
// tensors; docs/decisions/0010 shows what that does to small effects.
#pragma once

struct ggml_tensor;

namespace fqlab {

/// True for a node whose values the engine looks up in its table of 16-bit floats: GELU (by tanh) and quick
/// GELU of float32, alone or gated (GEGLU). GELU by erf has no table.
bool is_table_gelu(const ggml_tensor& node);

/// Computes the values of such a node from those of its sources, in double precision, rounded once. Source
/// and result may lie in the same memory, as in the engine. The same bits on every instruction set.
void compute_gelu(ggml_tensor& node);

}  // namespace fqlab
